"""The head: what the pictures are, how the networks look, how to train, which images each segment holds.

Every ``_code_*`` function takes the value to write, or None when reading, and returns it: one description for
both directions. Limits are those of ``bitstream_spec.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import Fields
from rudcodec.bitstream.soft import code_scale
from rudcodec.payload import AUGMENTATIONS, OPTIMIZERS, Architecture, Recipe, SoftScale, SynthesisLayer

LabelMode = Literal["hard", "soft", "network"]
LABEL_MODES: tuple[LabelMode, ...] = ("hard", "soft", "network")
DIGITS = 10**9
SMALLEST = 20  # decimal places


@dataclass(frozen=True)
class Head:
    """The head of a file.

    Attributes:
        architecture: of pictures, grids and networks.
        recipe: for students.
        classes: the names of the classes.
        share: whether networks are those of the data set or of a class.
        ymax: the largest magnitude of a latent.
        counts: for each segment, its images of each class.
        labels: the kind of labels that the file has.
        soft: how soft labels are quantized; None without them.
    """

    architecture: Architecture
    recipe: Recipe
    classes: tuple[str, ...]
    share: Literal["dataset", "class"]
    ymax: int
    counts: tuple[tuple[int, ...], ...]
    labels: LabelMode
    soft: SoftScale | None = None


def code_head(fields: Fields, head: Head | None) -> Head:
    """Code the whole head; ``head`` is None when reading."""
    fields.mark("picture")
    flags = (head.share == "class") + 2 * LABEL_MODES.index(head.labels) if head else 0
    flags = fields.byte("flags", flags, 0, 255)
    mode = flags >> 1 & 3
    if mode == len(LABEL_MODES):
        raise fields.fail(f"label mode {mode} is reserved")
    if flags >> 3:
        raise fields.fail(f"reserved flags are set (0x{flags:02x})")
    architecture = _code_architecture(fields, head.architecture if head else None)
    ymax = fields.number("largest latent", head.ymax if head else 0, 0, limits.LATENT)
    recipe = _code_recipe(fields, head.recipe if head else None, architecture.channels)
    classes = _code_classes(fields, head.classes if head else None)
    counts = _code_counts(fields, head.counts if head else None, len(classes))
    soft = None
    if LABEL_MODES[mode] == "soft":
        soft = code_scale(fields, len(classes), head.soft if head else None)
    share: Literal["dataset", "class"] = "class" if flags & 1 else "dataset"
    return Head(architecture, recipe, classes, share, ymax, counts, LABEL_MODES[mode], soft)


def _code_architecture(fields: Fields, architecture: Architecture | None) -> Architecture:
    height = fields.number("height", architecture.height if architecture else 0, 1, limits.SIDE)
    width = fields.number("width", architecture.width if architecture else 0, 1, limits.SIDE)
    channels = fields.byte("channels", architecture.channels if architecture else 0, 1, 3)
    if channels == 2:
        raise fields.fail("channels is 2, must be 1 or 3")
    fields.mark("networks")
    levels = fields.byte("number of levels", len(architecture.grids) if architecture else 0, 1, limits.LEVELS)
    grids: list[int] = []
    for i in range(levels):
        max_components = grids[-1] if grids else limits.COMPONENTS
        components = architecture.grids[i] if architecture else 0
        grids.append(fields.byte(f"components of level {i}", components, 1, max_components))
    hidden = architecture.context_hidden if architecture else ()
    depth = fields.byte("hidden context layers", len(hidden), 0, limits.CONTEXT_LAYERS)
    hidden = tuple(
        fields.number(f"width of context layer {i}", neurons, 1, limits.CONTEXT_WIDTH)
        for i, neurons in enumerate(hidden or (0,) * depth)
    )
    layers: list[SynthesisLayer] = []
    in_channels = sum(grids)
    count = len(architecture.synthesis) if architecture else 0
    count = fields.byte("synthesis layers", count, 1, limits.SYNTHESIS_LAYERS)
    for i in range(count):
        layer = architecture.synthesis[i] if architecture else None
        layers.append(_code_layer(fields, layer, i, in_channels))
        in_channels = layers[-1].out_channels
    if layers[-1].relu or in_channels != channels:
        raise fields.fail(f"last synthesis layer must have {channels} channels and no ReLU")
    return Architecture(height, width, channels, tuple(grids), hidden, tuple(layers))


def _code_layer(fields: Fields, layer: SynthesisLayer | None, index: int, in_channels: int) -> SynthesisLayer:
    name = f"synthesis layer {index}"
    out_channels = fields.number(
        f"channels of {name}", layer.out_channels if layer else 0, 1, limits.SYNTHESIS_WIDTH
    )
    if layer and layer.kernel not in (1, 3):
        raise fields.fail(f"kernel of {name} is {layer.kernel}, must be 1 or 3")
    shape = (layer.kernel == 3) + 2 * layer.relu + 4 * layer.residual if layer else 0
    shape = fields.byte(f"shape of {name}", shape, 0, 7)
    if shape & 4 and (index == 0 or out_channels != in_channels):
        raise fields.fail(f"{name} can't be residual: it is the first, or changes the number of channels")
    return SynthesisLayer(out_channels, 3 if shape & 1 else 1, bool(shape & 2), bool(shape & 4))


def _code_recipe(fields: Fields, recipe: Recipe | None, channels: int) -> Recipe:
    if recipe and not len(recipe.mean) == len(recipe.std) == channels:
        raise fields.fail(f"recipe's mean and std must have {channels} entries")
    fields.mark("recipe")
    mean = tuple(fields.byte("mean", recipe.mean[i] if recipe else 0, 0, 255) for i in range(channels))
    std = tuple(fields.byte("std", recipe.std[i] if recipe else 0, 1, 255) for i in range(channels))
    if recipe and tuple(name for name in AUGMENTATIONS if name in recipe.augment) != tuple(recipe.augment):
        raise fields.fail(f"augment is {recipe.augment}, must be some of {AUGMENTATIONS} in this order")
    augmentations = sum(1 << i for i, name in enumerate(AUGMENTATIONS) if recipe and name in recipe.augment)
    augmentations = fields.byte("augmentations", augmentations, 0, (1 << len(AUGMENTATIONS)) - 1)
    if recipe and recipe.optimizer not in OPTIMIZERS:
        raise fields.fail(f"optimizer is {recipe.optimizer!r}, must be one of {OPTIMIZERS}")
    optimizer = OPTIMIZERS.index(recipe.optimizer) if recipe else 0
    optimizer = fields.byte("optimizer", optimizer, 0, len(OPTIMIZERS) - 1)
    return Recipe(
        mean=mean,
        std=std,
        augment=tuple(name for i, name in enumerate(AUGMENTATIONS) if augmentations >> i & 1),
        optimizer=OPTIMIZERS[optimizer],
        steps=fields.number("steps", recipe.steps if recipe else 0, 1, DIGITS),
        batch=fields.number("batch", recipe.batch if recipe else 0, 1, DIGITS),
        lr=_code_decimal(fields, "learning rate", recipe.lr if recipe else None),
        weight_decay=_code_decimal(fields, "weight decay", recipe.weight_decay if recipe else None),
        momentum=_code_decimal(fields, "momentum", recipe.momentum if recipe else None),
    )


def _code_decimal(fields: Fields, name: str, value: float | None) -> float:
    """digits * 10**-places, in its shortest form."""
    digits = places = 0
    if value is not None:
        if not (math.isfinite(value) and value >= 0):
            raise fields.fail(f"{name} is {value}, must be a number >= 0")
        exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        places = max(-exponent, 0)
        digits = int(Decimal(repr(float(value))).scaleb(places))
    digits = fields.number(name, digits, 0, DIGITS - 1)
    places = fields.byte(f"decimal places of {name}", places, 0, SMALLEST)
    if places and digits % 10 == 0:
        raise fields.fail(f"{name} is not in its shortest form")
    return float(f"{digits}e-{places}")


def _code_classes(fields: Fields, names: tuple[str, ...] | None) -> tuple[str, ...]:
    fields.mark("classes")
    count = fields.number("number of classes", len(names) if names is not None else 0, 1, limits.CLASSES)
    coded: dict[str, None] = {}
    for number in range(count):
        name = fields.text(f"name of class {number}", names[number] if names else "", limits.NAME)
        if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name):
            raise fields.fail(f"name of class {number} has control characters")
        if name in coded:
            raise fields.fail(f"name of class {number} is used twice")
        coded[name] = None
    return tuple(coded)


def _code_counts(
    fields: Fields, table: tuple[tuple[int, ...], ...] | None, classes: int
) -> tuple[tuple[int, ...], ...]:
    """Per segment: the number of images of each class if it is the same, else 0 and one number a class."""
    fields.mark("segments")
    max_segments = min(limits.SEGMENTS, limits.COUNTS // classes)
    segments = fields.number("number of segments", len(table) if table is not None else 0, 1, max_segments)
    result = []
    for i in range(segments):
        counts = table[i] if table else ()
        if table and len(counts) != classes:
            raise fields.fail(f"segment {i} has {len(counts)} counts for {classes} classes")
        same = counts[0] if counts and len(set(counts)) == 1 else 0
        same = fields.number(f"images per class of segment {i}", same, 0, limits.IMAGES)
        if same:
            result.append((same,) * classes)
            continue
        name = f"images of a class in segment {i}"
        values = counts if table else (0,) * classes
        result.append(tuple(fields.number(name, count, 0, limits.IMAGES) for count in values))
        if len(set(result[-1])) == 1:
            raise fields.fail(f"segment {i} is empty or spells out equal counts")
    return tuple(result)
