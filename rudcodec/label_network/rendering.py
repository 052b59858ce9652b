"""Views rendered on a training device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from rudcodec import views
from rudcodec.nets.speed import compiled
from rudcodec.nets.transfer import to_device


def on_device(parameters: views.ViewParameters, device: torch.device | str) -> views.ViewParameters:
    """The same parameters as torch tensors on a device."""

    def move(value: Any) -> Any:
        if isinstance(value, views.Transform):
            return views.Transform(*(move(getattr(value, field.name)) for field in fields(views.Transform)))
        return to_device(torch.from_numpy(value), device)

    return views.ViewParameters(
        *(move(getattr(parameters, field.name)) for field in fields(views.ViewParameters))
    )


def make_renderer(use_compiler: bool) -> Callable[[Tensor, views.ViewParameters], Tensor]:
    """A function that makes views, uint8 (n, H, W, C), of images, uint8 (N, H, W, C), and of
    parameters on the same device.

    ``use_compiler``: make them by torch.compile, which gives the same integers faster (see experiments/).
    """
    if not use_compiler:
        return _render  # which can be pickled, for workers
    return _CompiledRenderer()


class _CompiledRenderer:
    """Renders by compiled code."""

    def __init__(self) -> None:
        self._transform = compiled(_transform, dynamic=True)

    def __call__(self, images: Tensor, parameters: views.ViewParameters) -> Tensor:
        rendered: Tensor = views.render(images, parameters, torch, self._render_transform)
        return rendered

    def _render_transform(self, images: Tensor, transform: views.Transform, xp: ModuleType) -> Tensor:
        return self._transform(images, transform)


def _render(images: Tensor, parameters: views.ViewParameters) -> Tensor:
    rendered: Tensor = views.render(images, parameters, torch)
    return rendered


def _transform(images: Tensor, transform: views.Transform) -> Tensor:
    rendered: Tensor = views.render_transform(images, transform, torch)
    return rendered
