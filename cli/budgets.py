"""Files for several budgets: a set is compressed to each, and what a killed job has made is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rudcodec
from rudcodec.checksums import checksum_of
from rudcodec.display import ProgressView
from rudcodec.errors import DataError
from rudcodec.progress import activity
from rudcodec.settings import Settings
from rudcodec.text import clock

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages
    from rudcodec.report import Ledger


@dataclass(frozen=True, eq=False)
class Budgets:
    """Encodes of one set.

    Attributes:
        train: the set.
        settings: of all encodes, the budget apart.
        sizes: budgets in bits per class.
        folder: where the files go, called by their budgets: ``30k.rud``, and ``encoded.jsonl``, which says
            what has made them.
    """

    train: LabelledImages
    settings: Settings
    sizes: Sequence[float]
    folder: Path

    @cached_property
    def _ledger(self) -> Ledger:
        from rudcodec.report import Ledger

        return Ledger(self.folder / "encoded.jsonl")

    @cached_property
    def _digest(self) -> str:
        from rudcodec.data import digest

        return digest(self.train)

    def check(self, force: bool) -> None:
        """Refuse, before any encode, budgets that can't be met and files that aren't of this job.

        Raises BudgetError, SettingError; DataError.
        """
        with activity("loading torch"):
            from rudcodec.distill.inputs import resolve_inputs
        for size in self.sizes:
            resolve_inputs(self.train, None, replace(self.settings, bpc=size))
            path = self._path(size)
            if path.exists() and not force and not _is_file_of(self._ledger.get(self._key(size)), path):
                raise DataError(
                    f"{path}: exists already, and isn't known to be of this set and these settings; "
                    "--force overwrites it"
                )

    def encode(self, view: ProgressView) -> list[Path]:
        """The files of all budgets; those that are there are left as they are.

        What is learnt of the set alone is learnt once, and kept in a folder until all files are there.
        """
        paths, learnt = [], self.folder / "learnt"
        for number, size in enumerate(self.sizes, start=1):
            path, key = self._path(size), self._key(size)
            paths.append(path)
            if _is_file_of(self._ledger.get(key), path):
                continue
            view.say(f"{path}: {number} of {len(self.sizes)} files")
            new = self.folder / f".{path.name}.{checksum_of(key)[:16]}"  # until the ledger knows it
            if not new.exists():
                result = rudcodec.compress(
                    self.train,
                    new,
                    replace(self.settings, bpc=size),
                    report=lambda report: view.show(replace(report, run_remaining=None)),  # more files follow
                    checkpoints=f"{path}.run",
                    resume=True,
                    learnt=learnt,
                )
                facts = f"{result.size:,} bytes, {result.ipc} images per class, {clock(result.seconds)}"
                view.say(f"{path}: {facts}")
                self._ledger.add(key, {"seconds": round(result.seconds), "sha256": _sha256(new)})
            elif not _is_file_of(self._ledger.get(key), new):  # of a process that was killed just then
                self._ledger.add(key, {"sha256": _sha256(new)})
            new.replace(path)
        if learnt.exists():
            from rudcodec.runs import CheckpointFolder

            with CheckpointFolder(learnt) as kept:
                kept.clear()
        return paths

    def seconds(self, size: float) -> float | None:
        """How long an encode has taken; None if that isn't known."""
        known = self._ledger.get(self._key(size))
        return known.get("seconds") if isinstance(known, dict) else None

    def _path(self, size: float) -> Path:
        name = f"{size / 1000:.12g}k" if size >= 1000 and size % 100 == 0 else f"{size:.12g}"
        return self.folder / f"{name}.rud"

    def _key(self, size: float) -> dict[str, Any]:
        """What tells a file of this job from any other."""
        return {
            "file": self._path(size).name,
            "rudcodec": rudcodec.__version__,
            "data": self._digest,
            "settings": {**self.settings.as_dict(), "bpc": size},
        }


def _is_file_of(known: Any, path: Path) -> bool:
    """Whether a file is the one that an encode known to the ledger has made."""
    return isinstance(known, dict) and path.exists() and known.get("sha256") == _sha256(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
