"""A decoded set as torch takes it. Only :class:`rudcodec.SyntheticSet` imports this, when it is asked to."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rudcodec.errors import SettingError
from rudcodec.nets.normalise import normalise
from rudcodec.nets.state import usual_torch
from rudcodec.nets.transfer import from_array
from rudcodec.recipe_checks import check_recipe
from rudcodec.students import Batches, TrainingSet, check_request, label_loss

if TYPE_CHECKING:
    from rudcodec.synthetic import SyntheticSet


class TensorImages(Dataset[tuple[Any, Any]]):
    """A set's images as float32 (C, H, W), with class numbers or probabilities: see
    :meth:`rudcodec.SyntheticSet.torch`."""

    def __init__(
        self,
        data: SyntheticSet,
        transform: Callable[[Tensor], Any] | None = None,
        normalised: bool = True,
        soft: bool = False,
    ) -> None:
        if soft and data.probs is None:
            raise SettingError("the file has no soft labels of its images")
        if normalised:
            check_recipe(data.recipe, data.images.shape[3])
        self.data, self.transform, self.soft = data, transform, soft
        channels = data.images.shape[3]
        self._mean = data.recipe.mean if normalised else (0,) * channels
        self._std = data.recipe.std if normalised else (255,) * channels

    def __len__(self) -> int:
        return len(self.data)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of classes, as torchvision's sets have them."""
        return self.data.classes

    @property
    def targets(self) -> np.ndarray:
        """The class number of each image, int64 (N,), as torchvision's sets have them."""
        return self.data.labels

    @usual_torch()
    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number = operator.index(index)  # slices are for the set itself: data[:2].torch()
        image, label = self.data[number]
        tensor = normalise(from_array(image[None]), self._mean, self._std)[0]
        target = (
            label if self.data.probs is None or not self.soft else from_array(self.data.probs[number].copy())
        )
        return tensor if self.transform is None else self.transform(tensor), target


def batches_of(data: SyntheticSet, seed: int, device: str | torch.device) -> Batches:
    """See :meth:`rudcodec.SyntheticSet.batches`."""
    labelled = TrainingSet.with_own_labels(data)
    check_request(data.recipe, labelled, data.recipe_changes)
    return Batches(labelled, data.recipe, seed, device)


def loss_of(data: SyntheticSet, logits: Tensor, targets: Tensor) -> Tensor:
    """See :meth:`rudcodec.SyntheticSet.loss`."""
    soft = targets.is_floating_point()
    temperature = TrainingSet.with_own_labels(data).softmax_temperature if soft else None
    return label_loss(logits, targets, temperature)
