"""Sets in a file of tensors, as methods of dataset distillation leave them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.arrays import ArraySource, channels_last
from rudcodec.data.npz import IMAGES, LABELS
from rudcodec.errors import DataError

SUFFIXES = (".safetensors", ".pt", ".pth")

Entries = Mapping[str, NDArray[Any]]


def open_tensors(path: Path) -> ArraySource:
    """The set in a .safetensors, .pt or .pth: ``images`` (N, C, H, W) or (N, H, W, C), ``labels`` (N,).

    Images are uint8; or floats in 0..1; or, with entries ``mean`` and ``std`` (C,) beside them, floats that
    were normalised by these. What is then beyond 0..1 is clipped: no picture has it. A .pt may also be a pair
    (images, labels), or what the published code of DC, DSA and DM saves, if it has one set.

    Raises:
        DataError: not such a file.
    """
    entries = (_safetensors if path.suffix.lower() == SUFFIXES[0] else _pickled)(path)
    images, labels = (next((key for key in keys if key in entries), None) for keys in (IMAGES, LABELS))
    if images is None or labels is None:
        raise DataError(f"{path}: has no images and labels, only {', '.join(entries) or 'nothing'}")
    pixels = _grey_levels(entries[images], entries, str(path))
    return ArraySource(path.stem, str(path), {"train": lambda: (pixels, entries[labels])})


def _safetensors(path: Path) -> Entries:
    from_file = _imported("safetensors.numpy", path).load_file
    return _lowered(_read(path, partial(from_file, path)))


def _pickled(path: Path) -> Entries:
    torch = _imported("torch", path)
    found = _read(path, partial(torch.load, path, map_location="cpu", weights_only=True))
    if isinstance(found, dict) and isinstance(found.get("data"), list):  # DC, DSA, DM: a pair for each run
        if len(found["data"]) != 1:
            raise DataError(f"{path}: holds {len(found['data'])} sets; save the one that is meant")
        found = found["data"][0]
    if isinstance(found, list | tuple) and len(found) == 2:
        found = dict(zip(("images", "labels"), found, strict=True))
    if not isinstance(found, dict):
        raise DataError(f"{path}: neither a dict nor a pair of images and labels, but {type(found).__name__}")
    tensors = {key: value.detach() for key, value in found.items() if isinstance(value, torch.Tensor)}
    # numpy has no bf16
    plain = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    return _lowered({str(key): value.numpy() for key, value in plain.items()})


def _imported(module: str, path: Path) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise DataError(f"{path}: is read by {name}, which is missing: pip install {name}") from None


def _read(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # not such a file, or not of tensors alone: all sorts of things
        line = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{path}: not a file of tensors ({line})") from None


def _lowered(entries: Entries) -> Entries:
    return {key.lower(): value for key, value in entries.items()}


def _grey_levels(images: NDArray[Any], entries: Entries, where: str) -> NDArray[Any]:
    """uint8 of floats; integers as they are."""
    if images.dtype.kind != "f" or not images.size:
        return images
    images = channels_last(images).astype(np.float32)
    if "mean" in entries and "std" in entries:
        channels = images.shape[-1]
        mean, std = (_per_channel(entries[key], channels, f"{where}: {key}") for key in ("mean", "std"))
        images = np.clip(images * std + mean, 0, 1)
    low, high = float(images.min()), float(images.max())
    if not (0 <= low and high <= 1):  # NaN is neither
        raise DataError(
            f"{where}: images must be uint8 or floats in 0..1, not {low:.3g}..{high:.3g}; normalised ones "
            "need entries mean and std beside them"
        )
    return np.rint(255 * images).astype(np.uint8)


def _per_channel(values: NDArray[Any], channels: int, where: str) -> NDArray[np.float32]:
    if values.dtype.kind != "f" or values.size not in (1, channels):
        raise DataError(f"{where} must be {channels} floats, not {values.dtype} {values.shape}")
    return values.astype(np.float32).reshape(-1)
