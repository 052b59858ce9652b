"""What a user gets out of a ``.rud`` file: images, labels and the recipe to train with."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rudcodec.errors import BudgetError, SettingError
from rudcodec.export import Contents, choose_format
from rudcodec.export import save as save_contents
from rudcodec.optional import TRAINING, require
from rudcodec.payload import ImageShape, LabelNetwork, Recipe, hard_recipe
from rudcodec.recipe_checks import changed_recipe
from rudcodec.views import checked_numbers, labelling

if TYPE_CHECKING:
    from torch import Tensor, device

    from rudcodec.data import LabelledImages, Reading, SourceLike, Split
    from rudcodec.students import Batches
    from rudcodec.torch_dataset import TensorImages
    from rudcodec.viewset import ViewMaker, Views

MOST_VIEWS = 4 << 30
"""Bytes of views that :meth:`SyntheticSet.views` makes in one piece unless it is asked for more."""


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """A decoded set: a map-style dataset of uint8 images (H, W, C) and class numbers.

    ``len``, iteration and ``torch.utils.data.DataLoader`` work as with any such; :meth:`torch` gives one of
    normalised tensors, and :meth:`batches` what the file's recipe trains on.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), indices into ``classes``.
        classes: class names.
        size: bytes of the file it came from.
        stored_recipe: how to train on it; None: the file doesn't say, or not in a way that this version
            understands. See :attr:`recipe`.
        network: the label network the file carries, or None.
        probs: float32 (N, classes), soft labels of the images, if the file has some; ``temperature`` of the
            softmax they come from (1.0 else), which a student's should have too.
        metadata: what the file says of itself, such as its licence.
        recipe_changes: the fields of the recipe that aren't the file's, but were chosen by
            :meth:`with_recipe`: limits of what a file may ask for don't bind them.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    size: int
    stored_recipe: Recipe | None
    network: LabelNetwork | None = None
    probs: np.ndarray | None = None
    temperature: float = 1.0
    metadata: Mapping[str, str] = field(default_factory=dict)
    recipe_changes: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int | np.integer) -> tuple[np.ndarray, int]: ...

    @overload
    def __getitem__(self, index: slice | range | np.ndarray | Tensor | list[int]) -> SyntheticSet: ...

    def __getitem__(
        self, index: int | np.integer | slice | range | np.ndarray | Tensor | list[int]
    ) -> tuple[np.ndarray, int] | SyntheticSet:
        """Image ``index``, uint8 (H, W, C), and its class number; or, for a slice or range, or an array, a
        tensor or a list of indices, or a mask, the set of these images, whose ``size`` stays the file's."""
        if isinstance(index, slice):
            return self._taken(index)
        if isinstance(index, range | list) or getattr(index, "ndim", None):
            rows = np.asarray(index)
            return self._taken(rows if rows.size else rows.astype(np.int64))
        number = operator.index(index)
        return self.images[number], int(self.labels[number])

    def _taken(self, rows: slice | np.ndarray) -> SyntheticSet:
        if isinstance(rows, np.ndarray) and rows.ndim > 1:
            raise IndexError(f"indices of images must have one dimension, not {rows.ndim}")
        probs = None if self.probs is None else self.probs[rows]
        return replace(self, images=self.images[rows], labels=self.labels[rows], probs=probs)

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        height, width, channels = self.images.shape[1:]
        kind = "soft" if self.probs is not None else "hard"
        return (
            f"SyntheticSet({len(self):,} images {width}x{height} {'grey' if channels == 1 else 'RGB'}, "
            f"{len(self.classes):,} classes, {self.size:,} bytes, {self.bpc:,.0f} bpc, "
            f"labels: {kind if self.network is None else 'network'})"
        )

    def _repr_html_(self) -> str:
        from rudcodec.sheet import as_html

        return as_html(self)

    @property
    def bpc(self) -> float:
        """Bits per class: 8 * size / number of classes."""
        return 8 * self.size / len(self.classes)

    @property
    def counts(self) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=len(self.classes)))

    @property
    def ipc(self) -> float:
        """Images per class, on average."""
        return len(self) / len(self.classes)

    @property
    def network_size(self) -> int:
        """Bytes of the label network, and of how views are drawn; 0 where there is none."""
        if self.network is None:
            return 0
        from rudcodec.bitstream import labels_size

        return labels_size(self.network, ImageShape(*self.images.shape[1:]), len(self.classes))

    @property
    def recipe(self) -> Recipe:
        """How to train on the set. Raises SettingError if the file doesn't say."""
        if self.stored_recipe is None:
            raise SettingError(
                "the file has no training recipe that this version understands (in Python evaluate takes one)"
            )
        return self.stored_recipe

    def with_recipe(self, **changes: Any) -> SyntheticSet:
        """The same set with some fields of its recipe changed, as in ``with_recipe(steps=200)``.

        Raises SettingError if the file has no recipe, a recipe has no such field, or it makes no sense so.
        """
        recipe = changed_recipe(self.recipe, changes, self.images.shape[3])
        return replace(self, stored_recipe=recipe, recipe_changes=self.recipe_changes | changes.keys())

    def with_hard_labels(self) -> SyntheticSet:
        """The same images with nothing but their classes.

        Of a file with a label network ``size`` becomes that without it, and the recipe, which is one for
        views, that of a file of such images; but for what :meth:`with_recipe` has changed.
        """
        hard = replace(self, network=None, probs=None, temperature=1.0, size=self.size - self.network_size)
        if self.network is None:
            return hard
        if self.stored_recipe is None:
            return hard
        recipe = hard_recipe(self.stored_recipe, hard.bpc, len(self.images))
        chosen = {name: getattr(self.stored_recipe, name) for name in self.recipe_changes}
        return replace(hard, stored_recipe=replace(recipe, **chosen))

    def views(self, count: int, *, seed: int = 0, start: int = 0, limit: int = MOST_VIEWS) -> Views:
        """Views ``start .. start + count - 1`` of a seed, labelled by the file's network in exact arithmetic.

        The same on every machine. For views made on a training device, faster, see
        :class:`rudcodec.label_network.ViewStream`; for more than fit into memory, :meth:`view_batches`.

        Raises:
            SettingError: the file has no label network, or a number is out of range.
            BudgetError: the views take more than ``limit`` bytes.
        """
        maker = self._view_maker()
        seed, start, count = checked_numbers(seed, start, count)
        size = count * (self.images[0].size + 4 * len(self.classes))
        if size > limit:
            raise BudgetError(
                f"{count:,} views take {size / 1e6:,.0f} MB, more than the limit of {limit / 1e6:,.0f}; "
                "view_batches makes them a few at a time"
            )
        return maker.all(count, seed, start)

    def view_batches(self, count: int, *, seed: int = 0, start: int = 0) -> Iterator[Views]:
        """As :meth:`views`, but a few at a time, in memory that doesn't grow with ``count``."""
        return self._view_maker().batches(count, seed, start)

    def _view_maker(self) -> ViewMaker:
        from rudcodec.viewset import ViewMaker

        network = labelling(self.network)
        if not len(self):
            raise SettingError("there are no images to make views of")
        return ViewMaker(self.images, network, self.classes, self.stored_recipe)

    def torch(
        self,
        transform: Callable[[Tensor], Any] | None = None,
        normalise: bool = True,
        soft: bool = False,
    ) -> TensorImages:
        """A torch ``Dataset`` of float32 images (C, H, W) and class numbers. Needs torch.

        Args:
            transform: applied to each image, last; the recipe's is ``recipe.train_transform()``.
            normalise: by the recipe's mean and standard deviation; else images are in 0..1.
            soft: give probabilities, float32 (classes,), instead of class numbers.

        Raises:
            SettingError: there are no soft labels, or no recipe to normalise by.
        """
        require(*TRAINING)
        from rudcodec.torch_dataset import TensorImages

        return TensorImages(self, transform, normalise, soft)

    def batches(self, seed: int = 0, device: str | device = "cpu") -> Batches:
        """All ``recipe.steps`` batches of a training as the recipe says. Needs torch.

        Each is normalised and augmented images, float32 (n, C, H, W), with classes, int64 (n,). Where the
        recipe has CutMix, or the file soft labels or a label network, there are probabilities instead of
        classes, float32 (n, classes). :meth:`loss` takes either.

        Raises SettingError where the recipe asks for more than :mod:`rudcodec.students.limits` allows.
        """
        require(*TRAINING)
        from rudcodec.torch_dataset import batches_of

        return batches_of(self, seed, device)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The cross entropy of logits (n, classes) with targets of :meth:`batches`, a mean over images.

        Where these are probabilities, which come from a softmax of some temperature T, the logits are divided
        by T as well, and the loss is multiplied by T^2, so that its gradients stay as large: logits that are
        all alike then cost T^2 ln(classes).
        """
        require(*TRAINING)
        from rudcodec.torch_dataset import loss_of

        return loss_of(self, logits, targets)

    def real_images(
        self,
        source: LabelledImages | SourceLike,
        split: Split = "val",
        *,
        reading: Reading | None = None,
    ) -> LabelledImages:
        """Real images to judge students of this set on: in its size and with its class numbers.

        Those of classes that the set lacks are left out, and a warning says so. Images, or a ``source`` of
        which ``split`` is read as by :func:`rudcodec.data.load`, as ``reading`` says, the size apart. Raises
        DataError if they have another size or other classes.
        """
        from rudcodec.data.matching import matching

        shape = self.images.shape[1:]
        return matching(source, split, shape, self.classes, has_all=False, whose="the file", reading=reading)

    def hf(self) -> Any:
        """A Hugging Face ``datasets.Dataset`` with the columns ``image``, ``label`` (with class names) and,
        if there are soft labels, ``probs``.

        Raises MissingPackageError where ``datasets`` isn't installed: ``pip install 'rudcodec[hf]'``.
        """
        from rudcodec.huggingface import as_dataset

        return as_dataset(self)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:  # noqa: A002
        """Save images, labels, class names and recipe for other programs, complete or not at all.

        Args:
            path: of class folders of PNG files, which torchvision's ImageFolder reads, or of one file: .npz
                (numpy), .safetensors, .parquet (Hugging Face datasets) or .tar (WebDataset); an existing file
                is replaced.
            format: ``folder``, ``npz``, ``safetensors``, ``parquet`` or ``webdataset``; None: by the suffix.

        Raises:
            SettingError: there is no such format.
            MissingPackageError: the format needs a package that isn't installed.
            DataError: the folder exists and isn't empty, or the path can't be written.
        """
        save_contents(Contents.of_set(self), path, choose_format(path, format))
