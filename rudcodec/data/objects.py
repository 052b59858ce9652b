"""Sets that are Python objects: ``(images, labels)``, sequences of ``(image, label)`` such as torchvision's
sets, and a dict of them by split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rudcodec.data.arrays import AT_ONCE, Arrays, ArraySource, as_pictures, mismatch
from rudcodec.data.arrow import open_datasets_object
from rudcodec.data.cache import Space, memory_space
from rudcodec.data.collect import check_alike
from rudcodec.data.decode import PictureError, decode_or_refuse, fit
from rudcodec.data.float_range import FloatRange
from rudcodec.data.image_source import ImageSource
from rudcodec.data.items import Items, ItemSource, Picture, where_of
from rudcodec.data.label_values import as_label, label_values
from rudcodec.data.mapped import release_pages
from rudcodec.data.reading import Reading
from rudcodec.data.splits import ALIASES, Rows, SourceSplit
from rudcodec.data.tensors import tensor_array
from rudcodec.errors import DataError
from rudcodec.text import listed, shown


class Indexable(Protocol):
    """What has a length and items."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


def open_object(source: Any, reading: Reading) -> ImageSource:
    """The set in an object:

    - a ``datasets.Dataset`` or ``DatasetDict``;
    - a dict of the following by split, train, val and test;
    - a pair ``(images, labels)`` of arrays, tensors, or lists;
    - anything with ``len`` whose items are ``(image, label)``: pictures of Pillow, arrays or tensors, with
      whole numbers or texts. Where it has ``classes``, these are the names of its own numbers: other splits
      may number the same classes in another way.

    Each item is asked for once, when the images are read.

    Raises:
        DataError: it is none of these.
    """
    if found := open_datasets_object(source, reading):
        return found
    if not isinstance(source, Mapping):
        return _source({"train": source}, type(source).__name__, reading)
    splits = {name: ALIASES.get(str(name).lower()) for name in source}
    by_split = {split: source[name] for name, split in splits.items() if split}
    if not by_split or len(by_split) < len(splits):
        raise DataError(
            f"{type(source).__name__}: its keys must be train, val and test, not {listed(map(str, source))}"
        )
    return _source(by_split, type(source).__name__, reading)


def _source(by_split: Mapping[SourceSplit, Any], name: str, reading: Reading) -> ItemSource:
    where = name
    for value in by_split.values():
        if _is_pair(value) and any(isinstance(part, Mapping | AbstractSet) for part in value):
            raise DataError(f"{where}: images and labels must be in one order, so no dict or set of them")
    if all(_is_pair(value) and _is_array(value[0]) for value in by_split.values()):
        readers = {split: partial(_arrays, value, where, reading) for split, value in by_split.items()}
        return ArraySource("arrays", where, readers)
    for value in by_split.values():
        if not _is_pair(value) and not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
            raise DataError(
                f"{shown(type(value).__name__)} is no image set: give a path or a name, (images, labels), or "
                "an object with a length whose items are (image, label)"
            )
    own_names = {split: class_names(value) for split, value in by_split.items()}
    items = {
        split: partial(ObjectItems, value, where_of(where, split, by_split), reading, own_names[split])
        for split, value in by_split.items()
    }
    # a split without names goes by those of another
    classes = own_names.get("train") or next(filter(None, own_names.values()), None)
    return ItemSource(name.lower(), where, items, classes)


class ObjectItems(Items):
    """Items of a sequence. They are all read at once, since labels come with images.

    Args:
        classes: the names of labels 0, 1, ..., if other splits may have other ones.
    """

    def __init__(
        self, items: Any, where: str, reading: Reading, classes: Sequence[str] | None = None
    ) -> None:
        self._where = where
        self._space: Space | None = None
        self._refused: dict[int, PictureError] = {}
        labels: list[str] = []
        problems: list[str] = []
        self._numbers: list[int] = []
        float_range = FloatRange()
        most = len(items[0] if _is_pair(items) else items)
        for number, (image, label) in enumerate(_pairs(items, where)):
            try:
                if isinstance(image, PictureError):
                    raise image
                labels.append(as_label(_plain_label(label)))
            except ValueError as error:
                problems.append(f"{where}: item {number}{_file_of(items, number)} {error}")
                continue
            row = len(self._numbers)
            self._numbers.append(number)
            self._keep(row, _picture(image, self.locate(row), reading, row, float_range), most, reading)
            for darker, levels in float_range.corrected():
                self._keep(darker, fit(levels[0], reading), most, reading)
        super().__init__(label_values(labels, where))
        self.classes = classes
        self.problems += problems

    def _keep(self, row: int, picture: Picture, most: int, reading: Reading) -> None:
        """Keep the picture of one of ``_numbers``, of which there will be ``most``. Raises DataError if it
        isn't of the first one's shape: others would be read for nothing."""
        if isinstance(picture, PictureError):
            self._refused[row] = picture
            return
        if self._space is None:
            self._first, self._space = row, memory_space((most, *picture.shape))
        first, first_shape = self.locate(self._first), self._space.images.shape[1:]
        check_alike(self.locate(row), picture.shape, first, first_shape, reading)
        self._space.put(row, picture)

    def locate(self, index: int) -> str:
        return f"{self._where}: item {self._numbers[index]}"

    def stream(self, indices: Rows, reading: Reading) -> Iterator[tuple[int, Picture]]:
        for position, index in enumerate(indices):
            if (refused := self._refused.get(int(index))) is not None:
                yield position, refused
            elif self._space is not None:
                yield position, self._space.images[index]
                if position % AT_ONCE == 0:
                    release_pages(self._space.images)


