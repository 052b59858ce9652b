"""Sets known by name: scikit-learn's digits and those that torchvision reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from rudcodec.data.arrays import Arrays, ArraySource
from rudcodec.data.idx import FASHION_MNIST
from rudcodec.data.splits import Part
from rudcodec.errors import DataError

ROOT_VARIABLE = "RUDCODEC_DATA"
"""The environment variable that names the folder of torchvision's sets; ``~/.cache/rudcodec`` without it."""

_Arguments = Mapping[Part, dict[str, Any]]
_BY_TRAIN: _Arguments = {"train": {"train": True}, "test": {"train": False}}
_BY_SPLIT: _Arguments = {"train": {"split": "train"}, "test": {"split": "test"}}
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class _Torchvision:
    """How a class of ``torchvision.datasets`` is asked for its splits and holds its labels."""

    kind: str
    arguments: _Arguments
    labels: str = "targets"
    classes: tuple[str, ...] | None = None


_SETS = {
    "cifar10": _Torchvision("CIFAR10", _BY_TRAIN),
    "cifar100": _Torchvision("CIFAR100", _BY_TRAIN),
    "mnist": _Torchvision("MNIST", _BY_TRAIN, classes=_DIGITS),
    "fashion-mnist": _Torchvision("FashionMNIST", _BY_TRAIN, classes=FASHION_MNIST),
    "kmnist": _Torchvision("KMNIST", _BY_TRAIN),
    "usps": _Torchvision("USPS", _BY_TRAIN, classes=_DIGITS),
    "svhn": _Torchvision("SVHN", _BY_SPLIT, "labels", _DIGITS),
    "stl10": _Torchvision("STL10", _BY_SPLIT, "labels"),
}


def known_names() -> tuple[str, ...]:
    """What :func:`open_named` knows."""
    return ("digits", *_SETS)


def open_named(name: str) -> ArraySource | None:
    """The set of that name (case, dashes and underscores don't matter), or None if none is called so.

    Raises:
        DataError: it is not there; says how to get it.
    """
    plain = _plain(name)
    if plain == "digits":
        return ArraySource("digits", "digits", {"train": _digits})
    return next((_torchvision(known, name) for known in _SETS if _plain(known) == plain), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _digits() -> Arrays:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "digits comes with scikit-learn, which is missing: pip install scikit-learn"
        ) from None
    found = load_digits()  # values 0..16
    return np.round(found.images * (255 / 16)).astype(np.uint8), found.target


def _torchvision(name: str, given: str) -> ArraySource:
    about = _SETS[name]
    root = Path(os.environ.get(ROOT_VARIABLE) or "~/.cache/rudcodec").expanduser()
    try:
        from torchvision import datasets
    except ImportError:
        raise DataError(f"{name} is read by torchvision, which is missing: pip install torchvision") from None

    @cache
    def opened(part: Part) -> Any:
        arguments = about.arguments[part]
        try:
            return getattr(datasets, about.kind)(str(root), **arguments)
        except Exception:  # noqa: BLE001  (torchvision raises all sorts of things at absent or damaged files)
            options = "".join(f", {key}={value!r}" for key, value in arguments.items())
            command = (
                f"import torchvision.datasets as d; d.{about.kind}({str(root)!r}{options}, download=True)"
            )
            aside = f" (what lies here by that name is ./{given})" if Path(given).exists() else ""
            raise DataError(
                f"{name}: no whole {part} split in {root} (${ROOT_VARIABLE} names another folder); "
                f'to download it: python -c "{command}"{aside}'
            ) from None

    def arrays(part: Part) -> Arrays:
        return np.asarray(opened(part).data), np.asarray(getattr(opened(part), about.labels))

    classes = about.classes or opened("train").classes
    return ArraySource(name, name, {part: partial(arrays, part) for part in about.arguments}, classes)
