"""Differentiable siamese augmentation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment, default_ops
from rudcodec.errors import SettingError
from rudcodec.payload import AUGMENTATIONS

every_op = pytest.mark.parametrize("op", AUGMENTATIONS)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 12, channels: int = 3, height: int = 16, width: int = 12) -> Tensor:
    return torch.rand(count, channels, height, width, generator=seeded(99)) * 2 - 1


@every_op
@pytest.mark.parametrize("siamese", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_range(op: str, siamese: bool, channels: int) -> None:
    x = pictures(channels=channels)
    y = augment(x, (op,), seeded(1), siamese)
    assert y.shape == x.shape and y.dtype == x.dtype
    # colour: brightness adds at most 0.5, then saturation and contrast at most double and halve distances
    bound = 1.5 * 3 * 2 if op == "color" else 1.0 + 1e-5
    assert y.isfinite().all() and y.abs().max() <= bound
    assert not torch.equal(y, x)


@every_op
@pytest.mark.parametrize("siamese", [False, True])
def test_gradient(op: str, siamese: bool) -> None:
    x = pictures(3, 2, 6, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: augment(v, (op,), seeded(2), siamese), x)


@every_op
@pytest.mark.parametrize("siamese", [False, True])
def test_same_seed_same_result(op: str, siamese: bool) -> None:
    x = pictures()
    first, again = (augment(x, (op,), seeded(5), siamese) for _ in range(2))
    assert torch.equal(first, again)
    assert any(not torch.equal(first, augment(x, (op,), seeded(s), siamese)) for s in range(6, 16))


@every_op
def test_siamese_treats_two_batches_alike(op: str) -> None:
    # sizes on both sides of 16, where torch changes the way it draws random numbers
    x = pictures(40)
    for seed in range(5):
        whole, part = (augment(v, (op,), seeded(seed), siamese=True) for v in (x, x[7:10]))
        assert torch.allclose(whole[7:10], part, atol=1e-6)


@every_op
def test_otherwise_each_image_has_its_own_parameters(op: str) -> None:
    x = pictures(1).expand(20, -1, -1, -1)
    y = augment(x, (op,), seeded(3))
    assert len({tuple(image.flatten().tolist()) for image in y}) > 1


def test_crop_is_a_shift_with_zeros_coming_in() -> None:
    x = pictures(200, 1, 8, 16)
    y = augment(x, ("crop",), seeded(0))
    seen = set()
    padded = F.pad(x, (2, 2, 1, 1))  # an eighth of each side
    for image, source in zip(y, padded, strict=True):
        fits = [
            (dy, dx)
            for dy in range(3)
            for dx in range(5)
            if torch.equal(image, source[:, dy : dy + 8, dx : dx + 16])
        ]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) == 15


def test_cutout_clears_half_the_side_and_nothing_else() -> None:
    x = pictures(100, 3, 8, 8)
    y = augment(x, ("cutout",), seeded(0))
    gone = y == 0
    assert torch.equal(y[~gone], x[~gone])
    assert torch.equal(gone[:, 0], gone[:, 1])
    sizes = gone[:, 0].any(2).sum(1) * gone[:, 0].any(1).sum(1)
    assert torch.equal(sizes, gone[:, 0].sum((1, 2)))  # a rectangle
    assert sizes.max() == 16 and sizes.min() > 0


def test_flip_mirrors_about_half_of_the_images() -> None:
    x = pictures(200)
    y = augment(x, ("flip",), seeded(0))
    flipped = (y == x.flip(3)).all(3).all(2).all(1)
    assert torch.equal(y[~flipped], x[~flipped])
    assert 70 < flipped.sum() < 130


def test_scale_samples_as_grid_sample_does() -> None:
    x = pictures(1, 2, 9, 14)
    grid = torch.linspace(0.8, 1.25, 400)
    y = augment(x, ("scale",), seeded(4))
    # the zoom factors are found again by least squares along each axis
    identity = torch.eye(2, 3)[None]

    def zoomed(rows: Tensor, columns: Tensor) -> Tensor:
        theta = identity * torch.stack((columns, rows))[None, :, None]
        return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)

    best = min(
        ((zoomed(r, c) - y).abs().max().item(), r.item(), c.item()) for r in grid[::10] for c in grid[::10]
    )
    fine = min((zoomed(r, c) - y).abs().max().item() for r in near(best[1]) for c in near(best[2]))
    assert fine < 0.02


def near(value: float) -> Tensor:
    return torch.linspace(value - 0.02, value + 0.02, 41)


def test_rotation_keeps_centre_and_turns_by_at_most_15_degrees() -> None:
    x = torch.zeros(50, 1, 33, 33)
    x[:, :, 16, 16] = 1
    x[:, :, 16, 28] = 1  # 12 pixels to the right of the centre
    y = augment(x, ("rotate",), seeded(0))
    assert torch.allclose(y[:, 0, 16, 16], torch.ones(50), atol=1e-4)
    rows = y[:, 0, :, 24:].sum(2).argmax(1) - 16
    assert rows.min() < -1 and rows.max() > 1 and rows.abs().max() <= 4  # 12 * sin(15 deg) = 3.1


def test_colour_leaves_no_trace_of_place() -> None:
    x = pictures(30)
    y = augment(x, ("color",), seeded(0))
    assert torch.allclose(y.flip(2), augment(x.flip(2), ("color",), seeded(0)), atol=1e-5)


def test_one_operation_a_batch_and_all_of_them_over_time() -> None:
    x = pictures(4, 3, 16, 16)
    alone = {op: [augment(x, (op,), seeded(s)) for s in range(60)] for op in AUGMENTATIONS}
    drawn = set()
    for seed in range(60):
        y = augment(x, AUGMENTATIONS, seeded(seed))
        # the draw of the operation takes the same numbers whatever the choice, so the rest is as if alone
        drawn |= {op for op in AUGMENTATIONS if torch.equal(alone[op][seed], y)}
    assert drawn == set(AUGMENTATIONS)


def test_without_operations_nothing_changes() -> None:
    x = pictures()
    assert torch.equal(augment(x, (), seeded(0)), x)


def test_unknown_operation() -> None:
    with pytest.raises(SettingError, match="'solarize'"):
        augment(pictures(), ("flip", "solarize"), seeded(0))


def test_grey_images_are_not_mirrored_unless_asked() -> None:
    assert "flip" not in default_ops(1)
    assert default_ops(1, flip=True) == default_ops(3) == AUGMENTATIONS
    assert default_ops(3, flip=False) == default_ops(1)
