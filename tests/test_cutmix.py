"""CutMix: boxes of other images in a batch, and their share of the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import stripes

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from rudcodec import SettingError  # noqa: E402
from rudcodec.students import Batches, TrainingSet, default_recipe  # noqa: E402
from rudcodec.students.cutmix import CHANCES, as_probabilities, cutmix  # noqa: E402


def batch(count: int = 16, side: int = 10) -> tuple[Tensor, Tensor]:
    """Image ``i`` is ``i`` everywhere, and its class is ``i``."""
    numbers = torch.arange(count)
    images = numbers.float().view(-1, 1, 1, 1).expand(count, 3, side, side)
    return images, as_probabilities(numbers, count)


def test_labels_are_what_the_images_show() -> None:
    images, targets = batch()
    parts = []
    for seed in range(40):
        mixed, probs = cutmix(images, targets, CHANCES, torch.Generator().manual_seed(seed))
        for i in range(len(images)):
            shown = torch.bincount(mixed[i, 0].long().ravel(), minlength=len(images)) / mixed[i, 0].numel()
            torch.testing.assert_close(probs[i], shown)
        assert (mixed == mixed[:, :1]).all()  # the same box in all channels
        parts.append(float(1 - probs.diagonal().mean()))
    assert min(parts) == 0 and max(parts) > 0.4 and 0.1 < np.mean(parts) < 0.4


def test_the_box_is_one_and_the_same_in_all_images() -> None:
    images, targets = batch()
    mixed, _ = cutmix(images, targets, CHANCES, torch.Generator().manual_seed(3))
    inside = (mixed != images).any(0)[0]
    rows, columns = inside.any(1), inside.any(0)
    assert inside.any() and bool((inside == rows[:, None] & columns[None, :]).all())


def test_a_chance_of_a_half_leaves_half_of_the_batches() -> None:
    images, targets = batch(4, 16)
    generator = torch.Generator().manual_seed(0)
    unmixed = sum(cutmix(images, targets, 128, generator)[0] is images for _ in range(400))
    assert 150 < unmixed < 250


def test_batches_of_a_recipe_with_cutmix() -> None:
    data = TrainingSet.with_classes(stripes(3))
    recipe = replace(default_recipe(stripes(3)), steps=30, batch=12, augment=())
    plain = list(Batches(data, recipe))
    assert all(target.dtype == torch.int64 for _, target in plain)
    mixed = list(Batches(data, replace(recipe, cutmix=255)))
    assert [x.shape for x, _ in mixed] == [x.shape for x, _ in plain]
    for _, target in mixed:
        assert target.dtype == torch.float32
        torch.testing.assert_close(target.sum(1), torch.ones(12))
    assert any(((target > 0).sum(1) > 1).any() for _, target in mixed)
    again = list(Batches(data, replace(recipe, cutmix=255)))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(mixed, again, strict=True))
    with pytest.raises(SettingError, match=r"^cutmix must be 0\.\.255, not 256$"):
        Batches(data, replace(recipe, cutmix=256))
