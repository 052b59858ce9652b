"""Views rendered on a training device."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from rudcodec import views
from rudcodec.nets.speed import compiled


def make_renderer(use_compiler: bool) -> Callable[[Tensor, views.Draw], Tensor]:
    """Makes views, uint8 (n, H, W, C), of images, uint8 (N, H, W, C), and parameters on the same device.

    ``use_compiler``: by torch.compile, in a third of the time, after some ten seconds; to the same integers.
    """
    if not use_compiler:
        return _render  # which can be pickled, for workers
    return _CompiledRenderer()


class _CompiledRenderer:
    """Renders by compiled code."""

    def __init__(self) -> None:
        self._transform = compiled(_transform, dynamic=True)

    def __call__(self, images: Tensor, parameters: views.Draw) -> Tensor:
        rendered: Tensor = views.render(images, parameters, torch, self._render_part)
        return rendered

    def _render_part(self, images: Tensor, part: views.Part, xp: ModuleType) -> Tensor:
        return self._transform(images, part)


def _render(images: Tensor, parameters: views.Draw) -> Tensor:
    made: Tensor = views.render(images, parameters, torch)
    return made


def _transform(images: Tensor, part: views.Part) -> Tensor:
    made: Tensor = views.render_part(images, part, torch)
    return made
