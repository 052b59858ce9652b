"""The kind of a file that isn't what was expected, by its first bytes or by its name."""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from rudcodec.text import shown

_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a truncated zip"),
    (0, b"PK\x05\x06", "an empty zip"),
    (0, b"\x1f\x8b", "a gzip file without a whole tar in it"),
    (0, b"BZh", "a bzip2 file without a whole tar in it"),
    (0, b"\xfd7zXZ\0", "an xz file without a whole tar in it"),
    (257, b"ustar", "a truncated tar"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file (unpack it first)"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive (unpack it first)"),
    (0, b"Rar!", "a rar archive (unpack it first)"),
    (0, b"PAR1", "a parquet file (give it the ending .parquet)"),
    (0, b"ARROW1", "an arrow file (give it the ending .arrow)"),
    (0, b"\x89HDF", "an HDF5 file (write its arrays into an .npz)"),
    (0, b"MATLAB", "a MATLAB file (give it the ending .mat)"),
    (0, b"\x93NUMPY", "a numpy array (give it the ending .npy)"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture (convert it to .jpg or .png)"),
    (4, b"ftypmif1", "a HEIC picture (convert it to .jpg or .png)"),
    (4, b"ftyp", "a video"),
    (0, b"%PDF", "a PDF document"),
    (0, b"version https://git-lfs", "a pointer of git-lfs (fetch the file itself: git lfs pull)"),
    (0, b"RUD", "a .rud file (decompress it first)"),
    *((0, bytes((0x80, version)), "a Python pickle") for version in range(2, 6)),
)
_DAMAGE = (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error)

UNKNOWN = "data of no known kind"
NO_ENDING = "without ending"

FOREIGN = frozenset(
    {
        ".heic", ".heif", ".hif", ".jxl", ".svg", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf",
        ".rw2", ".psd", ".tga", ".exr", ".hdr", ".ico", ".pcx", ".eps", ".jxr", ".wdp", ".j2k", ".j2c",
        ".jpf", ".jpx", ".dcm", ".nii", ".fits", ".npy", ".mat", ".sgi", ".ras",
    }
)  # fmt: skip
"""Endings of pictures that aren't read."""

_REMEDIES: Mapping[str, str] = (
    {
        ".tfrecord": "write their pictures into class folders, or arrays into an .npz",
        ".mdb": "write their pictures into class folders, or arrays into an .npz",
        ".h5": "write their arrays into an .npz",
        ".rud": "decompress it first",
    }
    | dict.fromkeys(
        (".parquet", ".arrow", ".npy", ".mat"), "unpack them: these are read from a folder on disk"
    )
    | dict.fromkeys(
        (".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".npz", ".pt", ".pth", ".safetensors"),
        "name one of them",
    )
)


def kind_of(head: bytes) -> str:
    """The kind of a file, with an article, by its first kilobyte or so."""
    if not head:
        return "an empty file"
    for offset, mark, kind in _MARKS:
        if head[offset : offset + len(mark)] == mark:
            return kind
    start = head[:1024]
    if start.lstrip()[:1] == b"<":
        return "a web page or XML"
    if not any(byte < 9 or 13 < byte < 32 for byte in start):
        return "a text"
    return UNKNOWN


def kind_of_file(path: Path) -> str:
    """Like :func:`kind_of`, of a file on disk. Raises OSError."""
    if is_zip(path):
        try:
            zipfile.ZipFile(path).close()
        except _DAMAGE:
            return "a damaged zip"
        return "a zip"
    with path.open("rb") as file:
        return kind_of(file.read(1024))


def is_zip(path: Path) -> bool:
    """Whether the file is a zip by its end, which may be damaged otherwise. Raises OSError."""
    try:
        return zipfile.is_zipfile(path)
    except _DAMAGE:
        return True


def ending_of(name: str) -> str:
    """The ending of a file's name in lower case, as it may stand in messages."""
    return shown(PurePosixPath(name).suffix.lower()) or NO_ENDING


def remedy_for(endings: Counter[str]) -> str:
    """Advice on files of these endings, none of which is a picture that is read."""
    for ending, _ in endings.most_common():
        if ending in _REMEDIES:
            return _REMEDIES[ending]
        if ending in FOREIGN:
            return "convert them to .png or .jpg"
    return "pictures are .jpg, .png, .webp and the like, in a folder for each class"
