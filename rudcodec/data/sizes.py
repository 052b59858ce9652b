"""Sizes of pictures before they are resized."""

from __future__ import annotations

from typing import Any, NamedTuple

TURNED = " (EXIF data turn some of these pictures upright)"
"""What messages add where sizes may differ for that."""
Size = tuple[int, int]
"""Width and height in pixels."""


class SizeRange(NamedTuple):
    """What sizes the pictures of a set have in its source, upright.

    Attributes:
        smallest: the one of the fewest pixels.
        largest: the one of the most pixels.
        has_oblong: whether one isn't square.
        has_turned: whether width and height of one have changed places, as its EXIF data say.
    """

    smallest: Size
    largest: Size
    has_oblong: bool = False
    has_turned: bool = False

    @classmethod
    def of_json(cls, value: Any) -> SizeRange:
        """The range that json has made lists of. Raises ValueError or TypeError if it has not."""
        (width, height), (most_width, most_height), has_oblong, has_turned = value
        return cls(
            (int(width), int(height)),
            (int(most_width), int(most_height)),
            bool(has_oblong),
            bool(has_turned),
        )

    @property
    def text(self) -> str:
        """Such as ``28x28`` or ``213x200 to 500x375``."""
        ends = dict.fromkeys((self.smallest, self.largest))
        return " to ".join(f"{width}x{height}" for width, height in ends)

    def resizing(self, size: int) -> str | None:
        """What is done to the pictures to make each as high and wide as ``size``, in words; None: nothing."""
        if self.smallest == self.largest == (size, size):
            return None
        cut = "cut to their centre squares and " if self.has_oblong else ""
        return f"images of {self.text} pixels are {cut}resized to {size}x{size}"


class Sizes:
    """The sizes of pictures that are read one after another.

    Attributes:
        turned: those that pictures have since EXIF data turned them.
    """

    def __init__(self) -> None:
        self.turned: set[Size] = set()
        self._seen: set[Size] = set()

    def add(self, size: Size, is_turned: bool = False) -> None:
        """Take the size of one, upright, and whether its width and height have changed places."""
        self._seen.add(size)
        if is_turned:
            self.turned.add(size)

    def range(self) -> SizeRange:
        """That of one picture or more."""
        by_pixels = sorted(self._seen, key=lambda size: (size[0] * size[1], size))
        has_oblong = any(width != height for width, height in by_pixels)
        return SizeRange(by_pixels[0], by_pixels[-1], has_oblong, bool(self.turned))
