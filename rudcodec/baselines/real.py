"""Random real images in one coded picture that fits a budget: few at a high quality or many at a low one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.codecs import (
    LONGEST,
    LOWEST,
    Codec,
    Subsampling,
    check_codec,
    decode,
    encode,
    subsamplings,
)
from rudcodec.baselines.psnr import psnr
from rudcodec.baselines.tiles import columns_for, tile, untile
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError, SettingError
from rudcodec.progress import Progress

HIGHEST = 100  # quality


@dataclass(frozen=True)
class PictureBudget:
    """The budget of real images: one picture of a ``codec``, of at most ``size`` bytes.

    ``counts``: the numbers of images of each class to try.
    """

    codec: Codec
    size: int
    counts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Real images as a user would store them: ``count`` of each class, in one picture.

    Attributes:
        count: images of each class.
        codec, quality, subsampling: how the picture was coded.
        size: bytes of the picture; names and labels go free.
        bpp, psnr: bits per pixel of the images, and their PSNR against the originals in dB.
        images: as decoded, uint8 (classes * count, H, W, C), ordered by class.
        labels: int64.
        classes: their names.
    """

    count: int
    codec: Codec
    quality: int
    subsampling: Subsampling
    size: int
    bpp: float
    psnr: float
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def as_set(self) -> LabelledImages:
        """The images as a set to train on."""
        name = f"{self.count} real images a class as {self.codec} q{self.quality}"
        return LabelledImages(self.images, self.labels, self.classes, name)


def default_counts(ipc: float, available: int) -> tuple[int, ...]:
    """Images per class worth trying against a set of ``ipc``: half as many, as many, then doubling up to
    ``available``, the size of the smallest class. :func:`real_images` drops what doesn't fit a budget."""
    counts = [max(1, round(ipc / 2))]
    while counts[-1] * 2 <= available:
        counts.append(counts[-1] * 2)
    return tuple(min(n, available) for n in counts)


def real_images(
    train: LabelledImages, budget: PictureBudget, seed: int, progress: Progress | None = None
) -> list[Candidate]:
    """Random images of each class, for each count of a budget, each at the best quality that fits its bytes.

    The choice is nested: the images for a smaller count are among those for a larger one. Each class has a
    block of rows in the one picture; the chroma subsampling is that with the higher PSNR in a quick trial. A
    count whose picture doesn't fit at the codec's lowest tolerable quality, or is too large for the codec, is
    left out, and so are larger ones.

    Args:
        train: where the images come from.
        budget: codec, bytes and counts, none of these more than the smallest class has.
        seed: of the choice.
        progress: called with (counts done, counts).

    Raises:
        SettingError: a count that the smallest class can't meet, or no such codec.
        BudgetError: not even the smallest count fits.
    """
    codec = budget.codec
    check_codec(codec)
    smallest = min(train.ipc_counts())
    for count in budget.counts:
        if not 1 <= count <= smallest:
            raise SettingError(f"{count} images a class: the smallest class of {train.name} has {smallest}")
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(train.labels == label)) for label in range(len(train.classes))]
    ordered = sorted(set(budget.counts))
    candidates: list[Candidate] = []
    for done, count in enumerate(ordered):
        chosen_rows = np.concatenate([row[:count] for row in rows])
        candidate = _code(train, chosen_rows, count, budget)
        if candidate is None:
            break
        candidates.append(candidate)
        if progress is not None:
            progress(done + 1, len(ordered))
    if progress is not None:
        progress(len(ordered), len(ordered))
    if not candidates:
        raise BudgetError(f"{budget.size} bytes are too few for {ordered[0]} images a class as {codec}")
    return candidates


def _code(
    train: LabelledImages, rows: NDArray[np.int64], count: int, budget: PictureBudget
) -> Candidate | None:
    """The chosen images, ``count`` of each class, at the highest quality that fits; None if none does."""
    codec = budget.codec
    images, classes = train.images[rows], len(train.classes)
    picture = tile(images, classes, columns_for(count, train.height, train.width, classes))
    if max(picture.shape) > LONGEST[codec]:
        return None
    best: tuple[float, Subsampling, int] | None = None
    for subsampling in subsamplings(codec, train.channels):
        guess = _guess_quality(picture, codec, subsampling, budget.size)
        if guess is not None:
            fidelity = psnr(picture, decode(guess[1], train.channels))
            best = max(best or (-math.inf, subsampling, 0), (fidelity, subsampling, guess[0]))
    if best is None:
        return None
    _, subsampling, initial_quality = best
    highest = _highest_quality(picture, codec, subsampling, initial_quality, budget.size)
    if highest is None:
        return None
    quality, data = highest
    coded = untile(decode(data, train.channels), classes, count, train.height, train.width)
    return Candidate(
        count=count,
        codec=codec,
        quality=quality,
        subsampling=subsampling,
        size=len(data),
        bpp=8 * len(data) / (len(images) * train.height * train.width),
        psnr=psnr(images, coded),
        images=coded,
        labels=train.labels[rows],
        classes=train.classes,
    )


def _guess_quality(
    picture: NDArray[np.uint8], codec: Codec, subsampling: Subsampling, size: int
) -> tuple[int, bytes] | None:
    """About the highest quality that fits, by quick bisection, and the file; None if nothing comes near."""
    low, high = LOWEST[codec], HIGHEST
    data = encode(picture, codec, low, subsampling, quick=True)
    if len(data) > 1.2 * size:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        attempt = encode(picture, codec, middle, subsampling, quick=True)
        if len(attempt) <= size:
            low, data = middle, attempt
        else:
            high = middle - 1
    return low, data


def _highest_quality(
    picture: NDArray[np.uint8], codec: Codec, subsampling: Subsampling, initial_quality: int, size: int
) -> tuple[int, bytes] | None:
    """The highest quality whose file fits, found by steps from a guess, and the file; None if none does."""
    quality, data = initial_quality, encode(picture, codec, initial_quality, subsampling)
    if len(data) > size:
        while len(data) > size:
            quality -= 1
            if quality < LOWEST[codec]:
                return None
            data = encode(picture, codec, quality, subsampling)
        return quality, data
    while quality < HIGHEST:
        attempt = encode(picture, codec, quality + 1, subsampling)
        if len(attempt) > size:
            break
        quality, data = quality + 1, attempt
    return quality, data
