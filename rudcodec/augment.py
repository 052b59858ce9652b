"""Differentiable siamese augmentation (DSA; Zhao & Bilen, ICML 2021), with the published code's parameters.

Each call draws one operation; everything random comes from the generator that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.nets.transfer import to_device
from rudcodec.payload import AUGMENTATIONS
from rudcodec.recipe_checks import check_ops

BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
CROP = 0.125  # largest shift, as a fraction of the side
CUTOUT = 0.5  # side of the square, as a fraction of the side
FLIP = 0.5  # probability
SCALE = 1.2  # largest; the smallest is 1 / SCALE
ROTATE = 15.0  # degrees, either way

Draw = Callable[[], Tensor]
"""Draws uniform numbers in [0, 1): one for each image, or a single one in siamese mode."""


def augment(
    images: Tensor, ops: tuple[str, ...], generator: torch.Generator, siamese: bool = False
) -> Tensor:
    """Apply one operation, drawn from ``ops``, to a batch.

    Args:
        images: float (N, C, H, W), normalised, so that 0 is the mean colour. Gradients flow through.
        ops: names out of :data:`rudcodec.payload.AUGMENTATIONS`; none leaves the images as they are.
        generator: of the CPU; source of all randomness, the same whatever device the images are on.
        siamese: draw the parameters once for the whole batch instead of for each image: two batches of any
            size get the same treatment from two generators in the same state.

    Returns:
        float (N, C, H, W).

    Raises:
        SettingError: an unknown operation.
    """
    check_ops(ops)
    if not ops:
        return images
    name = ops[int(torch.randint(len(ops), (), generator=generator))]
    count = 1 if siamese else len(images)

    def draw() -> Tensor:
        return to_device(torch.rand(count, generator=generator, dtype=torch.float32), images.device)

    return _OPERATIONS[name](images, draw)


def default_ops(channels: int, flip: bool | None = None) -> tuple[str, ...]:
    """All operations, bar the flip for grey images: mostly digits and letters, which a mirror turns into
    something else. ``flip`` overrides that."""
    if flip is None:
        flip = channels > 1
    return tuple(name for name in AUGMENTATIONS if flip or name != "flip")


def _color(x: Tensor, draw: Draw) -> Tensor:
    x = x + (_each(draw()) - 0.5) * BRIGHTNESS
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (_each(draw()) * SATURATION)
    level = x.mean((1, 2, 3), keepdim=True)
    return level + (x - level) * (_each(draw()) + CONTRAST)


def _crop(x: Tensor, draw: Draw) -> Tensor:
    rows, columns = (_axis(n, x) + _shift(draw(), int(n * CROP + 0.5)) for n in x.shape[2:])
    return _sample(x, rows, columns)


def _cutout(x: Tensor, draw: Draw) -> Tensor:
    rows, columns = (_hole(n, draw(), x) for n in x.shape[2:])
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _flip(x: Tensor, draw: Draw) -> Tensor:
    return torch.where(_each(draw()) < FLIP, x.flip(3), x)


def _scale(x: Tensor, draw: Draw) -> Tensor:
    rows, columns = (_zoom(n, draw(), x) for n in x.shape[2:])
    return _sample(x, rows, columns)


def _rotate(x: Tensor, draw: Draw) -> Tensor:
    angle = (draw() - 0.5) * (2 * math.radians(ROTATE))
    c, s, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack((torch.stack((c, -s, zero), 1), torch.stack((s, c, zero), 1)), 1).to(x.dtype)
    grid = F.affine_grid(theta.expand(len(x), -1, -1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


_OPERATIONS: dict[str, Callable[[Tensor, Draw], Tensor]] = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}


def _each(parameter: Tensor) -> Tensor:
    return parameter[:, None, None, None]


def _axis(n: int, x: Tensor) -> Tensor:
    return torch.arange(n, device=x.device, dtype=torch.float32)[None]


def _shift(uniform: Tensor, largest: int) -> Tensor:
    # a whole number of pixels in -largest..largest, (N, 1)
    return (uniform * (2 * largest + 1)).floor()[:, None] - largest


def _hole(n: int, uniform: Tensor, x: Tensor) -> Tensor:
    # which of n pixels the cutout covers, (N, n); its centre may lie anywhere
    size = int(n * CUTOUT + 0.5)
    first = (uniform * (n + 1 - size % 2)).floor()[:, None] - size // 2
    position = _axis(n, x)
    return (position >= first) & (position < first + size)


def _zoom(n: int, uniform: Tensor, x: Tensor) -> Tensor:
    factor = uniform * (SCALE - 1 / SCALE) + 1 / SCALE
    centre = (n - 1) / 2
    return (_axis(n, x) - centre) * factor[:, None] + centre


def _sample(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Bilinear samples of x at pixel positions ``rows`` (N or 1, H) x ``columns`` (N or 1, W); 0 outside.

    Shifts and zooms are separable, so two small matrix products do what grid_sample does, in less time or the
    same (experiments/2026-11-cost.md).
    """
    left, right = _taps(rows, x)[:, None], _taps(columns, x)[:, None].mT
    return left @ x @ right


def _taps(positions: Tensor, x: Tensor) -> Tensor:
    # (N, n, n): weight of source pixel j in output pixel i; exactly one-hot at whole positions
    distance = positions[:, :, None] - _axis(positions.shape[1], x)[:, None, :]
    return (1 - distance.abs()).clamp_min(0).to(x.dtype)
