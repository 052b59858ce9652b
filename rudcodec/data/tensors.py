"""Sets in a file of tensors, as methods of dataset distillation leave them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.array_keys import IMAGES, LABELS, key_of_classes, keys_by_lowercase, other_arrays
from rudcodec.data.arrays import ArraySource, channels_last
from rudcodec.data.bounds import MAX_LIST, check_memory
from rudcodec.data.contents import Contents
from rudcodec.data.damage import json_object, refusing
from rudcodec.data.distilled import BEST_IMAGES, BEST_LABELS, label_file, normalisation_of
from rudcodec.data.kinds import UNKNOWN, is_zip, kind_of_file
from rudcodec.data.levels import denormalised
from rudcodec.data.modules import import_reader
from rudcodec.data.npz import class_names
from rudcodec.data.reading import Reading
from rudcodec.data.saved import about_classes
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

SUFFIXES = (".safetensors", ".pt", ".pth")

_TYPES = frozenset(
    {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
)  # fmt: skip
"""The types of a .safetensors that numpy has, too."""
_REFUSED = {
    b"_rebuild_sparse_tensor": "a sparse tensor; save it .to_dense()",
    b"_rebuild_nested_tensor": "a nested tensor; save a plain one",
    b"_rebuild_meta_tensor": "a tensor without values, only a shape (device meta); save it from the CPU",
    b"_rebuild_qtensor": "a quantized tensor; save it .dequantize()d",
}
"""Functions by which a .pt restores tensors that are no arrays: torch warns of them, or fails, in loading."""
SINGLE = ""
"""The key of a tensor that is a file's only one."""
_USED_KEYS = (*IMAGES, *LABELS, "mean", "std")

Entries = Mapping[str, NDArray[Any]]


def open_tensors(path: Path, reading: Reading) -> ArraySource | None:
    """The set in a .safetensors, .pt or .pth, None of other files: ``images`` (N, C, H, W) or (N, H, W, C),
    ``labels`` (N,).

    Images are uint8; or floats in 0..1; or, with entries ``mean`` and ``std`` (C,) beside them, floats that
    were normalised by these; or see :mod:`rudcodec.data.distilled`. What is then beyond 0..1 is clipped: no
    picture has it. A .pt may also be a pair (images, labels), what the published code of DC, DSA and DM
    saves, if it has one set, or a tensor of images with another of labels beside it (``labels_best.pt``
    beside ``images_best.pt``). Of a .safetensors that rudcodec wrote the class names come back.

    Raises:
        DataError: not such a file.
    """
    if path.suffix.lower() not in SUFFIXES:
        return None
    where = shown(str(path))
    entries = _entries(path, where)
    if set(entries) == {SINGLE}:
        labels_path = label_file(path, where)
        labels = _entries(labels_path, shown(str(labels_path)))
        if set(labels) != {SINGLE}:
            raise DataError(f"{shown(str(labels_path))}: holds {listed(labels)}, not one tensor of labels")
        entries = {"images": entries[SINGLE], "labels": labels[SINGLE]}
    images, labels_key = (next((key for key in keys if key in entries), None) for keys in (IMAGES, LABELS))
    if images is None or labels_key is None:
        raise DataError(f"{where}: has no images and labels, only {listed(entries)}")
    pixels = channels_last(entries[images])
    norm, notes = normalisation_of(path, pixels, reading.normalisation(pixels, entries))
    pixels, label_values = denormalised(pixels, norm, where), entries[labels_key]
    classes, key = about_classes(_about(path), label_values), None
    if path.suffix.lower() != SUFFIXES[0] and (key := key_of_classes({name: name for name in entries})):
        classes = class_names(entries[key], f"{where}: {shown(key)}")
    source = ArraySource(path.stem, where, {"train": lambda: (pixels, label_values)}, classes, notes)
    source.beside = other_arrays(entries, {images, labels_key, key, "mean", "std"})
    return source


def open_tensors_folder(contents: Contents) -> ArraySource | None:
    """The best set that MTT, TESLA or DATM left in a folder of logs: ``images_best.pt`` with
    ``labels_best.pt``. None if there is none, or pictures beside them. Raises DataError."""
    if contents.bare_folder is None or not (found := contents.called(BEST_IMAGES)):
        return None
    if len(found) > 1:
        raise DataError(f"{contents.where}: holds several distilled sets ({listed(sorted(found))}); name one")
    folder = next(iter(found))
    source = open_tensors(contents.path(folder + BEST_IMAGES), contents.reading)
    if source:
        source.beside = contents.without({folder + BEST_IMAGES, folder + BEST_LABELS})
    return source


def _entries(path: Path, where: str) -> Entries:
    """The arrays of a file by name; one alone is called SINGLE."""
    check_memory(path.stat().st_size, f"{where}: its tensors")
    return (_safetensors if path.suffix.lower() == SUFFIXES[0] else _pickled)(path, where)


def _safetensors(path: Path, where: str) -> Entries:
    safe_open = import_reader("safetensors", where).safe_open
    for key, kind in _safetensors_types(path).items():
        if kind not in _TYPES and key.lower() in _USED_KEYS:
            raise DataError(f"{where}: {shown(key)} holds numbers of type {shown(kind)}; save it as float32")
    with refusing(partial(_damage, path, where)), safe_open(path, "numpy") as file:
        used = {key: key.lower() in _USED_KEYS for key in file.keys()}  # noqa: SIM118
        # another tensor may be of a type that numpy doesn't have
        entries = {key: file.get_tensor(key) if is_used else np.empty(0) for key, is_used in used.items()}
    return _lowercase_keys(entries, where)


