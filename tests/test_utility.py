"""Utilities against plain transcriptions of their papers."""

from __future__ import annotations

import numpy as np
import torch

from rudcodec.augment import augment
from rudcodec.data import load
from rudcodec.evaluation import default_recipe
from rudcodec.nets import ConvNet
from rudcodec.utility.dm import DistributionMatching


def test_dm_is_the_papers_equation_4() -> None:
    data = load("digits", "train")
    recipe = default_recipe(data)
    utility = DistributionMatching(recipe, real_batch=16, width=8)
    utility.prepare(data, torch.device("cpu"))
    images = torch.randn(30, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(30) % 3

    value = utility(images, labels, torch.Generator().manual_seed(5))
    (gradient,) = torch.autograd.grad(value, images)

    # The same draws: network, real images, augmentation.
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(5)))
    net = ConvNet(1, 10, 8, depth=3, width=8, generator=torch.Generator().manual_seed(seed)).double()
    expected = torch.zeros((), dtype=torch.float64)
    for k in range(3):
        rng = np.random.default_rng((seed, k))
        rows = rng.choice(np.flatnonzero(data.labels == k), 16, replace=False)
        real = (
            torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2).float() - recipe.mean[0]
        ) / recipe.std[0]
        means = []
        for batch in (real.double(), images[labels == k]):
            generator = torch.Generator().manual_seed(seed)
            means.append(net.features(augment(batch, recipe.augment, generator, siamese=True)).mean(0))
        expected = expected + ((means[0] - means[1]) ** 2).sum()
    (expected_gradient,) = torch.autograd.grad(expected, images)

    value, expected = value.detach(), expected.detach()
    assert abs(float(value - expected)) < 1e-5 * float(expected)
    assert float((gradient - expected_gradient).abs().max()) < 1e-5 * float(expected_gradient.abs().max())
