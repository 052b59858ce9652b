"""A set as arrays in an .npz file, which ``numpy.load`` reads."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

import numpy as np

from rudcodec.export.contents import Contents
from rudcodec.export.formats import FileFormat


def write(contents: Contents, file: BinaryIO) -> None:
    """Write ``images``, ``probs`` (if there are some), ``labels``, ``classes`` and, as JSON, ``about``."""
    probs: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            shape = (contents.num_images, *contents.shape)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for batch in contents.batches:
                member.write(np.ascontiguousarray(batch.images).data)
                labels.append(batch.labels)
                probs += [] if batch.probs is None else [batch.probs]
        arrays = {"probs": np.concatenate(probs)} if contents.has_probs else {}
        arrays |= {
            "labels": np.concatenate(labels),
            "classes": np.array(contents.classes),
            "about": np.array(contents.about()),
        }
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


FORMAT = FileFormat("npz", ".npz", write, image_bytes=8, number_bytes=4)
