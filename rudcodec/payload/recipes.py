"""How students are trained, and what they see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rudcodec.optional import TRAINING, require

if TYPE_CHECKING:
    from torch import nn

    from rudcodec.students import RecipeOptimizer, RecipeTransform

AUGMENTATIONS = ("color", "crop", "cutout", "flip", "scale", "rotate")
OPTIMIZERS = ("sgd", "adamw", "muon")
HARD_LR = 0.005  # of Muon, on the images themselves
# From budgets of 50,000 bits per class on, of which a file takes 97 % at least, there are so many images that
# students gain by these two:
MANY_BPC = 0.97 * 50_000
MANY_STEPS = 4000  # as many images in all as students of a label network see views
CUTMIX = 128  # of 256 batches: IDC, DSDM and NCFM mix half of them, too
# Students of few images see each of them often enough in small batches; what they learn of larger ones they
# would have to unlearn (experiments/2026-11-imagenette.md).
FEW_IMAGES, FEW_BATCH = 512, 64


@dataclass(frozen=True)
class Recipe:
    """How a student should be trained on the set: what the encoder itself evaluated with.

    Attributes:
        mean, std: one entry per channel, units of 1/255 (0..255; std at least 1).
        augment: DSA operations, a subset of :data:`AUGMENTATIONS` in that order.
        optimizer: one of :data:`OPTIMIZERS`.
        steps, batch: optimizer steps and images per step.
        lr, weight_decay: multiples of one millionth, up to 1000. ``momentum``: a multiple of one thousandth,
            0..1; it is SGD's, and AdamW takes it as its first beta. ``"muon"`` is Muon for inner weights and
            AdamW for the rest (:mod:`rudcodec.nets.muon`).
        cutmix: chance, in 1/256, that a batch of images has boxes of one another; 0..255. Views have mixtures
            of their own.
    """

    mean: tuple[int, ...]
    std: tuple[int, ...]
    augment: tuple[str, ...] = AUGMENTATIONS
    optimizer: str = "sgd"
    steps: int = 1000
    batch: int = 256
    lr: float = 0.01
    weight_decay: float = 0.0005
    momentum: float = 0.9
    cutmix: int = 0

    def train_transform(self) -> RecipeTransform:
        """What turns a PIL image or a uint8 array (H, W, C), or a batch of arrays, into normalised and
        augmented float32 tensors; float tensors, which are normalised already, it only augments. Needs torch.
        """
        require(*TRAINING)
        from rudcodec.students.transforms import RecipeTransform

        return RecipeTransform(self, train=True)

    def test_transform(self) -> RecipeTransform:
        """The same without augmentation, for images to test a network on. Needs torch."""
        require(*TRAINING)
        from rudcodec.students.transforms import RecipeTransform

        return RecipeTransform(self, train=False)

    def make_optimizer(self, net: nn.Module, anneal: bool = True) -> RecipeOptimizer:
        """The recipe's torch optimizer of a network. Needs torch.

        By itself its learning rate falls to 0 on a cosine over ``steps`` steps and then stays 0; it is
        constant, for a scheduler of your own, with ``anneal=False``.
        """
        require(*TRAINING)
        from rudcodec.students.optimizers import RecipeOptimizer

        return RecipeOptimizer(net, self, anneal)


def hard_recipe(recipe: Recipe, bpc: float, num_images: int) -> Recipe:
    """The recipe for students on images themselves, ``num_images`` that take ``bpc`` bits per class, be they
    a file's or real ones, with a recipe's mean, std and augmentation: in smaller batches where there are few
    images; longer and with CutMix where there are bits for many."""
    usual = Recipe(recipe.mean, recipe.std, recipe.augment, optimizer="muon", lr=HARD_LR)
    if num_images <= FEW_IMAGES:
        return replace(usual, batch=FEW_BATCH)
    return replace(usual, steps=MANY_STEPS, cutmix=CUTMIX) if bpc >= MANY_BPC else usual


@dataclass(frozen=True)
class ViewRecipe:
    """How views of the images are drawn for the label network to label: see :mod:`rudcodec.views`.

    Attributes:
        zoom_min, zoom_max: side of the window a view looks through, in 1/64 of the image's side; 1..127.
        shift: how far the window may lie beyond the image, in 1/64 of the side; 0..64.
        rotate: largest sine of a turn, in 1/256; 0..255.
        flip: mirror every second view.
        contrast: largest change of the gain about mid grey, in 1/256; 0..255.
        brightness: largest change, in grey levels; 0..255.
        mixup, cutmix: chances, in 1/256, that a view is a blend of two, or has a box of another in it;
            together at most 256, each at most 255.
        sharpen: how much sharper than the file's images those are that views show, in 1/64; 0..255.
    """

    zoom_min: int = 45
    zoom_max: int = 77
    shift: int = 8
    rotate: int = 32
    flip: bool = True
    contrast: int = 60
    brightness: int = 25
    mixup: int = 40
    cutmix: int = 40
    sharpen: int = 0
