"""What a trained student sees in images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rudcodec.data import LabelledImages
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast
from rudcodec.nets.transfer import from_array
from rudcodec.payload import Recipe


def predict(net: nn.Module, images: NDArray[np.uint8], recipe: Recipe, batch: int = 500) -> NDArray[np.int64]:
    """Classes, int64 (N,), that a network sees in uint8 (N, H, W, C), without augmentation."""
    device = next(net.parameters()).device
    found = []
    with torch.inference_mode(), autocast(device):
        for start in range(0, len(images), batch):
            pictures = from_array(images[start : start + batch]).to(device)
            found.append(net(normalise(pictures, recipe.mean, recipe.std)).argmax(1).cpu())
    return torch.cat(found).numpy()


def accuracy(net: nn.Module, real: LabelledImages, recipe: Recipe) -> float:
    """Part of ``real`` (0..1) that a network classifies correctly, without augmentation."""
    return float(np.mean(predict(net, real.images, recipe) == real.labels))
