"""The HEAD section: what the images are, their classes, and how many segments follow.

Every ``code_*`` function here and in the modules of the other sections takes the value to write, or None when
reading, and returns it: one description for both directions. Limits are those of ``bitstream_spec.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import Fields
from rudcodec.payload import ImageShape


@dataclass(frozen=True)
class Head:
    """The head of a file.

    Attributes:
        image_shape: of all images.
        classes: the names of the classes.
        num_segments: in the file.
    """

    image_shape: ImageShape
    classes: tuple[str, ...]
    num_segments: int


def code_head(fields: Fields, head: Head | None) -> Head:
    """Code the whole head; ``head`` is None when reading."""
    height, width, channels = head.image_shape if head else (0, 0, 0)
    height = fields.number("height", height, 1, limits.SIDE)
    width = fields.number("width", width, 1, limits.SIDE)
    channels = fields.byte("channels", channels, 1, 3)
    if channels == 2:
        raise fields.fail("channels is 2, must be 1 or 3")
    classes = _code_classes(fields, head.classes if head else None)
    segments = fields.number("number of segments", head.num_segments if head else 0, 1, limits.SEGMENTS)
    if reason := limits.counts_excess(len(classes), segments):
        raise fields.fail(reason)
    return Head(ImageShape(height, width, channels), classes, segments)


def _code_classes(fields: Fields, names: tuple[str, ...] | None) -> tuple[str, ...]:
    count = fields.number("number of classes", len(names) if names is not None else 0, 1, limits.CLASSES)
    coded: dict[str, None] = {}
    for number in range(count):
        name = fields.text(f"name of class {number}", names[number] if names else "", limits.NAME)
        if name in coded:
            raise fields.fail(f"name of class {number} is used twice")
        coded[name] = None
    return tuple(coded)
