"""Real images as utilities draw them: some of each class, normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.data.mapped import take
from rudcodec.nets.normalise import normalise
from rudcodec.payload import Recipe
from rudcodec.utility.clusters import Clusters

AUGMENTED_TOGETHER = 25  # one operation is drawn for a batch: small ones see them all


class RealImages:
    """Draws samples of a real set.

    Args:
        real: the real set.
        recipe: for mean, standard deviation and augmentation.
        device: where sampled images go.
        clusters: labels are clusters, if there are some, else classes.
    """

    def __init__(
        self, real: LabelledImages, recipe: Recipe, device: torch.device, clusters: Clusters | None = None
    ) -> None:
        self.set = real
        self.device = device
        self.recipe = recipe
        labels, count = real.labels, len(real.classes)
        if clusters is not None:
            labels, count = clusters.labels(labels, clusters.of_real), count * clusters.count
        self.rows = np.split(
            np.argsort(labels, kind="stable"), np.bincount(labels, minlength=count).cumsum()[:-1]
        )

    def sample(self, labels: Sequence[int], count: int, seed: int) -> tuple[Tensor, list[int]]:
        """Random images of each of ``labels``, float32 (n, C, H, W), normalised, and how many there are
        of each: ``count``, or all where there are fewer."""
        chosen_rows = []
        for label in labels:
            rows = self.rows[label]
            generator = np.random.default_rng((seed, label))
            chosen_rows.append(generator.choice(rows, min(count, len(rows)), replace=False))
        pixels = torch.from_numpy(take(self.set.images, np.concatenate(chosen_rows))).to(self.device)
        # channels last, as they come: the layout decides in which order kernels add
        images = normalise(pixels, self.recipe.mean, self.recipe.std).contiguous(
            memory_format=torch.channels_last
        )
        return images, [len(rows) for rows in chosen_rows]

    def views(self, label: int, count: int, seed: int, generator: torch.Generator) -> Tensor:
        """Augmented random images of a label, float32 (n, C, H, W): ``count``, or all there are."""
        images, _ = self.sample([label], count, seed)
        return torch.cat(
            [augment(batch, self.recipe.augment, generator) for batch in images.split(AUGMENTED_TOGETHER)]
        )
