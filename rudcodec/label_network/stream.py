"""Labelled views without end, made where a student trains."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from rudcodec import views
from rudcodec.bitstream.labels import shapes
from rudcodec.errors import DataError
from rudcodec.label_network.model import FloatLabelNetwork, to_network_input
from rudcodec.label_network.rendering import make_renderer, on_device
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import autocast, compiled
from rudcodec.nets.state import usual_torch
from rudcodec.nets.transfer import from_array
from rudcodec.payload import ImageShape, LabelNetwork
from rudcodec.whole_numbers import whole


class ViewStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Batches of views and their soft labels: the same for a seed, whatever the number of workers.

    Yields (views, uint8 (batch, H, W, C); probabilities, float32 (batch, classes) at the network's
    temperature), both on ``device``. Give it to a ``DataLoader`` with ``batch_size=None``, or iterate over
    it. With workers, ``device`` must be the CPU.

    Args:
        images: uint8 (N, H, W, C), such as ``SyntheticSet.images``.
        network: labels the views, such as ``SyntheticSet.network``.
        batch: views at a time.
        batches: how many batches; None: without end.
        seed: of the views; batch ``b`` holds views ``b * batch ... (b + 1) * batch - 1`` of it.
        device: where views are made and labelled; ``"auto"``: on a GPU where there is one.
        compile: use torch.compile, which makes and labels views faster once it is done (see experiments/). It
            can't be used with workers.

    Raises:
        SettingError: there is no network, or no such device, or a number is out of range.
        DataError: these aren't images that the network labels.
    """

    @usual_torch()
    def __init__(
        self,
        images: NDArray[np.uint8],
        network: LabelNetwork | None,
        *,
        batch: int = 256,
        batches: int | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        compile: bool = False,  # noqa: A002  (torch's own word)
    ) -> None:
        super().__init__()
        network = views.labelling(network)
        _check(images, network)
        self.device = pick_device(device)
        self.batch = whole("batch", batch, 1, views.LIMIT - 1)
        self.batches = None if batches is None else whole("batches", batches, 0, sys.maxsize)
        self.seed = whole("seed of views", seed, 0, views.LIMIT - 1)
        self.recipe = views.recipe_of(network)
        self._images = views.sharpened(from_array(images).to(self.device), self.recipe, torch)
        labeller = FloatLabelNetwork(network).to(self.device).eval()
        self._temperature = labeller.temperature
        self._layout = torch.channels_last if compile else torch.contiguous_format
        self._render = make_renderer(compile)
        self._label = compiled(labeller) if compile else labeller

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        number, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        while self.batches is None or number < self.batches:
            yield self.at(number)
            number += stride

    @usual_torch()
    def at(self, number: int) -> tuple[Tensor, Tensor]:
        """Batch ``number``."""
        shape = tuple(self._images.shape)
        parameters = views.draw(self.recipe, shape, self.seed, number * self.batch, self.batch)
        rendered = self._render(self._images, on_device(parameters, self.device))
        with torch.no_grad(), autocast(self.device):
            logits = self._label(to_network_input(rendered).contiguous(memory_format=self._layout))
        return rendered, (logits / self._temperature).softmax(1)


def _check(images: NDArray[np.uint8], network: LabelNetwork) -> None:
    """Raise DataError unless a network labels views of these images."""
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise DataError(f"images must be uint8 (N, H, W, C), one at least, not {images.dtype} {images.shape}")
    classes = len(network.parameters[-1].weight.values)
    expected = [one.weight for one in shapes(network.layers, ImageShape(*images.shape[1:]), classes)]
    if [layer.weight.values.shape for layer in network.parameters] != expected:
        raise DataError(f"the network labels images of another shape than {images.shape[1:]}")
