"""The best that a codec can make of a picture within a number of bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.picture_codec import CodedPicture, PictureCodec, Subsampling
from rudcodec.psnr import psnr


@dataclass(frozen=True)
class Fit:
    """A coded picture that fits, and how it was coded."""

    quality: int
    subsampling: Subsampling
    file: CodedPicture


def best_fit(picture: NDArray[np.uint8], codec: PictureCodec, size: int) -> Fit | None:
    """A picture, uint8 (H, W, C), at the highest quality whose file has at most ``size`` bytes; None if there
    is no such quality.

    The chroma subsampling is that with the higher PSNR in a quick trial, if it fits.
    """
    search = _Search(picture, codec, size)
    guesses: dict[Subsampling, int] = {}
    for subsampling in codec.subsamplings(picture.shape[2]):
        place = search.guess(subsampling)
        if place is not None:
            guesses[subsampling] = place
    ranked = list(guesses)
    if len(ranked) > 1:
        ranked.sort(key=lambda one: (search.fidelity(guesses[one], one), one), reverse=True)
    for subsampling in ranked:
        place = search.highest(guesses[subsampling], subsampling)
        if place is not None:
            return Fit(codec.qualities[place], subsampling, search.code(place, subsampling))
    return None


@dataclass(eq=False)
class _Search:
    """Codes one picture at several qualities, none twice. A ``place`` is one among the codec's qualities."""

    picture: NDArray[np.uint8]
    codec: PictureCodec
    size: int
    coded: dict[tuple[int, Subsampling, bool], CodedPicture] = field(default_factory=dict)

    def code(self, place: int, subsampling: Subsampling, quick: bool = False) -> CodedPicture:
        key = place, subsampling, quick and self.codec.guesses_quickly
        if key not in self.coded:
            self.coded[key] = self.codec.code(self.picture, self.codec.qualities[place], *key[1:])
        return self.coded[key]

    def fidelity(self, place: int, subsampling: Subsampling) -> float:
        """PSNR in dB of a guess."""
        return psnr(self.picture, self.code(place, subsampling, quick=True).decode())

    def guess(self, subsampling: Subsampling) -> int | None:
        """About the highest quality that fits, by quick bisection; None if nothing comes near."""
        low, high = 0, len(self.codec.qualities) - 1
        if self.code(low, subsampling, quick=True).size > 1.2 * self.size:
            return None
        while low < high:
            middle = (low + high + 1) // 2
            if self.code(middle, subsampling, quick=True).size <= self.size:
                low = middle
            else:
                high = middle - 1
        return low

    def highest(self, guess: int, subsampling: Subsampling) -> int | None:
        """The highest quality that fits, found by steps from a guess; None if none does."""
        if not self._fits(guess, subsampling):
            return next((place for place in range(guess - 1, -1, -1) if self._fits(place, subsampling)), None)
        place, highest = guess, len(self.codec.qualities) - 1
        while place < highest and self._fits(place + 1, subsampling):
            place += 1
        return place

    def _fits(self, place: int, subsampling: Subsampling) -> bool:
        return self.code(place, subsampling).size <= self.size
