"""The encoder. ``distill`` makes a Payload; ``compress`` reads a source and writes a file."""

from __future__ import annotations

from rudcodec.distill.encode import CompressResult, compress, distill
from rudcodec.distill.estimate import Estimate
from rudcodec.runs import ProgressReport
from rudcodec.settings import Settings

__all__ = [
    "CompressResult",
    "Estimate",
    "ProgressReport",
    "Settings",
    "compress",
    "distill",
]
