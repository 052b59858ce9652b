"""Labelled image sets, from wherever they come, as one uint8 array with labels. Needs numpy and Pillow only;
scikit-learn and torchvision are imported for the sets they bring, and not before."""

from __future__ import annotations

from rudcodec.data.images import LabelledImages, blocks, digest, level_counts, numbers_of
from rudcodec.data.reading import Mode, Reading
from rudcodec.data.report import SourceReport
from rudcodec.data.source import SourceLike, load, splits
from rudcodec.data.splits import Split

__all__ = [
    "LabelledImages",
    "Mode",
    "Reading",
    "SourceLike",
    "SourceReport",
    "Split",
    "blocks",
    "digest",
    "level_counts",
    "load",
    "numbers_of",
    "splits",
]
