"""The encoder. ``distill`` makes a Payload; ``compress`` reads a source and writes a file."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rudcodec import bitstream
from rudcodec.data import LabelledImages, load
from rudcodec.distill.encode import distill
from rudcodec.distill.settings import Progress, Settings
from rudcodec.distill.training import Report

__all__ = ["CompressResult", "Progress", "Settings", "compress", "distill"]


@dataclass(frozen=True)
class CompressResult:
    """What was written: ``size`` in bytes, ``bpc`` from it, ``ipc``, and ``seconds`` of encoding."""

    path: Path
    size: int
    bpc: float
    ipc: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.path}: {self.size} bytes, {self.bpc:.0f} bpc, {self.ipc} images per class"


def compress(
    source: LabelledImages | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    bpc: float,
    report: Report = lambda progress: None,
    **settings: Any,
) -> CompressResult:
    """Distill a labelled image set into a ``.rud`` file of at most ``bpc`` bits per class.

    Args:
        source: a set, or what :func:`rudcodec.data.load` reads (its training split is used).
        path: of the file; it appears when it is complete.
        bpc: the budget.
        report: called with :class:`Progress` about once a second.
        settings: further fields of :class:`Settings`.

    Raises:
        RudError: unreadable data, wrong settings, or a budget that can't be met.
    """
    start = time.monotonic()
    data = source if isinstance(source, LabelledImages) else load(source, "train")
    payload = distill(data, Settings(bpc=bpc, **settings), report)
    size = bitstream.write(payload, path)
    ipc = sum(sum(segment.counts) for segment in payload.segments) // len(payload.classes)
    seconds = time.monotonic() - start
    return CompressResult(Path(path), size, 8 * size / len(payload.classes), ipc, seconds)
