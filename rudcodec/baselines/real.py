"""Random real images in one coded picture that fits a budget: few at a high quality or many at a low one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.codecs import picture_codec
from rudcodec.baselines.picture_codec import MOST_PIXELS, Codec, Subsampling
from rudcodec.baselines.quality_search import Fit, best_fit
from rudcodec.baselines.tiles import columns_for, tile, untile
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError, SettingError
from rudcodec.progress import Progress
from rudcodec.psnr import psnr


@dataclass(frozen=True)
class PictureBudget:
    """The budget of real images: one picture of a ``codec``, of at most ``size`` bytes.

    ``counts``: the numbers of images of each class to try; ``or_fewer``: where none of them fits, half of the
    smallest is tried, a quarter, and so on down to 1.
    """

    codec: Codec
    size: int
    counts: tuple[int, ...]
    or_fewer: bool = False


@dataclass(frozen=True, eq=False)
class Candidate:
    """Real images as a user would store them: ``count`` of each class, in one picture.

    Attributes:
        count: images of each class.
        codec, quality, subsampling: how the picture was coded.
        size: bytes of the picture; names and labels go free.
        uncounted: bytes of the weights that a learned codec needs, too; they go free as well.
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
    uncounted: int
    bpp: float
    psnr: float
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def as_set(self) -> LabelledImages:
        """The images as a set to train on."""
        name = f"{self.count} real images per class as {self.codec} q{self.quality}"
        return LabelledImages(self.images, self.labels, self.classes, name)


def default_counts(ipc: float, available: int) -> tuple[int, ...]:
    """Images per class worth trying against a set of ``ipc``: about half as many, then doubling up to
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
        SettingError: a count that the smallest class can't meet, no such codec, or no weights of it.
        MissingPackageError: the codec needs compressai.
        BudgetError: not even the smallest count fits.
    """
    smallest = min(train.ipc_counts())
    for count in budget.counts:
        if not 1 <= count <= smallest:
            raise SettingError(f"{count} images per class: the smallest class of {train.name} has {smallest}")
    draw = _Draw(train, budget, seed)
    ordered = sorted(set(budget.counts))
    candidates: list[Candidate] = []
    for done, count in enumerate(ordered):
        if (candidate := draw.fitting(count, budget.size)) is None:
            break
        candidates.append(candidate)
        if progress is not None:
            progress(done + 1, len(ordered))
    fewest = ordered[0]
    while not candidates and budget.or_fewer and fewest > 1:
        fewest //= 2
        if (candidate := draw.fitting(fewest, budget.size)) is not None:
            candidates.append(candidate)
    if progress is not None:
        progress(len(ordered), len(ordered))
    if not candidates:
        raise draw.misfit(fewest, budget.size)
    return candidates


def with_more_images(train: LabelledImages, draw: Candidate, budget: PictureBudget, seed: int) -> Candidate:
    """The draw of real images that :func:`real_images` made with a seed, and as many more of each class, at
    the same quality, as the budget has bytes for."""
    images, codec = _Draw(train, budget, seed), picture_codec(draw.codec)
    too_many = min(train.ipc_counts()) + 1
    while (count := _between(draw.count, budget.size * draw.count // draw.size, too_many)) is not None:
        picture = images.picture(count)
        file = None if picture is None else codec.code(picture, draw.quality, draw.subsampling)
        if picture is None or file is None or file.size > budget.size:
            too_many = count
        else:
            draw = images.candidate(picture, count, Fit(draw.quality, draw.subsampling, file))
    return draw


def _between(count: int, guess: int, too_many: int) -> int | None:
    """What to try next between a number that fits and one that doesn't: a guess, or halfway where it is known
    not to fit; None: nothing."""
    more = guess if guess < too_many else (count + too_many) // 2
    return more if more > count else None


class _Draw:
    """Random images of each class, in an order that a seed decides."""

    def __init__(self, train: LabelledImages, budget: PictureBudget, seed: int) -> None:
        rng, labels = np.random.default_rng(seed), range(len(train.classes))
        self._rows = [rng.permutation(np.flatnonzero(train.labels == label)) for label in labels]
        self._train, self._codec = train, budget.codec

    def picture(self, count: int) -> NDArray[np.uint8] | None:
        """The first ``count`` images of each class as one picture; None if it is too large for the codec."""
        train, classes = self._train, len(self._rows)
        images = train.images[self._first(count)]
        picture = tile(images, classes, columns_for(count, train.height, train.width, classes))
        fits = max(picture.shape) <= picture_codec(self._codec).longest
        return picture if fits and picture[..., 0].size <= MOST_PIXELS else None

    def fitting(self, count: int, size: int) -> Candidate | None:
        """The first ``count`` images of each class at the best quality that fits ``size`` bytes; None if none
        does, or their picture is too large for the codec."""
        picture = self.picture(count)
        if picture is None:
            return None
        fit = best_fit(picture, picture_codec(self._codec), size)
        return None if fit is None else self.candidate(picture, count, fit)

    def misfit(self, count: int, size: int) -> BudgetError:
        """Says why ``count`` images of each class don't fit."""
        if self.picture(count) is None:
            return BudgetError(f"{count} images per class are too large a picture for {self._codec}")
        return BudgetError(f"{size} bytes are too few for {count} images per class as {self._codec}")

    def candidate(self, picture: NDArray[np.uint8], count: int, fit: Fit) -> Candidate:
        """The ``count`` images of each class in a picture as they come out of the coded one."""
        train, classes = self._train, len(self._rows)
        images, coded = (
            untile(each, classes, count, train.height, train.width) for each in (picture, fit.file.decode())
        )
        return Candidate(
            count=count,
            codec=self._codec,
            quality=fit.quality,
            subsampling=fit.subsampling,
            size=fit.file.size,
            uncounted=fit.file.uncounted,
            bpp=8 * fit.file.size / (len(images) * train.height * train.width),
            psnr=psnr(images, coded),
            images=coded,
            labels=train.labels[self._first(count)],
            classes=train.classes,
        )

    def _first(self, count: int) -> NDArray[np.intp]:
        """Rows of the images, ordered by class."""
        return np.concatenate([rows[:count] for rows in self._rows])
