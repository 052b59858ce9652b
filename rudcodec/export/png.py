"""Images as PNG."""

from __future__ import annotations

import io

import numpy as np


def png(image: np.ndarray) -> bytes:
    """A PNG file of a uint8 (H, W, C) image, C being 1, 3 or, with opacity, 4."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(data, "png")
    return data.getvalue()
