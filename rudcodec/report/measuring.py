"""Measuring the points of a curve, each of which is kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rudcodec.baselines import Codec
from rudcodec.baselines.codecs import weights_of
from rudcodec.comparison import Comparison, Entry, Pending
from rudcodec.data import LabelledImages, digest
from rudcodec.display import ProgressView
from rudcodec.errors import BudgetError
from rudcodec.pace import PacedView
from rudcodec.report.judged import JudgedFile
from rudcodec.report.ledger import Ledger
from rudcodec.report.points import Point, points_of, record_of
from rudcodec.students import StudentKeeper
from rudcodec.text import percent


@dataclass(frozen=True, eq=False)
class Task:
    """A point, or one for each kind of students, to be measured.

    Attributes:
        file: that it belongs to.
        key: what the result depends on.
        pending: what judges it.
    """

    file: JudgedFile
    key: dict[str, Any]
    pending: Pending

    @property
    def name(self) -> str:
        """What it is called in messages."""
        codec = self.key["codec"]
        what = self.pending.kind if not codec else self.pending.kind.replace("pictures", f"as {codec}")
        return self.file.name if what == "set" else f"{self.file.name}, {what}"


def tasks_of(
    file: JudgedFile, comparison: Comparison, train: LabelledImages | None, codecs: Sequence[Codec]
) -> Iterator[Task]:
    """What there is to be judged of a file, and of real images out of ``train`` by each codec.

    Raises SettingError if the file's recipe makes no sense, or asks for more than a file may.
    """
    key = {
        "rudcodec": version("rudcodec"),
        "file": file.sha256,
        "judged on": digest(comparison.real),
        "recipe": dict(comparison.changes),
        "students": [[spec.name, spec.width, str(spec.device)] for spec in comparison.panel.specs],
        "seeds": list(comparison.panel.seeds),
    }
    if origins := [origin for spec in comparison.panel.specs if (origin := spec.origin)]:
        key["networks of others"] = origins
    for pending in comparison.of_set():
        yield Task(file, {**key, "kind": pending.kind, "codec": ""}, pending)
    if train is None or not codecs:
        return
    key["drawn from"] = digest(train)
    for codec in codecs:
        of_codec = {**key, "codec": codec}
        if weights := weights_of(codec):
            of_codec["weights"] = weights
        for pending in comparison.of_real_images(train, codec):
            yield Task(file, {**of_codec, "kind": pending.kind}, pending)


@dataclass
class Measuring:
    """Measures tasks one after another, and leaves out those whose results are in the ledger.

    Attributes:
        ledger: where results are kept.
        view: shows progress, with the time that all of it still takes, and a line for each result.
        keeper: trains the students.
    """

    ledger: Ledger
    view: ProgressView
    keeper: StudentKeeper

    def __post_init__(self) -> None:
        self._paced, self._current = PacedView(self.view, self.keeper.fresh_part), ""
        self.refusals: list[str] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        """A :data:`rudcodec.progress.StageProgress` for the comparisons of the tasks."""
        self._paced(f"{self._current}: {stage}", done, total)

    def run(self, tasks: Sequence[Task]) -> list[Point]:
        """The points of all tasks; what has none, since it doesn't fit, is added to ``refusals``."""
        new = [task for task in tasks if self.ledger.get(task.key) is None]
        if kept := len(tasks) - len(new):
            self.view.say(f"{self.ledger.path}: has {kept} of {len(tasks)} results already")
        in_turn = self._paced.in_turn(new, lambda task: task.pending.work)
        for number, task in enumerate(in_turn, start=1):
            self._current = f"{number} of {len(new)}, {task.name}"
            record = _judged(task.pending)
            self.ledger.add(task.key, record)
            self.view.say(f"{task.name}: {_summary(record)}")
        points: list[Point] = []
        for task in tasks:
            record = self.ledger.get(task.key)
            if "refused" in record:
                self.refusals.append(f"{task.name}: {record['refused']}")
            else:
                points += points_of(record, task.file)
        return points


def _judged(pending: Pending) -> dict[str, Any]:
    try:
        entry: Entry = pending.judge()
    except BudgetError as error:
        return {"refused": str(error)}
    return record_of(entry)


def _summary(record: dict[str, Any]) -> str:
    if "refused" in record:
        return str(record["refused"])
    if not record["results"]:
        return percent(record["accuracy"])
    return ", ".join(percent(one["mean"], one["std"] or 0.0, len(one["seeds"])) for one in record["results"])
