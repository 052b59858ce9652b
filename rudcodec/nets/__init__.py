"""Student networks as the dataset-distillation literature uses them, and what makes them quick."""

from __future__ import annotations

from rudcodec.nets.convnet import ConvNet, literature_depth

__all__ = ["ConvNet", "literature_depth"]
