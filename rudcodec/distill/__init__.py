"""The encoder. ``distill`` makes a Payload; ``compress`` reads a source and writes a file."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rudcodec import bitstream
from rudcodec.data import LabelledImages, digest, load
from rudcodec.distill.encode import distill
from rudcodec.distill.estimate import Estimate, estimate
from rudcodec.distill.settings import Progress, Settings
from rudcodec.distill.training import Report
from rudcodec.errors import DataError
from rudcodec.files import check_writable
from rudcodec.runs import CheckpointFolder, Journal, Ranks, joined_ranks

__all__ = ["CompressResult", "Estimate", "Progress", "Settings", "compress", "distill", "estimate"]


@dataclass(frozen=True)
class CompressResult:
    """What was written: ``size`` in bytes, ``bpc`` from it, ``ipc``, and ``seconds`` of encoding,
    those before an interruption included."""

    path: Path
    size: int
    bpc: float
    ipc: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.path}: {self.size} bytes, {self.bpc:.0f} bpc, {self.ipc} images per class"


def compress(
    source: LabelledImages | str | os.PathLike[str] | None,
    path: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    start: LabelledImages | str | os.PathLike[str] | None = None,
    report: Report = lambda progress: None,
    checkpoints: str | os.PathLike[str] | None = None,
    resume: bool = False,
    every: float = 60.0,
    **changes: Any,
) -> CompressResult:
    """Distill a labelled image set into a ``.rud`` file of at most ``settings.bpc`` bits per class.

    In processes that ``torchrun`` has started, all of them call it alike; the first one writes and reports.

    Args:
        source: a set, or what :func:`rudcodec.data.load` reads (its training split is used). None: there is
            only ``start``, which is coded by rate and distortion alone, with hard labels.
        path: of the file; it appears when it is complete.
        settings: by default ``Settings(**changes)``: ``bpc`` at least, and any other field of it.
        start: a set that is distilled already, by whatever method: all its images are encoded, instead of
            some of ``source``, and with ``settings.joint`` above 0 refined by its utility.
        report: called with :class:`Progress` about once a second.
        checkpoints: a folder for the state of the run: a new one, which is removed at the end of the run, or
            an empty one. None: no checkpoints.
        resume: go on from the newest checkpoint; on the same machine, to the same file.
        every: seconds between checkpoints.

    Raises:
        RudError: unreadable data, wrong settings, a budget that can't be met, or checkpoints of another run.
    """
    chosen = Settings(**changes) if settings is None else replace(settings, **changes)
    data = load(source, "train") if isinstance(source, str | os.PathLike) else source
    begun = load(start, "all") if isinstance(start, str | os.PathLike) else start
    check_writable(path)
    with joined_ranks() as ranks, ExitStack() as stack:
        folder = None
        if checkpoints is not None and ranks.first:
            folder = stack.enter_context(CheckpointFolder(Path(checkpoints)))
            if folder.exists() and not resume:
                raise DataError(f"{folder.path}: holds an unfinished run; resume it, or remove that folder")
        sets = {name: digest(one) for name, one in (("data", data), ("start", begun)) if one is not None}
        identity = {"software": _software(ranks), **sets, **asdict(chosen)}
        with Journal(folder, identity, resume, every, ranks) as journal:
            payload = distill(data, chosen, report if ranks.first else _silent, journal, begun)
            size = ranks.told(bitstream.write(payload, path) if ranks.first else 0)
        if folder is not None:
            folder.clear()
    ipc = sum(sum(segment.counts) for segment in payload.segments) // len(payload.classes)
    return CompressResult(Path(path), size, 8 * size / len(payload.classes), ipc, journal.seconds)


def _silent(progress: Progress) -> None:
    pass


def _software(ranks: Ranks) -> str:
    """What the same seed and data give the same file with."""
    threads = f"{ranks.count} processes of {torch.get_num_threads()} threads"
    return f"rudcodec {version('rudcodec')}, torch {torch.__version__}, {threads}"
