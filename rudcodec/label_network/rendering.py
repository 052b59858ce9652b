"""Views rendered on a training device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rudcodec import views
from rudcodec.nets.speed import compiled


def make_renderer(compile: bool) -> Callable[[Tensor, views.Draw], Tensor]:
    """Makes views, uint8 (n, H, W, C), of images, uint8 (N, H, W, C), and parameters on the same device.

    ``compile``: by torch.compile, in a third of the time, after some ten seconds; to the same integers.
    """
    if not compile:
        return _render  # which can be pickled, for workers
    part = compiled(_transform, dynamic=True)
    return lambda images, parameters: views.render(images, parameters, torch, lambda i, p, _: part(i, p))


def _render(images: Tensor, parameters: views.Draw) -> Tensor:
    made: Tensor = views.render(images, parameters, torch)
    return made


def _transform(images: Tensor, part: views.Part) -> Tensor:
    made: Tensor = views.render_part(images, part, torch)
    return made
