"""Points of a curve: what was judged, what it takes, what it is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rudcodec.report.judged import JudgedFile

if TYPE_CHECKING:
    from rudcodec.comparison import Entry, Kind
    from rudcodec.evaluation import EvalResult

MOST_CLASSES = 200
"""Confusions of more classes than this aren't kept: their matrix would be larger than all the rest."""


@dataclass(frozen=True)
class Point:
    """Students of one kind, trained on a file or on what would replace it; or a label network itself.

    Attributes:
        file, sha256, label_mode: of the file that it belongs to.
        kind: what was judged, see :data:`rudcodec.comparison.Kind`.
        codec, quality: of real images; "" and None else; ``uncounted``: bytes of the codec's weights, which
            ``size`` is without.
        size, bpc: bytes of what was judged, and bits per class from that.
        ipc: images per class; 0 for a label network.
        net, width, steps, batch, seeds: the students; "", None, 0, 0 and none for a label network.
        accuracies: of each student, 0..1; of a label network its own.
        mean, std: of these.
        per_class: mean accuracy on each class, None where nothing was judged; empty for a label network.
        confusion: as in :class:`rudcodec.evaluation.EvalResult`; empty for a label network and for more than
            ``MOST_CLASSES`` classes.
        real_images: how many were judged.
        seconds: of training and judging.
        device: where that was done.
    """

    file: str
    sha256: str
    label_mode: str
    kind: Kind
    codec: str
    quality: int | None
    size: int
    bpc: float
    ipc: float
    mean: float
    uncounted: int = 0
    std: float = 0.0
    accuracies: tuple[float, ...] = ()
    net: str = ""
    width: int | None = None
    steps: int = 0
    batch: int = 0
    seeds: tuple[int, ...] = ()
    per_class: tuple[float | None, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    real_images: int = 0
    seconds: float = 0.0
    device: str = ""

    @property
    def labels(self) -> str:
        """What labels were seen: the file's mode, or ``hard`` where images had their classes."""
        return "hard" if self.kind in ("images alone", "pictures") else self.label_mode

    @property
    def student(self) -> str:
        """The network of the students, and its width if it has one."""
        return f"{self.net} w{self.width}" if self.width else self.net


def record_of(entry: Entry) -> dict[str, Any]:
    """What is kept of a judged entry, as JSON."""
    winner = None if entry.baseline is None else entry.baseline.winner
    return {
        "kind": entry.kind,
        "codec": "" if winner is None else winner.codec,
        "quality": None if winner is None else winner.quality,
        "uncounted": 0 if winner is None else winner.uncounted,
        "size": entry.size,
        "ipc": entry.ipc,
        "accuracy": entry.accuracy,
        "results": [_result(result) for result in entry.results],
    }


def points_of(record: Mapping[str, Any], file: JudgedFile) -> Iterator[Point]:
    """The points of a record: one for each kind of students."""
    what = {name: record[name] for name in ("kind", "codec", "quality", "size", "ipc")}
    what["uncounted"] = record.get("uncounted", 0)
    what |= {"file": file.name, "sha256": file.sha256, "label_mode": file.label_mode}
    what["bpc"] = 8 * record["size"] / len(file.data.classes)
    if not record["results"]:
        yield Point(**what, mean=record["accuracy"], accuracies=(record["accuracy"],))
    for result in record["results"]:
        facts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in result.items()
        }
        facts["confusion"] = tuple(map(tuple, result["confusion"]))
        facts["std"] = result["std"] or 0.0
        yield Point(**what, **facts)


_RESULT = {
    *("mean", "std", "accuracies", "net", "width", "steps", "batch", "seeds"),
    *("per_class", "confusion", "real_images", "seconds", "device"),
}


def _result(result: EvalResult) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(result).items() if name in _RESULT}
    facts["per_class"] = [None if math.isnan(value) else value for value in result.per_class]
    facts["std"] = result.deviation
    if len(result.per_class) > MOST_CLASSES:
        facts["confusion"] = ()
    return facts
