"""Which real images an encode begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.distill.selection import select_images

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding


def select_initial_images(encoding: Encoding) -> Tensor:
    """Indices of the selected images, ordered by class: a stage."""
    inputs = encoding.inputs
    recipe = inputs.label_mode.student_recipe()
    rows = select_images(inputs.real, encoding.allocation.ipc, recipe, encoding.run)
    return torch.from_numpy(rows)


def first_rows(images: LabelledImages, ipc: int) -> NDArray[np.intp]:
    """Indices of the first ``ipc`` images of each class, ordered by class."""
    rows = [np.flatnonzero(images.labels == label)[:ipc] for label in range(len(images.classes))]
    return np.concatenate(rows)
