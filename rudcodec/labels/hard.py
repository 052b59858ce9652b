"""Hard labels: each image has its class."""

from __future__ import annotations

from rudcodec.labels import LabelMode


class HardLabels(LabelMode):
    """Images are ordered by class, so that the labels are their counts."""
