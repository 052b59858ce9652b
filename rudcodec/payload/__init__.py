"""The hand-over between encoder and bitstream: frozen dataclasses of integer numpy arrays, almost without
behaviour: a recipe makes what torch trains with.

Everything a decoder needs to reproduce the synthetic set bit for bit. Shapes and limits are stated here,
checked in :mod:`rudcodec.bitstream`, and specified in ``bitstream_spec.md``.
"""

from rudcodec.payload.labels import (
    Kernel,
    LabelLayer,
    LabelNetwork,
    Norm,
    Pool,
    SoftLabels,
    SoftScale,
)
from rudcodec.payload.models import (
    Architecture,
    Group,
    ImageShape,
    Model,
    QLayer,
    QTensor,
    Share,
    SynthesisLayer,
    grouped_classes,
)
from rudcodec.payload.payload import Payload, Segment, image_classes
from rudcodec.payload.recipes import AUGMENTATIONS, OPTIMIZERS, Recipe, ViewRecipe, hard_recipe

__all__ = [
    "AUGMENTATIONS",
    "OPTIMIZERS",
    "Architecture",
    "Group",
    "ImageShape",
    "Kernel",
    "LabelLayer",
    "LabelNetwork",
    "Model",
    "Norm",
    "Payload",
    "Pool",
    "QLayer",
    "QTensor",
    "Recipe",
    "Segment",
    "Share",
    "SoftLabels",
    "SoftScale",
    "SynthesisLayer",
    "ViewRecipe",
    "grouped_classes",
    "hard_recipe",
    "image_classes",
]
