"""Files for several budgets: a set is compressed to each, and what a killed job has made is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rudcodec
from rudcodec.checksums import checksum_of
from rudcodec.display import ProgressView
from rudcodec.errors import DataError, SettingError
from rudcodec.progress import activity
from rudcodec.run_files import check_folder, checkpoints_in, is_of_a_run, run_folder
from rudcodec.settings import Settings
from rudcodec.text import clock, counted, per_class

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages
    from rudcodec.report import Ledger

_KEY_LENGTH = 16  # digits of a checksum


@dataclass(frozen=True, eq=False)
class Budgets:
    """Encodes of one set.

    Attributes:
        train: the set.
        settings: of all encodes, the budget apart.
        budgets: in bits per class.
        folder: where the files go, called by their budgets: ``30k.rud``, and ``encoded.jsonl``, which says
            what has made them.
    """

    train: LabelledImages
    settings: Settings
    budgets: Sequence[float]
    folder: Path

    @property
    def _learnt(self) -> Path:
        return self.folder / "learnt"

    @cached_property
    def _ledger(self) -> Ledger:
        from rudcodec.report import Ledger

        return Ledger(self.folder / "encoded.jsonl")

    @cached_property
    def _digest(self) -> str:
        from rudcodec.data import digest

        return digest(self.train)

    def check(self, force: bool) -> None:
        """Refuse, before any encode, budgets that can't be met and, unless ``force``, what another job has
        made or was making.

        Raises BudgetError, SettingError; DataError.
        """
        with activity("loading torch"):
            from rudcodec.distill.inputs import resolve_inputs
        check_folder(self._learnt)
        for bpc in self.budgets:
            resolve_inputs(self.train, None, self._settings(bpc))
            if not force:
                self._check_own(bpc)

    def _check_own(self, bpc: float) -> None:
        """Raise SettingError or DataError for a file or a run of a budget that isn't of this job."""
        path = self._path(bpc)
        if path.exists() and not _is_file_of(self._ledger.get(self._key(bpc)), path):
            raise DataError(
                f"{path}: exists already, and isn't known to be of this set and these settings; "
                "--force overwrites it"
            )
        for other in self._new_files_of_others(bpc):
            raise DataError(
                f"{other}: is of an interrupted job with another set or other settings, whose command goes "
                "on with it; --force removes it"
            )
        if (error := self._error_of_run(bpc)) is not None:
            raise type(error)(f"{error}, or use --force") from error

    def _error_of_run(self, bpc: float) -> SettingError | DataError | None:
        """Why an encode can't go on with what is in its run's folder; None if it can, or nothing is there.

        Raises DataError if the folder isn't a run's, BusyError if a process is at work there.
        """
        folder = run_folder(self._path(bpc))
        check_folder(folder)
        if not checkpoints_in(folder):
            return None
        from rudcodec.distill.encode import check_goes_on
        from rudcodec.distill.inputs import resolve_inputs
        from rudcodec.runs import CheckpointFolder

        with CheckpointFolder(folder) as run:
            try:
                check_goes_on(resolve_inputs(self.train, None, self._settings(bpc)), run)
            except (SettingError, DataError) as error:
                return error
        return None

    def _remove_others(self) -> None:
        """Remove what interrupted jobs with another set or other settings have left."""
        for bpc in self.budgets:
            for other in self._new_files_of_others(bpc):
                other.unlink(missing_ok=True)
            if self._error_of_run(bpc) is not None:
                _clear(run_folder(self._path(bpc)))

    def encode(self, view: ProgressView) -> list[Path]:
        """The files of all budgets; those that are there are left as they are.

        What other jobs have left goes: :meth:`check` refuses it, unless it is told to be gone. What is learnt
        of the set alone is learnt once, and kept in a folder until all files are there.
        """
        self._remove_others()
        paths = []
        for number, bpc in enumerate(self.budgets, start=1):
            path, key = self._path(bpc), self._key(bpc)
            paths.append(path)
            if not _is_file_of(self._ledger.get(key), path):
                view.say(f"{path}: {number} of {counted(len(self.budgets), 'file')}")
                self._encode_one(bpc, view)
        _clear(self._learnt)
        return paths

    def _encode_one(self, bpc: float, view: ProgressView) -> None:
        """Make the file of a budget; it gets its name once the ledger knows it."""
        path, key, new = self._path(bpc), self._key(bpc), self._new_file(bpc)
        if not new.exists():
            result = rudcodec.compress(
                self.train,
                new,
                self._settings(bpc),
                report=lambda report: view.show(replace(report, run_remaining=None)),  # more files follow
                checkpoints=run_folder(path),
                resume=True,
                learnt=self._learnt,
            )
            facts = f"{result.size:,} bytes, {per_class(result.ipc)}, {clock(result.seconds)}"
            view.say(f"{path}: {facts}")
            self._ledger.add(key, {"seconds": round(result.seconds), "sha256": _sha256(new)})
        else:  # of a process that was killed just then
            _clear(run_folder(path))
            if not _is_file_of(self._ledger.get(key), new):
                self._ledger.add(key, {"sha256": _sha256(new)})
        new.replace(path)

    def _settings(self, bpc: float) -> Settings:
        return replace(self.settings, bpc=bpc)

    def seconds(self, bpc: float) -> float | None:
        """How long an encode has taken; None if that isn't known."""
        known = self._ledger.get(self._key(bpc))
        return known.get("seconds") if isinstance(known, dict) else None

    def _path(self, bpc: float) -> Path:
        name = f"{bpc / 1000:.12g}k" if bpc >= 1000 and bpc % 100 == 0 else f"{bpc:.12g}"
        return self.folder / f"{name}.rud"

    def _new_file(self, bpc: float) -> Path:
        """Where a file lies until the ledger knows it."""
        return self.folder / f".{self._path(bpc).name}.{checksum_of(self._key(bpc))[:_KEY_LENGTH]}"

    def _new_files_of_others(self, bpc: float) -> list[Path]:
        """The same of other jobs, that were killed before they noted it."""
        pattern = rf"{re.escape(f'.{self._path(bpc).name}.')}[0-9a-f]{{{_KEY_LENGTH}}}"
        own = self._new_file(bpc).name
        return sorted(
            path for path in self.folder.glob(".*") if re.fullmatch(pattern, path.name) and path.name != own
        )

    def _key(self, bpc: float) -> dict[str, Any]:
        """What tells a file of this job from any other."""
        return {
            "file": self._path(bpc).name,
            "rudcodec": rudcodec.__version__,
            "data": self._digest,
            "settings": {**self.settings.as_dict(), "bpc": bpc},
        }


def _clear(folder: Path) -> None:
    """Remove what runs have kept in a folder, if it is one of a run. Raises BusyError if a process is at work
    there."""
    if folder.is_dir() and is_of_a_run(folder):
        from rudcodec.runs import clear_folder

        clear_folder(folder)


def _is_file_of(known: Any, path: Path) -> bool:
    """Whether a file is the one that an encode known to the ledger has made."""
    return isinstance(known, dict) and path.exists() and known.get("sha256") == _sha256(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
