"""Sets in the IDX format: MNIST and its family (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.arrays import Arrays, ArraySource
from rudcodec.data.bounds import MAX_DEFLATE
from rudcodec.data.contents import Contents
from rudcodec.data.mapped import new_array, read_into
from rudcodec.data.reading import Reading
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

FASHION_MNIST = (
    "T-shirt-top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
"""Its files hold numbers only."""
DIGITS = tuple("0123456789")
"""The same of sets of digits."""

_NAME = re.compile(
    r"(?P<stem>.*?)(?P<split>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE
)


def open_idx_file(path: Path, reading: Reading) -> ArraySource | None:
    """The pairs that one IDX file belongs to; None if it isn't called like one. Raises DataError."""
    stem = idx_stem(path)
    return None if stem is None else open_idx(path.parent, stem)


def open_idx_folder(contents: Contents) -> ArraySource | None:
    """The IDX pairs in a folder on disk; None if there are none. Raises DataError."""
    if contents.folder is None or (stem := idx_stem(contents.folder)) is None:
        return None
    return open_idx(contents.folder, stem)


def idx_stem(path: Path) -> str | None:
    """The text before train-, t10k- or test- in the name of an IDX file, or of the IDX files in a folder.

    Returns:
        the stem, often empty; None where there is no such file.

    Raises:
        DataError: the folder holds several sets.
    """
    if not path.is_dir():
        match = _NAME.fullmatch(path.name)
        return match["stem"] if match else None
    matches = (_NAME.fullmatch(file.name) for file in path.iterdir() if file.is_file())
    stems = sorted({match["stem"] for match in matches if match})
    if len(stems) > 1:
        raise DataError(f"{shown(str(path))}: holds several sets ({listed(stems)}); name a file of one")
    return stems[0] if stems else None


def open_idx(folder: Path, stem: str) -> ArraySource:
    """The IDX pairs in ``folder`` whose names begin with ``stem``; t10k is test. They are Fashion-MNIST if
    the stem or the folder is called so, or the one above torchvision's ``raw``.

    Raises:
        DataError: half of a pair is missing, or a file is there under two names.
    """
    files = _idx_files(folder, stem)
    readers: dict[SourceSplit, Callable[[], Arrays]] = {}
    for split in sorted({split for split, _ in files}):
        images, labels = files.get((split, "images")), files.get((split, "labels"))
        if images is None or labels is None:
            missing = "images" if images is None else "labels"
            raise DataError(f"{shown(str(images or labels))}: the {missing} that go with it are missing")
        # EMNIST's are stored on their side
        readers[split] = partial(_read_both, images, labels, "emnist" in stem.lower())
    path = folder.absolute()
    titles = (stem, path.name, path.parent.name if path.name.lower() == "raw" else "")
    fashion = any("fashion" in title.lower() for title in titles)
    name = stem.strip("-_.") or folder.absolute().name
    return ArraySource(name, shown(str(folder)), readers, FASHION_MNIST if fashion else None)


def _idx_files(folder: Path, stem: str) -> dict[tuple[SourceSplit, str], Path]:
    """The IDX files in a folder by split and kind, images or labels. Raises DataError if two are alike."""
    files: dict[tuple[SourceSplit, str], Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # of x and x.gz, x comes last and stays
        match = _NAME.fullmatch(path.name)
        if match is None or match["stem"] != stem or not path.is_file():
            continue
        split: SourceSplit = "train" if match["split"].lower() == "train" else "test"
        kind = match["kind"].lower()
        other = files.get((split, kind))
        if other is not None and other.name != path.name and other.name != f"{path.name}.gz":
            raise DataError(
                f"{shown(str(folder))}: {shown(path.name)} and {shown(other.name)} may both be the {kind} of "
                f"the {split} split; leave one out"
            )
        files[split, kind] = path
    return files


def _read_both(images: Path, labels: Path, transposed: bool) -> Arrays:
    pixels = _read(images, 3)
    return (pixels.transpose(0, 2, 1) if transposed else pixels), _read(labels, 1)


def _read(path: Path, dims: int) -> NDArray[np.uint8]:
    where = shown(str(path))
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            head = file.read(4 + 4 * dims)
            if len(head) < 4 + 4 * dims or head[:4] != bytes((0, 0, 8, dims)):
                raise DataError(f"{where}: not an IDX file of bytes in {dims} dimension{'s' * (dims > 1)}")
            shape = [int.from_bytes(head[i : i + 4], "big") for i in range(4, len(head), 4)]
            # don't take memory for what can't be there
            needed, count = math.prod(shape), 0
            if needed <= MAX_DEFLATE * path.stat().st_size:
                body = new_array((needed,))
                count = read_into(body, file) + len(file.read(1))
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{where}: can't be read: its gzip is damaged or cut short") from None
    except OSError as error:
        raise DataError(f"{where}: can't be read ({error.strerror})") from None
    if count != needed:
        comparison = "more" if count > needed else "fewer"
        raise DataError(f"{where}: holds {comparison} than the {needed} bytes its head promises")
    return body.reshape(shape)
