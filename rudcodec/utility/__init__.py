"""Utilities: how well a synthetic set trains, as a loss that can be differentiated.

A utility is an object with the two methods of :class:`Utility`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from rudcodec.data import LabelledImages


class Utility(Protocol):
    """A dataset distillation loss."""

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        """Take the real set; called once, before the first loss."""

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a synthetic batch, a scalar.

        ``images`` float (n, C, H, W), normalised by the set's mean and standard deviation; ``labels`` int64
        (n,). Everything random comes from ``generator``.
        """
