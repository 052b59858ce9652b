"""Real images as utilities take them: some of each class, drawn at random, normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.nets.normalise import normalise
from rudcodec.payload import Recipe


class RealImages:
    """Draws images of a real set.

    Args:
        data: the set.
        recipe: for students; has the mean and standard deviation of each channel.
        device: where drawn images go.
    """

    def __init__(self, data: LabelledImages, recipe: Recipe, device: torch.device) -> None:
        self.data = data
        self.device = device
        self.recipe = recipe
        self.members = [np.flatnonzero(data.labels == k) for k in range(len(data.classes))]

    def draw(self, classes: Sequence[int], count: int, seed: int) -> tuple[Tensor, list[int]]:
        """Different images of each of some classes, float32 (n, C, H, W), class by class, and how many there
        are of each: ``count``, or all where the class has fewer."""
        chosen = [
            np.random.default_rng((seed, k)).choice(rows, min(count, len(rows)), replace=False)
            for k, rows in ((k, self.members[k]) for k in classes)
        ]
        images = torch.from_numpy(self.data.images[np.concatenate(chosen)]).to(self.device)
        # channels last, as they come: the layout decides in which order kernels add
        drawn = normalise(images, self.recipe.mean, self.recipe.std).contiguous(
            memory_format=torch.channels_last
        )
        return drawn, [len(rows) for rows in chosen]
