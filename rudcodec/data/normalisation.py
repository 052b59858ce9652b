"""Means and standard deviations that images were normalised by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rudcodec.errors import SettingError
from rudcodec.text import plain_name, shown

Normalisation = Mapping[str, NDArray[np.float32]]
"""``mean`` and ``std``, float32 (C,)."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_KNOWN: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "mnist": ((0.1307,), (0.3081,)),
    "fashionmnist": ((0.2861,), (0.3530,)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "tiny": _IMAGENET,
    "tinyimagenet": _IMAGENET,
    "imagenet": _IMAGENET,
    "none": ((0.0,), (1.0,)),
}
"""Of the published code of DC, DSA, DM and MTT, and what builds on it: CIFAR-10's numbers for CIFAR-100,
too."""


def parse_normalisation(text: str) -> Normalisation:
    """The mean and standard deviation of a known set (case and dashes don't matter), of ``none`` (the floats
    lie about 0..1, and what lies beyond is clipped), or as numbers: ``mean,mean,mean/std,std,std``.

    Raises:
        SettingError: neither a name that is known nor such numbers.
    """
    if (name := plain_name(text)) in _KNOWN:
        return _as_arrays(*_KNOWN[name])
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in text.split("/"))
    except ValueError:
        mean, std = [], []
    if (
        not mean
        or len(mean) != len(std)
        or not all(0 <= m <= 1 for m in mean)
        or not all(0 < s <= 10 for s in std)
    ):
        raise SettingError(
            f"normalised must be one of {', '.join(_KNOWN)}, or numbers such as .49,.48,.45/.2,.2,.2 "
            f"(mean/std), not {shown(text)}"
        )
    return _as_arrays(mean, std)


def named_in(text: str) -> str | None:
    """The one known set that is a word of this text, such as ``res_DM_CIFAR10_ConvNet_50ipc``; None if there
    is none, or more than one."""
    words = {plain_name(word) for word in re.split(r"[^0-9A-Za-z-]+", text)}
    found = sorted(words & (_KNOWN.keys() - {"none"}))
    return found[0] if len(found) == 1 else None


def _as_arrays(mean: Sequence[float], std: Sequence[float]) -> Normalisation:
    return {"mean": np.array(mean, np.float32), "std": np.array(std, np.float32)}
