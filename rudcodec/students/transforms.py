"""Images as a recipe's students see them, one at a time or in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.errors import SettingError
from rudcodec.nets.normalise import normalise
from rudcodec.nets.state import usual_torch
from rudcodec.nets.transfer import from_array
from rudcodec.payload import Recipe
from rudcodec.recipe_checks import check_recipe


class RecipeTransform:
    """Normalises images as a recipe says, and augments them if they are to be trained on.

    Call it with a PIL image or a uint8 array or tensor (H, W, C) or (N, H, W, C), a tensor's channels also
    before H; it returns float32 (C, H, W) or (N, C, H, W). A float tensor of one of these shapes is
    normalised already, and only augmented. A batch is augmented by one operation with parameters of each
    image's own, as in the published DSA code. Random numbers come from torch's global generator, which each
    worker of a ``DataLoader`` has its own of.

    Args:
        recipe: has mean, standard deviation and augmentations.
        train: augment.

    Raises:
        SettingError: an image isn't one of these, or has other channels than the recipe.
    """

    def __init__(self, recipe: Recipe, train: bool) -> None:
        check_recipe(recipe)
        self.recipe, self.train = recipe, train

    @usual_torch()
    def __call__(self, images: Any) -> Tensor:
        channels = len(self.recipe.mean)
        if isinstance(images, Tensor):
            tensors = self._of_pixels(images) if images.dtype == torch.uint8 else images
        else:
            tensors = self._normalised(images)
        if not tensors.is_floating_point() or tensors.ndim not in (3, 4) or tensors.shape[-3] != channels:
            raise SettingError(
                f"images must be tensors of floats or uint8, ({channels}, H, W) or (N, {channels}, H, W), "
                f"not {tensors.dtype} {tuple(tensors.shape)}"
            )
        if not self.train:
            return tensors
        batch = tensors if tensors.ndim == 4 else tensors[None]
        augmented = augment(batch, self.recipe.augment, torch.default_generator)
        return augmented if tensors.ndim == 4 else augmented[0]

    def __repr__(self) -> str:
        augmentations = ", ".join(self.recipe.augment) if self.train else ""
        return f"RecipeTransform(mean={self.recipe.mean}, std={self.recipe.std}, augment=({augmentations}))"

    def _of_pixels(self, images: Tensor) -> Tensor:
        """Normalised, of uint8 whose channels come last or first; as they are if these are neither."""
        channels = len(self.recipe.mean)
        if images.ndim not in (3, 4) or channels not in (images.shape[-1], images.shape[-3]):
            return images
        if images.shape[-1] != channels:
            images = images.movedim(-3, -1)
        batch = images if images.ndim == 4 else images[None]
        tensors = normalise(batch, self.recipe.mean, self.recipe.std)
        return tensors if images.ndim == 4 else tensors[0]

    def _normalised(self, images: Any) -> Tensor:
        channels = len(self.recipe.mean)
        if isinstance(images, Image.Image):
            if images.mode[0] in "IF":  # to convert them would clip them to 255
                raise SettingError(f"images must have 8 bits a channel, not PIL's mode {images.mode}")
            array = np.array(images.convert("L" if channels == 1 else "RGB"))
            array = array[:, :, None] if channels == 1 else array
        else:
            array = np.asarray(images)
        if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != channels:
            raise SettingError(
                f"images must be uint8 (H, W, {channels}) or (N, H, W, {channels}), "
                f"not {array.dtype} {array.shape}"
            )
        return self._of_pixels(from_array(array))
