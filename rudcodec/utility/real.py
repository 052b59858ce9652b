"""Real images as utilities draw them: some of each class, normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.payload import Recipe


class RealImages:
    """A set on a device's side of things.

    Args:
        data: the real set.
        recipe: for mean and standard deviation.
        device: where drawn images go.
    """

    def __init__(self, data: LabelledImages, recipe: Recipe, device: torch.device) -> None:
        self.data = data
        self.device = device
        self.members = [np.flatnonzero(data.labels == k) for k in range(len(data.classes))]
        shape = (1, -1, 1, 1)
        self.mean = torch.tensor(recipe.mean, device=device, dtype=torch.float32).view(shape)
        self.std = torch.tensor(recipe.std, device=device, dtype=torch.float32).view(shape)

    def draw(self, classes: Sequence[int], count: int, seed: int) -> tuple[Tensor, list[int]]:
        """Some images of each of some classes, (n, C, H, W), and how many there are of each: ``count``, or
        all."""
        chosen = [
            np.random.default_rng((seed, k)).choice(mine, min(count, len(mine)), replace=False)
            for k, mine in ((k, self.members[k]) for k in classes)
        ]
        images = torch.from_numpy(self.data.images[np.concatenate(chosen)]).to(self.device)
        normalised = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return normalised, [len(c) for c in chosen]
