"""A set as a WebDataset shard: a tar file with ``KEY.png`` and ``KEY.cls`` of each image."""

from __future__ import annotations

import io
import json
import tarfile
from typing import BinaryIO

from rudcodec.export.contents import Contents, rounded
from rudcodec.export.formats import FileFormat
from rudcodec.export.png import png

ABOUT = "__rudcodec__/about"
"""The entry with classes and recipe as JSON. Names like it are no sample's for readers of such files."""


def write(contents: Contents, file: BinaryIO) -> None:
    """Write for each image ``KEY.png``, ``KEY.cls`` (its class number) and, if there are soft labels,
    ``KEY.json`` with ``probs``; at the end classes and recipe as JSON, in an entry that isn't a sample."""
    digits = max(6, len(str(contents.num_images - 1)))
    number = 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for batch in contents.batches:
            probs = [None] * len(batch.images) if batch.probs is None else batch.probs
            for image, label, row in zip(batch.images, batch.labels.tolist(), probs, strict=True):
                key = f"{number:0{digits}}"
                _add(archive, f"{key}.png", png(image))
                _add(archive, f"{key}.cls", str(label).encode())
                if row is not None:
                    _add(archive, f"{key}.json", json.dumps({"probs": rounded(row)}).encode())
                number += 1
        _add(archive, ABOUT, contents.about().encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)  # of no time and no owner, so that the same set is the same file
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


# an entry takes 512 bytes, and as many times 512 as its contents need
FORMAT = FileFormat("webdataset", ".tar", write, image_bytes=3072, number_bytes=12)
