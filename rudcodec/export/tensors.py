"""A set as tensors in a .safetensors file."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from rudcodec.export.contents import Contents
from rudcodec.export.formats import FileFormat
from rudcodec.optional import load_optional


def write(contents: Contents, file: BinaryIO) -> None:
    """Write ``images``, uint8 (N, H, W, C), ``labels``, int64 (N,), and ``probs``, float32 (N, classes), if
    there are some. The file's metadata has classes and recipe as JSON, under ``about``."""
    batches = list(contents.batches)
    tensors = {
        "images": np.concatenate([batch.images for batch in batches]),
        "labels": np.concatenate([batch.labels for batch in batches]),
    }
    if contents.has_probs:
        tensors["probs"] = np.concatenate([batch.probs for batch in batches if batch.probs is not None])
    # one entry of metadata: the order of several would differ from run to run
    file.write(load_optional("safetensors.numpy").save(tensors, {"about": contents.about()}))


FORMAT = FileFormat(
    "safetensors", ".safetensors", write, 8, 4, packages=("safetensors.numpy",)
)  # fmt: skip
