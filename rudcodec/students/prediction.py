"""The classes that a trained student sees in images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rudcodec.data import LabelledImages
from rudcodec.data.mapped import release_pages
from rudcodec.memory import images_at_once
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast
from rudcodec.nets.state import usual_torch
from rudcodec.nets.transfer import from_array
from rudcodec.payload import Recipe


@usual_torch()
def predict(net: nn.Module, images: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.int64]:
    """Classes, int64 (N,), that a network sees in uint8 (N, H, W, C) images, without augmentation and in the
    mode for evaluation, in which it isn't left if it wasn't before.

    ``recipe`` has the mean and standard deviation that the network was trained with.
    """
    device = next(net.parameters()).device
    _, height, width, _ = images.shape
    batch = images_at_once(height, width)
    classes = []
    is_training = net.training
    net.eval()
    with torch.inference_mode(), autocast(device):
        for start in range(0, len(images), batch):
            batch_images = from_array(images[start : start + batch]).to(device)
            classes.append(net(normalise(batch_images, recipe.mean, recipe.std)).argmax(1).cpu())
            release_pages(images)
    net.train(is_training)
    return torch.cat(classes).numpy()


def accuracy(net: nn.Module, real: LabelledImages, recipe: Recipe) -> float:
    """The fraction of ``real`` (0..1) that a network classifies correctly, without augmentation."""
    return float(np.mean(predict(net, real.images, recipe) == real.labels))
