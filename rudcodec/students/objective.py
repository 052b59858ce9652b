"""What students minimise."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def label_loss(logits: Tensor, targets: Tensor, temperature: float | None) -> Tensor:
    """Cross entropy, a scalar.

    Args:
        logits: of a student, (n, classes).
        targets: classes, int64 (n,), or probabilities, float (n, classes).
        temperature: of the softmax that the probabilities come from; None for classes, and for
            those that CutMix has mixed.
    """
    if temperature is None:
        return F.cross_entropy(logits.float(), targets)
    # times the square: gradients of the usual size (Hinton et al., 2015)
    return F.cross_entropy(logits.float() / temperature, targets) * temperature**2
