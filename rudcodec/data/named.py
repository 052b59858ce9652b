"""Sets known by name: scikit-learn's digits and those that torchvision reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rudcodec.data.arrays import Arrays, ArraySource
from rudcodec.data.damage import refusing
from rudcodec.data.idx import DIGITS, FASHION_MNIST
from rudcodec.data.items import ItemSource
from rudcodec.data.objects import ObjectItems, class_names
from rudcodec.data.reading import Reading
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError, MissingPackageError
from rudcodec.files import home_expanded
from rudcodec.text import plain_name

ROOT_VARIABLE = "RUDCODEC_DATA"
"""The environment variable that names the folder of torchvision's sets; ``~/.cache/rudcodec`` without it."""

_Arguments = Mapping[SourceSplit, dict[str, Any]]
_BY_TRAIN: _Arguments = {"train": {"train": True}, "test": {"train": False}}
_BY_SPLIT: _Arguments = {"train": {"split": "train"}, "test": {"split": "test"}}
_TRAIN_VAL: _Arguments = {"train": {"split": "train"}, "val": {"split": "val"}}
_WITH_VAL: _Arguments = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}


@dataclass(frozen=True)
class _TorchvisionSet:
    """How a class of ``torchvision.datasets`` is asked for its splits and holds its images and labels.

    Attributes:
        images, labels: the attributes that hold them as arrays; without ``images`` its items are asked for.
        classes: the class names, or the attribute that holds them.
        transposed: whether images lie on their side.
    """

    class_name: str
    arguments: _Arguments
    images: str = ""
    labels: str = "targets"
    classes: tuple[str, ...] | str = "classes"
    transposed: bool = False


def _arrays(class_name: str, arguments: _Arguments, **more: Any) -> _TorchvisionSet:
    return _TorchvisionSet(class_name, arguments, "data", **more)


def _with(arguments: _Arguments, **more: Any) -> _Arguments:
    return {split: values | more for split, values in arguments.items()}


_SETS = {
    "cifar10": _arrays("CIFAR10", _BY_TRAIN),
    "cifar100": _arrays("CIFAR100", _BY_TRAIN),
    "mnist": _arrays("MNIST", _BY_TRAIN, classes=DIGITS),
    "fashion-mnist": _arrays("FashionMNIST", _BY_TRAIN, classes=FASHION_MNIST),
    "kmnist": _arrays("KMNIST", _BY_TRAIN),
    "emnist-balanced": _arrays("EMNIST", _with(_BY_TRAIN, split="balanced"), transposed=True),
    "emnist-digits": _arrays("EMNIST", _with(_BY_TRAIN, split="digits"), transposed=True),
    "usps": _arrays("USPS", _BY_TRAIN, classes=DIGITS),
    "svhn": _arrays("SVHN", _BY_SPLIT, labels="labels", classes=DIGITS),
    "stl10": _arrays("STL10", _BY_SPLIT, labels="labels"),
    "imagenette": _TorchvisionSet("Imagenette", _with(_TRAIN_VAL, size="full")),
    "imagenette-320": _TorchvisionSet("Imagenette", _with(_TRAIN_VAL, size="320px")),
    "imagenette-160": _TorchvisionSet("Imagenette", _with(_TRAIN_VAL, size="160px")),
    "imagenet": _TorchvisionSet("ImageNet", _TRAIN_VAL, classes="wnids"),  # two classes are named crane
    "flowers102": _TorchvisionSet("Flowers102", _WITH_VAL),
    "food101": _TorchvisionSet("Food101", _BY_SPLIT),
    "dtd": _TorchvisionSet("DTD", _WITH_VAL),
    "eurosat": _TorchvisionSet("EuroSAT", {"train": {}}),
    "gtsrb": _TorchvisionSet("GTSRB", _BY_SPLIT),
    "oxford-pets": _TorchvisionSet(
        "OxfordIIITPet", {"train": {"split": "trainval"}, "test": {"split": "test"}}
    ),
    "fgvc-aircraft": _TorchvisionSet("FGVCAircraft", _WITH_VAL),
    "stanford-cars": _TorchvisionSet("StanfordCars", _BY_SPLIT),
    "country211": _TorchvisionSet(
        "Country211", {"train": {"split": "train"}, "val": {"split": "valid"}, "test": {"split": "test"}}
    ),
    "pcam": _TorchvisionSet("PCAM", _WITH_VAL),
}


def known_names() -> tuple[str, ...]:
    """The names that :func:`open_named` knows."""
    return ("digits", *_SETS)


def is_named(name: str) -> bool:
    """Whether :func:`open_named` knows a set by that name."""
    return plain_name(name) in map(plain_name, known_names())


def open_named(name: str, reading: Reading) -> ItemSource | None:
    """The set of that name (case, dashes and underscores don't matter), or None if none is called so.

    Raises:
        DataError: it is not there; says how to get it.
    """
    normalized = plain_name(name)
    if normalized == "digits":
        return ArraySource("digits", "digits", {"train": _digits})
    known = {plain_name(set_name): set_name for set_name in _SETS}
    return _torchvision(known[normalized], name, reading) if normalized in known else None


def _digits() -> Arrays:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingPackageError(
            "digits comes with scikit-learn, which is missing: pip install scikit-learn"
        ) from None
    digits = load_digits()  # values 0..16
    return np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target


def _torchvision(name: str, requested_name: str, reading: Reading) -> ItemSource:
    spec = _SETS[name]
    root = home_expanded(os.environ.get(ROOT_VARIABLE) or "~/.cache/rudcodec", f"${ROOT_VARIABLE}")
    if find_spec("torchvision") is None:
        raise MissingPackageError(f"{name} is read by torchvision, which is missing: pip install torchvision")

    def absent(split: SourceSplit) -> DataError:
        options = "".join(f", {key}={value!r}" for key, value in spec.arguments[split].items())
        call = f"d.{spec.class_name}({str(root)!r}{options}, download=True)"
        command = f"import torchvision.datasets as d; {call}"
        exists = Path(requested_name).exists()
        aside = f" (what lies here by that name is ./{requested_name})" if exists else ""
        return DataError(
            f"{name}: no whole {split} split in {root} (${ROOT_VARIABLE} names another folder); "
            f'to download it: python -c "{command}"{aside}'
        )

    if not root.is_dir():  # said at once: torchvision takes seconds to be imported
        raise absent("train")
    from torchvision import datasets

    @cache
    def open_split(split: SourceSplit) -> Any:
        arguments = spec.arguments[split]

        def refusal(error: Exception) -> Exception:
            text = str(error).partition("\n")[0]
            if isinstance(error, ImportError) or " is not found" in text:  # of what torchvision reads it by
                return MissingPackageError(f"{name} is read by a package that is missing: {text}")
            return absent(split)

        with refusing(refusal):
            return getattr(datasets, spec.class_name)(str(root), **arguments)

    def arrays(split: SourceSplit) -> Arrays:
        dataset = open_split(split)
        images = np.asarray(getattr(dataset, spec.images))
        labels = np.asarray(getattr(dataset, spec.labels))
        return images.transpose(0, 2, 1) if spec.transposed else images, labels

    classes = (
        spec.classes if isinstance(spec.classes, tuple) else class_names(open_split("train"), spec.classes)
    )
    if spec.images:
        return ArraySource(name, name, {split: partial(arrays, split) for split in spec.arguments}, classes)

    def items(split: SourceSplit) -> ObjectItems:
        return ObjectItems(open_split(split), f"{name}: {split}", reading)

    return ItemSource(name, name, {split: partial(items, split) for split in spec.arguments}, classes)
