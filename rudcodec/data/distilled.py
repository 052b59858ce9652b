"""Distilled sets as the published code of DC, DSA, DM (``res_DM_CIFAR10_ConvNet_50ipc.pt``) and of MTT,
TESLA and DATM (``images_best.pt`` with ``labels_best.pt``) saves them: which files go together, and how
images were normalised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rudcodec.data.array_keys import labels_beside
from rudcodec.data.normalisation import named_in, parse_normalisation
from rudcodec.errors import DataError
from rudcodec.text import shown

BEST_IMAGES, BEST_LABELS = "images_best.pt", "labels_best.pt"

_ZCA = re.compile(r"_zca(?=[_.])")
_LOGGED = re.compile(r"images_(best|[0-9]+)\.pt")
"""Images in the logs of MTT and what builds on it, whose options decide whether they are whitened."""
_MARGIN = 0.5
"""How far images may lie beyond 0..1 after their whitening was undone."""


def label_file(images: Path, where: str) -> Path:
    """The file of the labels that go with one of images. Raises DataError if there is none."""
    stem = _ZCA.sub("", images.name).removesuffix(images.suffix)
    found, hint = labels_beside(images, stem, "images")
    if found is None:
        raise DataError(f"{where}: is one tensor, and the labels that go with it are missing ({hint})")
    return found


def normalisation_of(
    path: Path, images: NDArray[Any], entries: Mapping[str, NDArray[Any]]
) -> tuple[Mapping[str, NDArray[Any]], list[str]]:
    """The ``mean`` and ``std`` of images, and a note where they come from: the file itself (or the user), or
    its name. Nothing where images lie in 0..1.

    Args:
        images: (N, H, W, C).
        entries: of the file; its own ``mean`` and ``std`` count.

    Raises:
        DataError: they are whitened, or may be.
    """
    if {"mean", "std"} <= set(entries) or images.dtype.kind != "f" or not images.size:
        return entries, []
    low, high = float(images.min()), float(images.max())
    if 0 <= low and high <= 1:
        return {}, []
    if _ZCA.search(path.name) and -_MARGIN <= low and high <= 1 + _MARGIN:
        note = "whitening was undone, as the name says: values beyond 0..1 are clipped"
        return parse_normalisation("none"), [note]
    if known := named_in(path.stem):
        return parse_normalisation(known), [f"images were normalised as {known}, as the name says"]
    if _LOGGED.fullmatch(path.name):
        raise DataError(
            f"{shown(str(path))}: is normalised or whitened (ZCA), which it doesn't say; give "
            "images_zca_*.pt, of which that is undone, or say how it was normalised (--normalised cifar10)"
        )
    return {}, []
