"""What a baseline asks of a codec for pictures, and the names of those there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

PillowName = Literal["avif", "webp", "jpeg"]
LearnedName = Literal[
    "bmshj2018-factorized",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    "mbt2018",
    "cheng2020-anchor",
    "cheng2020-attn",
]
Codec = Literal[PillowName, LearnedName]
Subsampling = Literal["4:2:0", "4:4:4"]

MOST_PIXELS = 1 << 26
"""Of a picture: Pillow takes one of more for an attack."""


@dataclass(frozen=True)
class CodedPicture:
    """A picture as a codec has coded it.

    Attributes:
        size: bytes it takes.
        decode: gives its pixels, uint8 (H, W, C).
        uncounted: bytes of a network's weights that decoding needs, too, and that aren't part of ``size``.
    """

    size: int
    decode: Callable[[], NDArray[np.uint8]]
    uncounted: int = 0


class PictureCodec(Protocol):
    """A codec with a dial for quality.

    Attributes:
        longest: the longest side of a picture, in pixels. A picture has :data:`MOST_PIXELS` at most.
        qualities: those there are at which thumbnails can still be told apart, ascending.
        guesses_quickly: whether ``quick`` makes a difference.
    """

    longest: int
    qualities: Sequence[int]
    guesses_quickly: bool

    def subsamplings(self, channels: int) -> tuple[Subsampling, ...]:
        """The choices of chroma subsampling that make a difference."""

    def code(
        self, picture: NDArray[np.uint8], quality: int, subsampling: Subsampling, quick: bool = False
    ) -> CodedPicture:
        """Code a picture, uint8 (H, W, 1 or 3); ``quick`` is for a first guess of the size."""
