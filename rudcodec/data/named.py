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
from rudcodec.data.idx import FASHION_MNIST
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError

ROOT_VARIABLE = "RUDCODEC_DATA"
"""The environment variable that names the folder of torchvision's sets; ``~/.cache/rudcodec`` without it."""

_Arguments = Mapping[SourceSplit, dict[str, Any]]
_BY_TRAIN: _Arguments = {"train": {"train": True}, "test": {"train": False}}
_BY_SPLIT: _Arguments = {"train": {"split": "train"}, "test": {"split": "test"}}
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class _TorchvisionSet:
    """How a class of ``torchvision.datasets`` is asked for its splits and holds its labels."""

    class_name: str
    arguments: _Arguments
    label_attribute: str = "targets"
    classes: tuple[str, ...] | None = None


_SETS = {
    "cifar10": _TorchvisionSet("CIFAR10", _BY_TRAIN),
    "cifar100": _TorchvisionSet("CIFAR100", _BY_TRAIN),
    "mnist": _TorchvisionSet("MNIST", _BY_TRAIN, classes=_DIGITS),
    "fashion-mnist": _TorchvisionSet("FashionMNIST", _BY_TRAIN, classes=FASHION_MNIST),
    "kmnist": _TorchvisionSet("KMNIST", _BY_TRAIN),
    "usps": _TorchvisionSet("USPS", _BY_TRAIN, classes=_DIGITS),
    "svhn": _TorchvisionSet("SVHN", _BY_SPLIT, "labels", _DIGITS),
    "stl10": _TorchvisionSet("STL10", _BY_SPLIT, "labels"),
}


def known_names() -> tuple[str, ...]:
    """The names that :func:`open_named` knows."""
    return ("digits", *_SETS)


def open_named(name: str) -> ArraySource | None:
    """The set of that name (case, dashes and underscores don't matter), or None if none is called so.

    Raises:
        DataError: it is not there; says how to get it.
    """
    normalized = _normalized_name(name)
    if normalized == "digits":
        return ArraySource("digits", "digits", {"train": _digits})
    return next(
        (_torchvision(set_name, name) for set_name in _SETS if _normalized_name(set_name) == normalized), None
    )


def _normalized_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _digits() -> Arrays:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "digits comes with scikit-learn, which is missing: pip install scikit-learn"
        ) from None
    digits = load_digits()  # values 0..16
    return np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target


def _torchvision(name: str, requested_name: str) -> ArraySource:
    spec = _SETS[name]
    root = Path(os.environ.get(ROOT_VARIABLE) or "~/.cache/rudcodec").expanduser()
    if find_spec("torchvision") is None:
        raise DataError(f"{name} is read by torchvision, which is missing: pip install torchvision")

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
        try:
            return getattr(datasets, spec.class_name)(str(root), **arguments)
        except Exception:  # noqa: BLE001  (torchvision raises all sorts of things at absent or damaged files)
            raise absent(split) from None

    def arrays(split: SourceSplit) -> Arrays:
        dataset = open_split(split)
        return np.asarray(dataset.data), np.asarray(getattr(dataset, spec.label_attribute))

    classes = spec.classes or open_split("train").classes
    return ArraySource(name, name, {split: partial(arrays, split) for split in spec.arguments}, classes)
