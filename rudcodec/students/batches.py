"""The batches that a recipe's students are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from rudcodec import views
from rudcodec.augment import augment
from rudcodec.label_network import ViewStream
from rudcodec.nets.device import pick_device
from rudcodec.nets.normalise import normalise
from rudcodec.nets.state import usual_torch
from rudcodec.nets.transfer import DeviceImages, from_array, to_device
from rudcodec.payload import Recipe
from rudcodec.recipe_checks import check_recipe
from rudcodec.runs import State, Stateful
from rudcodec.students.cutmix import as_probabilities, cutmix
from rudcodec.students.training_set import TrainingSet
from rudcodec.whole_numbers import MAX_SEED, whole


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """All ``recipe.steps`` batches of one training: iterate over it, or give it to a ``DataLoader`` with
    ``batch_size=None``, whose workers then take turns.

    Yields normalised images, float32 (n, C, H, W), with classes, int64 (n,), or probabilities, float32
    (n, classes), on ``device``. Views come in batches of ``recipe.batch``. Batches of images are cut from
    shuffled passes over the set and have as many, or all where there are fewer; one augmentation is drawn per
    batch, as in the published DSA code. With ``recipe.cutmix`` they are mixed then, and come with
    probabilities.

    Args:
        data: what to train on.
        recipe: how to train.
        seed: of order, augmentation and views, where one only iterates.
        device: where the batches are made: ``"auto"``, ``"cpu"``, ``"cuda"`` or a torch device.
        compile: use torch.compile for views.

    Attributes:
        size: images or views of a batch.
        largest_seed: with which there are as many views.

    Raises:
        SettingError: the recipe makes no sense, or is for other images.
    """

    @usual_torch()
    def __init__(
        self,
        data: TrainingSet,
        recipe: Recipe,
        seed: int = 0,
        device: str | torch.device = "cpu",
        compile: bool = False,  # noqa: A002  (torch's own word)
    ) -> None:
        check_recipe(recipe, data.images.shape[3])
        self.recipe, self.size = recipe, data.batch_size(recipe)
        # views of all steps have numbers of their own
        self.largest_seed = MAX_SEED
        if data.network is not None:
            self.largest_seed = max(0, views.LIMIT // (recipe.steps * self.size) - 1)
        self.seed = whole("seed", seed, 0, self.largest_seed)
        self.device = pick_device(device)
        self._stream: ViewStream | None = None
        if data.network is not None:
            self._stream = ViewStream(
                data.images, data.network, batch=self.size, device=self.device, compile=compile
            )
            return
        self._images = DeviceImages(data.images, self.device)
        labels = from_array(data.labels if data.probs is None else data.probs).to(self.device)
        self._labels = as_probabilities(labels, data.num_classes) if recipe.cutmix else labels

    def __len__(self) -> int:
        return self.recipe.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        drawing = self.drawing(self.seed, torch.Generator().manual_seed(self.seed))
        for step in range(self.recipe.steps):
            if step % stride == first:
                yield drawing.batch(step)
            else:
                drawing.skip(step)

    @usual_torch()
    def drawing(self, seed: int, generator: torch.Generator) -> Drawing:
        """The batches of a seed, which views come from; order and augmentation from the generator."""
        if self._stream is not None:
            return _DrawingViews(self._stream, self.recipe, seed)
        return _DrawingImages(self._images, self._labels, self.size, self.recipe, generator)


class Drawing(Stateful, Protocol):
    """The batches of one training, to be asked for in order."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """That of a step, which begin with 0."""

    def skip(self, step: int) -> None:
        """Go on to the next step without the batch of this one, for less."""


class _DrawingViews:
    def __init__(self, stream: ViewStream, recipe: Recipe, seed: int) -> None:
        self._stream, self._recipe, self._first = stream, recipe, seed * recipe.steps

    @usual_torch()
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rendered, target = self._stream.at(self._first + step)
        return normalise(rendered, self._recipe.mean, self._recipe.std), target

    def skip(self, step: int) -> None:
        """Nothing is to be done: each view has a number of its own."""

    def state(self) -> State:
        return None

    def restore(self, state: State) -> None:
        """Nothing is to be restored: each view has a number of its own."""


class _DrawingImages:
    def __init__(
        self, images: DeviceImages, labels: Tensor, size: int, recipe: Recipe, generator: torch.Generator
    ) -> None:
        self._images, self._labels, self._size = images, labels, size
        self._recipe, self._generator = recipe, generator
        self._rows = torch.empty(0, dtype=torch.int64)  # that are left of the passes begun

    @usual_torch()
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rows = self._next_rows()
        x = normalise(self._images.take(rows), self._recipe.mean, self._recipe.std)
        return self._varied(x, self._labels[to_device(rows, self._images.device)])

    @usual_torch()
    def skip(self, step: int) -> None:
        count = len(self._next_rows())
        self._varied(torch.zeros(count, 1, 1, 1), torch.zeros(count, 1))  # draws as many numbers as a batch

    def _next_rows(self) -> Tensor:
        while len(self._rows) < self._size:
            pass_rows = torch.randperm(len(self._images.images), generator=self._generator)
            self._rows = torch.cat((self._rows, pass_rows))
        rows, self._rows = self._rows[: self._size], self._rows[self._size :]
        return rows

    def _varied(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        recipe, generator = self._recipe, self._generator
        x = augment(x, recipe.augment, generator)
        return cutmix(x, target, recipe.cutmix, generator) if recipe.cutmix else (x, target)

    def state(self) -> State:
        return [self._rows, self._generator.get_state()]

    def restore(self, state: State) -> None:
        self._rows, generator = state
        self._generator.set_state(generator)
