"""Sections that a decoder of images may skip: the recipe, how views are drawn, and metadata.

What such a section says never makes a file invalid: one that can't be understood is taken for absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import METADATA, RECIPE, VIEWS, Fields, Reader, Section, Writer, pack_fields
from rudcodec.bitstream.files import Source
from rudcodec.errors import FormatError
from rudcodec.payload import AUGMENTATIONS, OPTIMIZERS, Payload, Recipe, ViewRecipe

LARGEST = 10**9
NAMES = {RECIPE: "recipe", VIEWS: "views", METADATA: "metadata"}


@dataclass
class Ancillary:
    """What a file's ancillary sections say.

    Attributes:
        recipe: for students; None: there is none, or none that is understood.
        views: how views are drawn, or None likewise.
        metadata: empty if there is none.
        sections: all ancillary sections, and for each why it isn't used; None if it is.
    """

    recipe: Recipe | None = None
    views: ViewRecipe | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    sections: list[tuple[Section, str | None]] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)

    def read(self, data: Source, section: Section, channels: int) -> None:
        """Read one more section, whose checksum is right."""
        tag, reason = section.tag, None
        if tag not in NAMES:
            reason = "unknown"
        elif tag in self._used:
            reason = "another one is used"
        else:
            try:
                self._take(Reader(data, NAMES[tag], section.start, section.end), tag, channels)
                self._used.add(tag)
            except FormatError as error:
                reason = f"not understood ({error.reason})"
        self.sections.append((section, reason))

    def _take(self, reader: Reader, tag: int, channels: int) -> None:
        if tag == RECIPE:
            self.recipe = code_recipe(reader, channels, None)
        elif tag == VIEWS:
            self.views = code_views(reader, None)
        else:
            self.metadata = read_metadata(reader)


def pack_ancillary(payload: Payload) -> list[bytes]:
    """The ancillary sections of a payload. Raises FormatError."""
    views = payload.network.views if payload.network else None
    recipe = pack_recipe(payload.recipe, payload.image_shape.channels)
    return [recipe, pack_views(views), pack_metadata(payload.metadata)]


def pack_recipe(recipe: Recipe | None, channels: int) -> bytes:
    """The section of a recipe for images of so many channels; nothing if there is none. Raises FormatError
    for what isn't allowed."""
    if recipe is None:
        return b""
    return pack_fields(RECIPE, NAMES[RECIPE], lambda fields: code_recipe(fields, channels, recipe))


def pack_views(views: ViewRecipe | None) -> bytes:
    """The section that says how views are drawn; nothing if there is no such recipe."""
    if views is None:
        return b""
    return pack_fields(VIEWS, NAMES[VIEWS], lambda fields: code_views(fields, views))


def pack_metadata(metadata: Mapping[str, str]) -> bytes:
    """The section of metadata; nothing if there is none. Raises FormatError for what isn't allowed."""
    if not metadata:
        return b""
    return pack_fields(METADATA, NAMES[METADATA], lambda writer: write_metadata(writer, metadata))


def code_recipe(fields: Fields, channels: int, recipe: Recipe | None) -> Recipe:
    """Code a recipe for images of so many channels; ``recipe`` is None when reading."""
    if recipe and not len(recipe.mean) == len(recipe.std) == channels:
        raise fields.fail(f"recipe's mean and std must have {channels} entries")
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
        steps=fields.number("steps", recipe.steps if recipe else 0, 1, LARGEST),
        batch=fields.number("batch", recipe.batch if recipe else 0, 1, LARGEST),
        lr=_code_fraction(fields, "learning rate", recipe.lr if recipe else None, 10**6, LARGEST),
        weight_decay=_code_fraction(
            fields, "weight decay", recipe.weight_decay if recipe else None, 10**6, LARGEST
        ),
        momentum=_code_fraction(fields, "momentum", recipe.momentum if recipe else None, 10**3, 10**3),
        cutmix=fields.byte("chance of cutmix", recipe.cutmix if recipe else 0, 0, 255),
    )


def _code_fraction(fields: Fields, name: str, value: float | None, unit: int, limit: int) -> float:
    """Code a number in fractions of 1 / unit, ``limit`` of them at most."""
    number = 0
    if value is not None:
        if not 0 <= value <= limit / unit:
            raise fields.fail(f"{name} is {value}, must be 0..{limit // unit}")
        number = round(value * unit)
        if number / unit != float(value):
            raise fields.fail(f"{name} is {value}, must be a multiple of {1 / unit:g}")
    return fields.number(name, number, 0, limit) / unit


def code_views(fields: Fields, recipe: ViewRecipe | None) -> ViewRecipe:
    """Code how views are drawn; ``recipe`` is None when reading."""
    recipe = recipe or ViewRecipe()
    zoom_min = fields.byte("smallest zoom", recipe.zoom_min, 1, 127)
    views = ViewRecipe(
        zoom_min=zoom_min,
        zoom_max=fields.byte("largest zoom", recipe.zoom_max, zoom_min, 127),
        shift=fields.byte("shift", recipe.shift, 0, 64),
        rotate=fields.byte("rotation", recipe.rotate, 0, 255),
        flip=bool(fields.byte("flip", int(recipe.flip), 0, 1)),
        contrast=fields.byte("contrast", recipe.contrast, 0, 255),
        brightness=fields.byte("brightness", recipe.brightness, 0, 255),
        mixup=fields.byte("chance of mixup", recipe.mixup, 0, 255),
        cutmix=fields.byte("chance of cutmix", recipe.cutmix, 0, 255),
        sharpen=fields.added_byte("sharpening", recipe.sharpen),
    )
    if views.mixup + views.cutmix > 256:
        raise fields.fail("chances of mixup and cutmix exceed 256 together")
    return views


def write_metadata(writer: Writer, metadata: Mapping[str, str]) -> None:
    """Write keys and values."""
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise writer.fail(f"{key!r} and its value must be texts")
        writer.text("key", key, limits.KEY)
        writer.text(f"value of {key}", value, limits.VALUE, 0)
    if len(metadata) > limits.PAIRS:
        raise writer.fail(f"has {len(metadata)} pairs, at most {limits.PAIRS} are allowed")
    if len(writer.data) > limits.METADATA:
        raise writer.fail(f"has {len(writer.data)} bytes, at most {limits.METADATA} are allowed")


def read_metadata(reader: Reader) -> dict[str, str]:
    """Keys and values to the end of the section."""
    if reader.end - reader.position > limits.METADATA:
        raise reader.fail(f"has more than {limits.METADATA} bytes")
    metadata: dict[str, str] = {}
    while reader.position < reader.end:
        if len(metadata) == limits.PAIRS:
            raise reader.fail(f"has more than {limits.PAIRS} pairs")
        key = reader.text("key", "", limits.KEY)
        if key in metadata:
            raise reader.fail(f"key {key!r} is used twice")
        metadata[key] = reader.text("value", "", limits.VALUE, 0)
    return metadata
