"""Sets that are Python objects: whose numbers class names name, what a name may be, and arrays of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from test_data import tones

from rudcodec import DataError
from rudcodec.data import load


class Named:
    """Items of these labels, with class names."""

    def __init__(self, classes: Any, labels: Sequence[Any], first: int = 40) -> None:
        self.classes, self._labels, self._first = classes, labels, first

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        return np.full((4, 4, 3), self._first + index, np.uint8), self._labels[index]


class Parts:
    """Sets one after another, as torch's ``ConcatDataset`` has them."""

    def __init__(self, *datasets: Any) -> None:
        self.datasets = list(datasets)
        self._items = [part[i] for part in datasets for i in range(len(part))]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        return self._items[index]


@pytest.mark.parametrize("order", [("train", "val"), ("val", "train")])
def test_each_split_has_its_own_numbers(order: tuple[str, ...]) -> None:
    by_split = {"train": Named(["a", "b", "c"], [0, 1, 2]), "val": Named(["a", "c"], [0, 1, 1], 140)}
    source = {name: by_split[name] for name in order}
    found = load(source, "val")
    assert found.classes == ("a", "b", "c") and found.labels.tolist() == [0, 2, 2]
    assert tones(load(source, "all")) == [40, 140, 41, 42, 141, 142]


def test_splits_of_which_some_have_no_names() -> None:
    plain = [(np.full((4, 4, 3), 40 + i, np.uint8), i) for i in range(2)]
    named = Named(["a", "b"], [0, 1], 140)
    for source in ({"train": plain, "val": named}, {"train": named, "val": plain}):
        for split in ("all", "val"):
            assert load(source, split).classes == ("a", "b")


@pytest.mark.parametrize(
    ("val", "why"),
    [
        (Named(["a", "d"], [0, 1]), "label d is none of 2 class names"),
        (Named(["b"], [0, 1]), "label 1 is none of 1 class names"),
        (Named(["b"], [-1]), "label -1 is none of 1 class names"),
    ],
)
def test_classes_that_train_lacks(val: Named, why: str) -> None:
    with pytest.raises(DataError, match=why):
        load({"train": Named(["a", "b"], [0, 1]), "val": val}, "val")


def test_labels_that_are_names_already() -> None:
    val = Named(["b", "a"], ["b", "b"])
    found = load({"train": Named(["a", "b"], ["a", "b"]), "val": val}, "val")
    assert found.classes == ("a", "b") and found.labels.tolist() == [1, 1]


def test_parts_of_a_set_have_the_same_names() -> None:
    alike = Parts(Named(["a", "b"], [0, 1]), [(np.full((4, 4, 3), 50, np.uint8), 0)], Named(["a", "b"], [1]))
    assert load(alike, "all").classes == ("a", "b") and tones(load(alike, "all")) == [40, 50, 41, 40]
    for other in (Parts(Named(["a", "c"], [1])), Parts(Named(["a"], [0]))):
        with pytest.raises(DataError, match=r"Parts: a part has the classes a, b, another a.*; number them"):
            load(Parts(Named(["a", "b"], [0, 1]), other), "all")


def test_subsets_of_torch_keep_the_names() -> None:
    data = pytest.importorskip("torch.utils.data")
    abc, ac = Named(["a", "b", "c"], [0, 1, 2]), Named(["a", "c"], [0, 1])
    parts = data.ConcatDataset([abc, data.Subset(abc, [2])])
    found = load({"train": parts, "val": data.Subset(ac, [1])}, "val")
    assert found.classes == ("a", "b", "c") and found.labels.tolist() == [2]
    with pytest.raises(DataError, match="ConcatDataset: a part has the classes a, b, c, another a, c"):
        load(data.Subset(data.ConcatDataset([abc, ac]), [0, 3]), "all")


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ([7, 8], ("7", "8")),
        (np.array([0, 1]), ("0", "1")),
        (np.array(["x", "y"]), ("x", "y")),
        ([("tench", "Tinca tinca"), ["goldfish"]], ("tench", "goldfish")),
        ([(3, 4), 5.5], ("3", "5.5")),
        ([], ("0", "1")),
        (2, ("0", "1")),
    ],
)
def test_names_of_classes_may_be_numbers_or_synonyms(classes: Any, names: tuple[str, ...]) -> None:
    assert load(Named(classes, [0, 1]), "all").classes == names


def test_a_class_without_a_name() -> None:
    with pytest.raises(DataError, match="class"):
        load(Named([(), ("b",)], [0, 1]), "all")


# ---- arrays of Python objects


@pytest.mark.parametrize("kind", [list, lambda labels: np.array(labels, object)])
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["cat", "ant", "cat", "dog"], ("ant", "cat", "dog")),
        ([10, 2, 10, 3], ("2", "3", "10")),
        ([np.int64(1), 0, np.int8(1), 2], ("0", "1", "2")),
        ([[1, 0], [0, 1], [1, 0], [0, 1]], ("0", "1")),
    ],
)
def test_labels_that_are_objects(kind: Any, labels: list[Any], names: tuple[str, ...]) -> None:
    images = np.arange(4, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    found = load((images, kind(labels)), "all")
    expected = load((images, np.array(labels)), "all")
    assert found.classes == expected.classes == names
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("kind", [list, lambda labels: np.array(labels, object)])
@pytest.mark.parametrize("odd", [None, float("nan"), 1.5, b"cat", ""])
def test_objects_that_are_no_labels(kind: Any, odd: Any) -> None:
    images = np.zeros((4, 4, 4), np.uint8)
    with pytest.raises(DataError, match=r"^tuple: item 2 has (no|a) label"):
        load((images, kind(["cat", "ant", odd, "dog"])), "all")


def test_images_that_are_objects() -> None:
    images = np.empty(4, object)
    images[:] = [np.full((4 + i, 4 + i), i, np.uint8) for i in range(4)]
    found = load((images, np.array(list("abab"), object)), "all", 4)
    assert [int(image.max()) for image in found.images] == [0, 2, 1, 3]


def test_series_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    images = np.zeros((4, 4, 4), np.uint8)
    for dtype in ("object", "string", "category"):
        labels = pandas.Series(["cat", "ant", "cat", "dog"], dtype=dtype)
        for values in (labels, labels.values):
            assert load((images, values), "all").classes == ("ant", "cat", "dog")


@pytest.mark.parametrize("labels", [dict.fromkeys(range(4), "cat"), {0, 1, 2, 3}])
@pytest.mark.parametrize("kind", [list, np.asarray])
def test_labels_in_no_order_are_refused(labels: Any, kind: Any) -> None:
    images = kind(np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="so no dict or set"):
        load((images, labels), "all")


def test_numbers_of_one_split_may_be_texts_of_train() -> None:
    x = np.zeros((8, 8, 3), np.uint8)
    sets = {"train": [(x, "1"), (x, "10"), (x, "cat")], "test": [(x, "10"), (x, "1")]}
    found = load(sets, "test")
    assert found.classes == ("1", "10", "cat") and found.labels.tolist() == [0, 1]
    with pytest.raises(DataError, match="label 2 is none of the classes of train"):
        load(sets | {"test": [(x, "2")]}, "test")
