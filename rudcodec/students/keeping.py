"""Students that are kept until the work they belong to is done, so that it goes on where it was killed."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec.bitstream import labels_bytes
from rudcodec.checksums import checksum_of
from rudcodec.data import LabelledImages, digest
from rudcodec.data.cache_place import STUDENTS, cache_folder
from rudcodec.errors import DataError, MissingPackageError, SettingError
from rudcodec.nets.speed import computes_on
from rudcodec.payload import ImageShape
from rudcodec.progress import Progress
from rudcodec.run_files import BusyError, is_of_a_run
from rudcodec.runs import CHECKPOINT_SECONDS, CheckpointFolder, Journal, State, clear_folder, software
from rudcodec.students.prediction import predict
from rudcodec.students.trainer import Trainer
from rudcodec.students.training_set import TrainingSet
from rudcodec.text import shown


class Seen(NamedTuple):
    """What a student made of images.

    Attributes:
        predicted: the class of each, int64 (N,).
        seconds: how long it took to train and to look, in all processes where some were killed.
    """

    predicted: NDArray[np.int64]
    seconds: float


class StudentKeeper:
    """Trains students and lets them look at images, each once.

    A student is told from others by all that it depends on: what it is trained on, how, and the images it
    looks at. One whose network has no name isn't kept.

    Args:
        journal: keeps what is done, or None.

    Attributes:
        goes_on: whether there is something that was done before.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self.goes_on = journal is not None and journal.goes_on
        self._seen: dict[str, Seen] = {}
        self._looks = self._fresh = 0  # since the last question; fresh ones are of students trained here

    def look(
        self, trainer: Trainer, seed: int, real: LabelledImages, progress: Progress | None = None
    ) -> Seen:
        """What the student of a seed sees in ``real`` images; ``progress`` as in :meth:`Trainer.train`."""
        journal = self._journal
        self._looks += 1
        if journal is None or not isinstance(trainer.spec.net, str):
            self._fresh += 1
            started = time.monotonic()
            predicted = predict(trainer.train(seed, progress), real.images, trainer.recipe)
            return Seen(predicted, time.monotonic() - started)
        key = _key(trainer, seed, real)
        if key not in self._seen:

            def stage() -> State:
                self._fresh += 1
                student = trainer.train(seed, progress, journal)
                predicted = predict(student, real.images, trainer.recipe)
                return [torch.from_numpy(predicted), journal.stage_seconds]

            predicted, seconds = journal.run_stage(key, stage, saved=True)
            self._seen[key] = Seen(predicted.numpy(), seconds)
        return self._seen[key]

    def fresh_part(self) -> float:
        """Of the students since the last question the part that was trained in this process, 0..1; 1 where
        there were none."""
        looks, fresh = self._looks, self._fresh
        self._looks = self._fresh = 0
        return fresh / looks if looks else 1.0


@contextmanager
def students_in_cache(name: str) -> Iterator[StudentKeeper]:
    """As :func:`kept_students`, in a folder of the cache with this name."""
    folder = None
    try:
        folder = cache_folder() / STUDENTS / name
    except (SettingError, MissingPackageError) as error:
        _warn(error)
    with kept_students(folder) as keeper:
        yield keeper


@contextmanager
def kept_students(
    folder: Path | None, checkpoint_seconds: float = CHECKPOINT_SECONDS
) -> Iterator[StudentKeeper]:
    """A keeper for the students of one piece of work, in a folder that is removed when this is done.

    Without a folder nothing is kept. Where it can't be used or written, a warning says so, and students are
    trained without.
    """
    with ExitStack() as stack:
        checkpoints: CheckpointFolder | None = None
        try:
            if folder is not None:
                folder.parent.mkdir(parents=True, exist_ok=True)
                checkpoints = stack.enter_context(_Forgiving(folder))
        except (DataError, OSError) as error:
            _warn(error)
        yield stack.enter_context(students_within(checkpoints, checkpoint_seconds))


@contextmanager
def students_within(
    checkpoints: CheckpointFolder | None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    fingerprint: Mapping[str, Any] | None = None,
) -> Iterator[StudentKeeper]:
    """A keeper for the students of one piece of work, that goes on from the checkpoints in a folder, if there
    is one; they are removed when the work is done.

    Raises DataError for checkpoints that can't be used, SettingError for those of work with another
    ``fingerprint``.
    """
    with Journal(checkpoints, fingerprint, True, checkpoint_seconds) as journal:
        yield StudentKeeper(journal)
        if checkpoints is not None:
            checkpoints.clear()


def kept_sizes(folder: Path) -> dict[Path, int]:
    """What is kept in a folder of the cache of work that isn't done: the bytes on the disk of each. Raises
    DataError."""
    sizes = {}
    try:
        for path in sorted(folder.iterdir()):
            with suppress(FileNotFoundError):  # another process has just done its work
                if path.is_dir() and is_of_a_run(path):
                    sizes[path] = sum(file.stat().st_size for file in path.iterdir())
    except OSError as error:
        raise DataError(f"{shown(str(folder))}: can't be read ({error.strerror or error})") from None
    return sizes


def remove_kept(path: Path) -> bool:
    """Remove one of these, unless another process is at work on it: then False. Raises DataError."""
    try:
        clear_folder(path)
    except BusyError:
        return False
    return True


class _Forgiving(CheckpointFolder):
    """One without which work can go on."""

    def save(self, state: State) -> None:
        try:
            super().save(state)
        except DataError as error:
            _warn(error)

    def load(self) -> State | None:
        try:
            return super().load()
        except DataError:  # what can't be read is done again
            self.clear()
            return None


def _warn(error: Exception) -> None:
    warnings.warn(f"students aren't kept, should this be interrupted: {error}", RuntimeWarning, stacklevel=2)


def facts_of_students(trainer: Trainer, real: LabelledImages) -> dict[str, Any]:
    """All that students depend on, their seeds apart, and what they look at; JSON."""
    net = trainer.spec.net
    name = f"{net} {trainer.spec.origin}".rstrip() if isinstance(net, str) else "a function"
    return {
        "software": software(),
        "device": [str(trainer.device), computes_on(trainer.device)],
        "layout": [trainer.channels_last, trainer.compiled],
        "network": f"{name} of width {trainer.spec.width}",
        "recipe": str(trainer.recipe),
        "training set": _digest(trainer.data),
        "real images": digest(real),
    }


def _key(trainer: Trainer, seed: int, real: LabelledImages) -> str:
    """A checksum of all that a student depends on, and of what it looks at."""
    facts = {**facts_of_students(trainer, real), "seed": seed}
    return checksum_of(facts)


def _digest(data: TrainingSet) -> str:
    shape = data.images.shape
    checksum = hashlib.sha256(repr((shape, data.num_classes, data.temperature)).encode())
    for array in (data.images, data.labels, *(() if data.probs is None else (data.probs,))):
        checksum.update(np.ascontiguousarray(array).data)
    if data.network is not None:
        checksum.update(labels_bytes(data.network, ImageShape(*shape[1:]), data.num_classes))
    return checksum.hexdigest()