def _safetensors_types(path: Path) -> dict[str, str]:
    """Type of each tensor by the file's own list; nothing where that is damaged."""
    types = {key: entry.get("dtype") for key, entry in _safetensors_header(path).items()}
    return {key: kind for key, kind in types.items() if isinstance(kind, str)}


def _about(path: Path) -> str:
    """What rudcodec wrote of the set into the file; nothing in files of others."""
    if path.suffix.lower() != SUFFIXES[0]:
        return ""
    text = _safetensors_header(path).get("__metadata__", {}).get("about")
    return text if isinstance(text, str) else ""


def _safetensors_header(path: Path) -> dict[str, dict[str, Any]]:
    """The objects in the file's head; none where that is damaged."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json_object(file.read(length)) if length <= MAX_LIST else None
    return {key: entry for key, entry in (header or {}).items() if isinstance(entry, dict)}


def _pickled(path: Path, where: str) -> Entries:
    torch = import_reader("torch", where)
    _check_stored_plainly(path, where)
    with refusing(partial(_damage, path, where)):
        contents = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(contents, dict) and isinstance(
        contents.get("data"), list
    ):  # DC, DSA, DM: a pair for each run
        if len(contents["data"]) != 1:
            raise DataError(f"{where}: holds {len(contents['data'])} sets; save the one that is meant")
        contents = contents["data"][0]
    if isinstance(contents, list | tuple) and len(contents) == 2:
        contents = dict(zip(("images", "labels"), contents, strict=True))
    if isinstance(contents, torch.Tensor):
        return {SINGLE: tensor_array(contents, where)}
    if not isinstance(contents, dict):
        raise DataError(
            f"{where}: neither a dict nor a pair of images and labels, but {type(contents).__name__}"
        )
    for key, value in contents.items():
        if str(key).lower() in (*IMAGES, *LABELS) and not isinstance(value, torch.Tensor):
            raise DataError(f"{where}: {shown(str(key))} is a {type(value).__name__}; save it as a tensor")
    tensors = {str(key): value for key, value in contents.items() if isinstance(value, torch.Tensor)}
    used = {key: value for key, value in tensors.items() if key.lower() in _USED_KEYS}
    others = {key: np.empty(0) for key in tensors if key not in used}
    names = {str(key): value for key, value in contents.items() if _is_texts(value)}
    return _lowercase_keys(
        {key: np.array(value) for key, value in names.items()}
        | others
        | {key: tensor_array(value, f"{where}: {key}") for key, value in used.items()},
        where,
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) for one in value)


def tensor_array(tensor: Any, where: str) -> NDArray[Any]:
    """The numbers of a torch.Tensor. Raises DataError if it isn't a plain tensor."""
    import torch

    if tensor.is_complex():
        raise DataError(f"{where} has complex numbers; a picture has real ones")
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_meta or tensor.is_quantized:
        raise DataError(f"{where} is no plain tensor; save it dense, on the CPU, with all its numbers")
    stored = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > stored:
        raise DataError(
            f"{where} has {tensor.numel():,} numbers but stores {stored // tensor.element_size():,}: "
            "it is an expanded view; save it .contiguous()"
        )
    values = tensor.detach().cpu().resolve_neg()
    # numpy has no bf16
    array: NDArray[Any] = (values.float() if values.is_floating_point() else values).numpy()
    return array


def _check_stored_plainly(path: Path, where: str) -> None:
    """Raise DataError unless torch writes such files: a zip that packs nothing, or a pickle of old."""
    kind = kind_of_file(path)
    if not is_zip(path):
        if kind != "a Python pickle":
            raise DataError(f"{where}: not a file of tensors, but {kind}")
        return
    try:
        with zipfile.ZipFile(path) as file:
            packed = [entry.filename for entry in file.infolist() if entry.file_size > entry.compress_size]
            total = sum(entry.file_size for entry in file.infolist())
            names = [name for name in file.namelist() if name.endswith("data.pkl")]
            text = file.read(names[0]) if len(names) == 1 and not packed else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise DataError(f"{where}: not a file of tensors, but a damaged zip") from None
    if packed or total > path.stat().st_size:
        raise DataError(f"{where}: not a file of tensors as torch.save writes it, but a compressed zip")
    for rebuild, kind in _REFUSED.items():
        if rebuild in text:
            raise DataError(f"{where}: holds {kind}")


def _damage(path: Path, where: str, error: Exception) -> DataError:
    if isinstance(error, pickle.UnpicklingError):
        return DataError(
            f"{where}: not a file of tensors alone; save a dict of the tensors images and labels, no objects"
        )
    kind = kind_of_file(path)
    kind_note = "" if kind in (UNKNOWN, "a zip") else f" ({kind})"
    return DataError(f"{where}: not a file of tensors, or a damaged one{kind_note}")


def _lowercase_keys(entries: Entries, where: str) -> Entries:
    """Raises DataError if two differ in case only."""
    return {key: entries[name] for key, name in keys_by_lowercase(entries, where).items()}
