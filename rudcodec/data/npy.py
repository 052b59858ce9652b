"""Sets in .npy files: ``images.npy`` and ``labels.npy``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.array_keys import key_of_classes, keys_by_lowercase, labels_beside, pairs_by_split
from rudcodec.data.arrays import ArraySource, read_pair
from rudcodec.data.contents import Contents
from rudcodec.data.kinds import UNKNOWN, kind_of_file
from rudcodec.data.npz import DAMAGE, HOLDS_OBJECTS, class_names, decoded_texts, is_of_objects
from rudcodec.data.reading import Reading
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

SUFFIX = ".npy"


def open_npy_folder(contents: Contents) -> ArraySource | None:
    """The set in a folder of .npy files, which are called like the arrays of an .npz. None if there are
    none, or pictures beside them.

    Raises:
        DataError: they have other names, or can't be read.
    """
    names = contents.ending(SUFFIX)
    if contents.bare_folder is None or not names:
        return None
    folders = {name.rpartition("/")[0] for name in names}
    if len(folders) > 1:
        raise DataError(
            f"{contents.where}: holds .npy files in several folders ({listed(sorted(folders))}); name one"
        )
    paths = {name: contents.path(name) for name in names}
    keys = {Path(key).stem: name for key, name in keys_by_lowercase(names, contents.where).items()}
    pairs = pairs_by_split(keys, contents.where)
    if not pairs:
        raise DataError(
            f"{contents.where}: has no images.npy and labels.npy (nor x_train.npy and y_train.npy), only "
            f"{listed(names)}"
        )
    norm: dict[str, Path] = {key: paths[keys[key]] for key in ("mean", "std") if key in keys}
    readers = {
        split: partial(read_pair, _read, paths[i], paths[j], norm, contents.reading, shown(str(paths[i])))
        for split, (i, j) in pairs.items()
    }
    used = {name for pair in pairs.values() for name in pair} | {keys[key] for key in norm}
    classes = None
    if names_key := key_of_classes(keys):
        used.add(names_key)
        classes = class_names(_read(paths[names_key]), shown(str(paths[names_key])))
    source = ArraySource(contents.name, contents.where, readers, classes)
    source.beside = contents.without(used)
    return source


def open_npy_file(path: Path, reading: Reading) -> ArraySource | None:
    """The set of one .npy of images; the labels lie beside it, in a file of the same name but for the word:
    ``toy_images.npy`` and ``toy_labels.npy``. None of other files.

    Raises:
        DataError: there is no such file, or one can't be read.
    """
    if path.suffix.lower() != SUFFIX:
        return None
    where = shown(str(path))
    labels, hint = labels_beside(path, path.stem, "images or x")
    if labels is None:
        raise DataError(
            f"{where}: the labels that go with it are missing ({hint}); name the file of the images"
        )
    return ArraySource(
        path.stem, where, {"train": partial(read_pair, _read, path, labels, {}, reading, where)}
    )


def _read(path: Path) -> NDArray[Any]:
    where = shown(str(path))
    try:
        # mapped, so that neither many images nor a head of large claims take memory
        with np.errstate(over="raise"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (*DAMAGE, FloatingPointError) as error:
        kind = kind_of_file(path)
        if kind != UNKNOWN and not kind.startswith("a numpy"):
            why = f"it is {kind}"
        elif is_of_objects(error):
            why = HOLDS_OBJECTS
        else:
            why = "it is damaged or cut short"
        raise DataError(f"{where} can't be read: {why}") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{where} can't be read: it is {kind_of_file(path)}")
    return decoded_texts(array, where)