def _pairs(items: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """Each image and its label; a PictureError in place of an image that the set fails to read."""
    if _is_pair(items):
        images, labels = items
        if len(images) != len(labels):
            raise mismatch(where, len(images), len(labels))
        yield from zip(images, labels, strict=True)
        return
    for number in range(len(items)):
        try:
            item = items[number]
        except (KeyError, TypeError, IndexError) as error:
            raise DataError(f"{where}: has no item {number}: {shown(repr(error))}") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            what = str(error).partition("\n")[0] or type(error).__name__
            yield PictureError(f"can't be read as a picture ({shown(what)})"), None
            continue
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise DataError(f"{where}: item {number} is no (image, label), but {shown(type(item).__name__)}")
        yield item[0], item[1]


def _file_of(items: Any, number: int) -> str:
    """The file of an item of torchvision's sets, for messages; nothing where they don't tell."""
    samples = getattr(items, "samples", getattr(items, "_samples", ()))
    try:
        return f" ({shown(os.fspath(samples[number][0]))})"
    except (TypeError, LookupError):
        return ""


def _picture(image: Any, where: str, reading: Reading, row: int, float_range: FloatRange) -> Picture:
    if isinstance(image, Image.Image):
        return decode_or_refuse(image, reading)
    array = _array(image, where)
    if array.ndim == 4 and len(array) != 1:
        raise DataError(f"{where} is a stack of {len(array)} images; an item has one image and its label")
    # one image is a set of one
    pixels = as_pictures(array[None] if array.ndim in (2, 3) else array, {}, reading, where)
    return fit(float_range.grey_levels(row, pixels, where)[0], reading)


def _arrays(pair: Any, where: str, reading: Reading) -> Arrays:
    images, labels = pair
    return as_pictures(_array(images, where), {}, reading, where), _label_array(labels, where)


def _label_array(values: Any, where: str) -> NDArray[Any]:
    """Labels as an array of numbers or texts, also those in a list, or in an array of Python objects, as
    pandas has texts. Raises DataError if one of these is neither."""
    array = _array(values, where)
    if array.dtype == object:
        values = array.tolist()
    elif isinstance(values, np.ndarray) or array.dtype.kind != "U":
        return array
    if not all(np.ndim(value) == 0 for value in values):
        return _array(values, where)
    labels = []
    for number, value in enumerate(values):
        try:
            labels.append(as_label(_plain_label(value)))
        except ValueError as error:
            raise DataError(f"{where}: item {number} {error}") from None
    return label_values(labels, where, not any(isinstance(value, str) for value in values))


def _array(value: Any, where: str) -> NDArray[Any]:
    if type(value).__module__.partition(".")[0] == "torch":
        return tensor_array(value, where)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise DataError(f"{where}: is no array of numbers, but {shown(type(value).__name__)}") from None
    return array


def _plain_label(label: Any) -> Any:
    """A Python number or text of what may be a number of numpy or torch."""
    count = label.numel() if hasattr(label, "numel") else getattr(label, "size", None)
    return label.item() if count == 1 and hasattr(label, "item") else label


def _is_pair(value: Any) -> bool:
    """Whether this is (images, labels) rather than a sequence of two items."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(hasattr(part, "__len__") and not isinstance(part, str) for part in value)
        and not all(isinstance(part, tuple) for part in value)
    )


def _is_array(value: Any) -> bool:
    """Whether this is an array of numbers; one of Python objects, such as pictures, is like a list."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and value.dtype != object


def class_names(value: Any, attribute: str = "classes") -> list[str] | None:
    """The class names of a set, as torchvision's have them; the set itself may lie in a ``Subset``, or in
    parts in a ``ConcatDataset``.

    Raises:
        DataError: the parts have different names, so that a number isn't the same class in all of them.
    """
    if not hasattr(value, attribute):
        return _names_of_parts(value, attribute)
    names = getattr(value, attribute)
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        return None
    # ImageNet's are tuples of synonyms
    return [str(next(iter(name), "")) if isinstance(name, tuple | list) else str(name) for name in names]


def _names_of_parts(value: Any, attribute: str) -> list[str] | None:
    """The class names that the parts of a set have. Raises DataError if these differ."""
    parts = [value.dataset] if hasattr(value, "dataset") else getattr(value, "datasets", None)
    if not isinstance(parts, list | tuple):
        return None
    found = [names for part in parts if (names := class_names(part, attribute))]
    for names in found:
        if names != found[0]:
            raise DataError(
                f"{type(value).__name__}: a part has the classes {listed(found[0])}, another "
                f"{listed(names)}; number them alike, by the same classes in all parts"
            )
    return found[0] if found else None
