"""What is kept of a run on the disk, as far as the names of files say it.

Needs no torch, so that a folder can be refused at once: before anything is read, or a log is begun anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from rudcodec.errors import DataError, SettingError
from rudcodec.files import TEMPORARY_SUFFIX
from rudcodec.optional import load_optional
from rudcodec.processes import is_first_process

if TYPE_CHECKING:
    from filelock import BaseFileLock

CHECKPOINT_SECONDS = 60.0
MARKER = "rudcodec-run.json"  # says that the folder is a run's, and whether the run made it
LOCK = "rudcodec-run.lock"


class BusyError(DataError):
    """Another run is using the folder."""


@dataclass(frozen=True)
class RunFiles:
    """What an encode keeps, and where: see :func:`rudcodec.distill.compress`.

    Raises SettingError if it is to go on with a run, and there is no folder of one.
    """

    checkpoints: Path | None = None
    resume: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    learnt: Path | None = None

    def __post_init__(self) -> None:
        if self.resume and self.checkpoints is None:
            raise SettingError("resume: there is no run to go on with; checkpoints names its folder")

    @property
    def goes_on(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.resume and self.checkpoints is not None and bool(checkpoints_in(self.checkpoints))

    def check(self) -> None:
        """Raise, before anything is read, what the run would raise of its folders. Raises DataError,
        SettingError."""
        if not is_first_process():  # the folders are the first one's affair, which may have begun
            return
        folders = [folder for folder in (self.checkpoints, self.learnt) if folder is not None]
        if len({os.path.realpath(folder) for folder in folders}) < len(folders):
            raise SettingError(f"checkpoints and learnt are one folder, {self.checkpoints}; name two")
        for folder in folders:
            check_folder(folder)
            _check_idle(folder)
        self.check_new()

    def check_new(self) -> None:
        """Raise DataError if there is an unfinished run, and this one isn't to go on with it."""
        if self.checkpoints is not None and not self.resume and checkpoints_in(self.checkpoints):
            raise DataError(
                f"{self.checkpoints}: holds an unfinished run; --resume (in Python resume=True) goes on "
                "with it, or remove that folder"
            )


def run_folder(out: Path) -> Path:
    """Where commands keep the checkpoints of the run that writes a file."""
    return Path(f"{out}.run")


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest last."""
    return sorted((p for p in folder.glob("checkpoint-*.safetensors") if number_of(p)), key=number_of)


def number_of(checkpoint: Path) -> int:
    """The number of a checkpoint by its name; 0 for anything else."""
    match = re.fullmatch(r"checkpoint-([1-9][0-9]*)\.safetensors", checkpoint.name)
    return int(match[1]) if match else 0


def check_folder(folder: Path) -> None:
    """Raise DataError for what can't be a run's folder: a file, or a folder with files of something else."""
    try:
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder}: is a file, not a folder for checkpoints")
        if folder.exists() and any(folder.iterdir()) and not is_of_a_run(folder):
            raise DataError(f"{folder}: holds files that are not of a run; give a new or an empty folder")
    except OSError as error:
        raise DataError(f"{folder}: can't be used for checkpoints ({error.strerror})") from None


def is_of_a_run(folder: Path) -> bool:
    """Whether a folder has the marker of a run, or nothing but what a process has left that was killed before
    it wrote it or after it removed it."""
    names = [path.name for path in folder.iterdir()]
    return MARKER in names or (names != [] and all(name == LOCK or is_leftover(name) for name in names))


def is_leftover(name: str) -> bool:
    """Whether a file of that name is one that a run was writing in its folder when it was killed."""
    return any(
        fnmatch(name, f".{target}.*{TEMPORARY_SUFFIX}") for target in (MARKER, "checkpoint-*.safetensors")
    )


def lock_of(folder: Path) -> BaseFileLock:
    """The lock of a run's folder, which :func:`acquire` doesn't wait for. Raises MissingPackageError."""
    load_optional("filelock")
    from filelock import FileLock

    return FileLock(folder / LOCK, blocking=False)


def acquire(lock: BaseFileLock, folder: Path) -> None:
    """Lock a run's folder. Raises BusyError; DataError."""
    from filelock import Timeout

    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{folder}: another run is using this folder; wait for it, or stop it") from None
    except OSError as error:
        raise DataError(f"{folder}: can't be locked ({error.strerror})") from None


def _check_idle(folder: Path) -> None:
    """Raise BusyError if another run is using a folder."""
    if (folder / LOCK).exists():
        lock = lock_of(folder)
        acquire(lock, folder)
        lock.release()
