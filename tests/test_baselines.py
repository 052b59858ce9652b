"""Real images at equal bytes."""

from __future__ import annotations

import dataclasses
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rate_points import rate_points

from rudcodec.baselines import (
    PictureBudget,
    StudentTraining,
    best_baseline,
    default_counts,
    real_images,
    with_more_images,
)
from rudcodec.baselines.codecs import picture_codec
from rudcodec.baselines.picture_codec import PillowName
from rudcodec.baselines.pillow_codecs import decode, encode
from rudcodec.baselines.quality_search import best_fit
from rudcodec.baselines.tiles import columns_for, tile, untile
from rudcodec.data import LabelledImages, load
from rudcodec.errors import BudgetError, SettingError
from rudcodec.payload import Recipe
from rudcodec.psnr import psnr
from rudcodec.students import Panel, StudentSpec, default_recipe
from rudcodec.students.limits import MAX_BATCH, MAX_BATCH_BYTES, limited_batch

CIFAR = Path(__file__).parent / "../../shared/data/cifar10-train.zip"

every_codec = pytest.mark.parametrize("codec", ["avif", "webp", "jpeg"])


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return load("digits", "train")


@pytest.fixture(scope="module")
def colour() -> LabelledImages:
    """Smooth random pictures, 12 of each of 3 classes, which codecs can do something with."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (36, 3, 3, 3))
    steps = np.linspace(0, 2, 16)
    weight = np.maximum(0, 1 - np.abs(steps[:, None] - np.arange(3)))
    images = np.einsum("yi,nijc,xj->nyxc", weight, coarse, weight).astype(np.uint8)
    return LabelledImages(images, np.repeat(np.arange(3), 12), ("a", "b", "c"), "smooth")


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (7, 3), (8, 4), (5, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_come_back(count: int, columns: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4 * count, 6, 5, channels), dtype=np.uint8)
    picture = tile(images, 4, columns)
    assert picture.shape == (4 * math.ceil(count / columns) * 6, columns * 5, channels)
    assert np.array_equal(untile(picture, 4, count, 6, 5), images)


def test_a_class_has_rows_of_its_own() -> None:
    images = np.repeat(np.arange(3, dtype=np.uint8), 5)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    picture = tile(images, 3, 2)
    assert picture[:, :, 0].tolist() == [[k] * 4 for k in (0, 1, 2) for _ in range(6)]


@pytest.mark.parametrize("count", [1, 2, 10, 50, 97, 400])
def test_pictures_are_squarish_and_waste_little(count: int) -> None:
    columns = columns_for(count, 32, 32, 10)
    rows = 10 * math.ceil(count / columns)
    assert rows * columns <= 1.1 * 10 * count
    assert columns == count or rows / columns <= 4


@every_codec
@pytest.mark.parametrize("channels", [1, 3])
def test_codecs_code_both_grey_and_colour(codec: PillowName, channels: int) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (64, 48, channels)))
    data = encode(picture, codec, 80)
    again = decode(data, channels)
    assert again.shape == picture.shape and again.dtype == np.uint8
    assert psnr(picture, again) > 35
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format or "").lower() == codec


@every_codec
def test_candidates_fill_the_budget(colour: LabelledImages, codec: PillowName) -> None:
    budget = 1800
    candidates = real_images(colour, PictureBudget(codec, budget, (2, 4, 8)), seed=0)
    assert [c.count for c in candidates] == [2, 4, 8]
    for c in candidates:
        assert c.size <= budget
        assert c.images.shape == (3 * c.count, 16, 16, 3) and c.images.dtype == np.uint8
        assert c.labels.tolist() == [k for k in range(3) for _ in range(c.count)]
        assert c.bpp == 8 * c.size / (3 * c.count * 256)
        assert c.psnr > 20
        assert c.as_set().ipc_counts() == (c.count,) * 3
    qualities = [c.quality for c in candidates]
    assert qualities == sorted(qualities, reverse=True)


@every_codec
def test_one_quality_more_would_not_fit(colour: LabelledImages, codec: PillowName) -> None:
    (c,) = real_images(colour, PictureBudget(codec, 1800, (8,)), seed=0)
    order = np.random.default_rng(0)
    rows = [order.permutation(np.flatnonzero(colour.labels == k))[:8] for k in range(3)]
    picture = tile(colour.images[np.concatenate(rows)], 3, columns_for(8, 16, 16, 3))
    assert len(encode(picture, codec, c.quality, c.subsampling)) == c.size
    assert c.quality < 100
    assert len(encode(picture, codec, c.quality + 1, c.subsampling)) > 1800


@every_codec
def test_bytes_that_are_left_hold_more_images(digits: LabelledImages, codec: PillowName) -> None:
    budget = PictureBudget(codec, 20_000, (2,))
    (few,) = real_images(digits, budget, seed=0)
    more = with_more_images(digits, few, budget, seed=0)
    assert few.size < 5_000 and few.quality == 100
    assert (more.quality, more.subsampling) == (few.quality, few.subsampling) and more.count > few.count
    assert 0.9 * budget.size < more.size <= budget.size
    (too_many,) = real_images(digits, dataclasses.replace(budget, counts=(more.count + 1,)), seed=0)
    assert too_many.quality < more.quality
    first = [candidate.images[: few.count] for candidate in (few, more)]
    assert psnr(*first) > 40  # the same ones


def test_no_more_images_than_there_are(digits: LabelledImages) -> None:
    budget = PictureBudget("jpeg", 10**7, (8,))
    (few,) = real_images(digits, budget, seed=0)
    assert with_more_images(digits, few, budget, seed=0).count == min(digits.ipc_counts())


def test_images_are_those_of_their_class(digits: LabelledImages) -> None:
    (c,) = real_images(digits, PictureBudget("jpeg", 10**6, (5,)), seed=1)
    flat = digits.images.reshape(len(digits), -1).astype(int)
    for image, label in zip(c.images, c.labels, strict=True):
        distance = np.abs(flat - image.reshape(-1)).mean(1)
        assert distance.min() < 10 and digits.labels[distance.argmin()] == label


def test_seed_decides_the_choice(digits: LabelledImages) -> None:
    budget = PictureBudget("webp", 4000, (8,))
    first, again, other = (real_images(digits, budget, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)


def test_counts_that_do_not_fit_are_dropped(digits: LabelledImages) -> None:
    counts = default_counts(8, min(digits.ipc_counts()))
    assert counts == (4, 8, 16, 32, 64, 128)
    done: list[tuple[int, int]] = []
    candidates = real_images(
        digits, PictureBudget("webp", 3000, counts), 0, lambda *report: done.append(report)
    )
    assert 1 <= len(candidates) < len(counts)
    assert [c.count for c in candidates] == list(counts[: len(candidates)])
    assert done[-1] == (len(counts), len(counts))


@pytest.mark.parametrize("counts", [(40, 80), (40,)])
def test_where_no_count_fits_fewer_images_may(digits: LabelledImages, counts: tuple[int, ...]) -> None:
    """As of large images in a small file, which a set of more, and coarser, ones is compared with."""
    (few,) = real_images(digits, PictureBudget("avif", 1000, counts, or_fewer=True), 0)
    assert few.count in (5, 10, 20) and few.size <= 1000
    with pytest.raises(BudgetError, match="1000 bytes are too few for 40 images"):
        real_images(digits, PictureBudget("avif", 1000, counts), 0)
    with pytest.raises(BudgetError, match="90 bytes are too few for 1 images"):
        real_images(digits, PictureBudget("avif", 90, counts, or_fewer=True), 0)


@pytest.mark.parametrize(
    ("ipc", "available", "counts"),
    [(1, 3, (1, 2)), (0.4, 9, (1, 2, 4, 8)), (50, 10, (10,)), (20, 45, (10, 20, 40))],
)
def test_default_counts(ipc: float, available: int, counts: tuple[int, ...]) -> None:
    assert default_counts(ipc, available) == counts


def test_mistakes(digits: LabelledImages) -> None:
    with pytest.raises(BudgetError, match="200 bytes are too few for 10 images per class as avif"):
        real_images(digits, PictureBudget("avif", 200, (10, 20)), 0)
    with pytest.raises(SettingError, match="5000 images per class: the smallest class of digits has"):
        real_images(digits, PictureBudget("avif", 10**6, (10, 5000)), 0)
    with pytest.raises(SettingError, match="'gif'"):
        real_images(digits, PictureBudget("gif", 10**6, (10,)), 0)  # type: ignore[arg-type]


def test_psnr() -> None:
    black = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + np.uint8(255)) == 0
    assert psnr(black, black + np.uint8(1)) == pytest.approx(48.13, abs=0.01)


def test_a_picture_that_fits_with_coarse_chroma_alone_is_found(colour: LabelledImages) -> None:
    """Where the finer chroma looks better in the quick trial, and is too large."""
    picture = tile(colour.images, 3, columns_for(12, 16, 16, 3))
    coder = picture_codec("jpeg")
    lowest = coder.qualities[0]
    coarse, fine = (coder.code(picture, lowest, one).size for one in ("4:2:0", "4:4:4"))
    assert coarse < fine - 1
    for size in (coarse, fine - 1):
        fit = best_fit(picture, coder, size)
        assert fit is not None and fit.subsampling == "4:2:0" and fit.file.size <= size
    assert best_fit(picture, coder, coarse - 1) is None


@every_codec
def test_rate_points_rise(colour: LabelledImages, codec: PillowName) -> None:
    points = rate_points(colour.images, codec, (20, 50, 90))
    assert [p.quality for p in points] == [20, 50, 90]
    assert points[0].bpp < points[1].bpp < points[2].bpp
    assert points[0].psnr < points[1].psnr < points[2].psnr
    assert points[0].bpp == 8 * points[0].size / (36 * 256)


@pytest.mark.skipif(not CIFAR.exists(), reason=f"{CIFAR} is not here")
def test_avif_on_cifar_thumbnails_is_as_good_as_known() -> None:
    with zipfile.ZipFile(CIFAR) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::200]
        images = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names])
    low, high = rate_points(images, "avif", (27, 46))
    assert low.bpp < 0.56 and low.psnr > 24.6
    assert high.bpp < 0.98 and high.psnr > 28.3


def test_best_baseline_chooses_by_students(digits: LabelledImages) -> None:
    recipe = dataclasses.replace(
        default_recipe(digits), optimizer="adamw", steps=60, batch=64, lr=0.01, weight_decay=0.01
    )
    stages: list[str] = []
    best = best_baseline(
        digits,
        load("digits", "val"),
        PictureBudget("webp", 3500, (1, 8)),
        StudentTraining(lambda count: recipe, panel=Panel((StudentSpec(width=16),), range(2))),
        lambda stage, *_: stages.append(stage),
    )
    assert [tried.candidate.count for tried in best.candidates] == [1, 8]
    chosen, winner = best.candidates[1].candidate, best.winner
    assert winner.count >= 8 and winner.quality == chosen.quality and chosen.size <= winner.size <= 3500
    accuracies = [tried.accuracy for tried in best.candidates]
    assert accuracies[0] is not None and accuracies[1] is not None and accuracies[0] < accuracies[1]
    assert len(best.results[0].accuracies) == 2 and best.results[0].mean > 0.5
    assert (best.results[0].steps, best.results[0].width) == (60, 16)
    assert list(dict.fromkeys(stages)) == [
        "coding webp",
        "candidate of 1 per class",
        "candidate of 8 per class",
        "drawing for webp",
        "convnet 1 of 2",
        "convnet 2 of 2",
    ]


def test_a_single_candidate_needs_no_trial(digits: LabelledImages) -> None:
    recipe = dataclasses.replace(default_recipe(digits), steps=2, batch=16)
    training = StudentTraining(lambda count: recipe, panel=Panel((StudentSpec(width=4),), range(1)))
    best = best_baseline(digits, load("digits", "val"), PictureBudget("jpeg", 5500, (4,)), training)
    (tried,) = best.candidates
    assert (tried.candidate.count, tried.accuracy) == (4, None)
    assert best.winner.count > 4 and best.winner.size <= 5500  # 4 need 3,012 bytes at the highest quality


def test_a_recipe_has_no_larger_batches_of_real_images_than_limits_allow() -> None:
    """A file of few images may name any batch: of these there are no more. Of real ones there may be."""
    recipe = Recipe((128,), (64,), batch=10**9, steps=100)
    assert limited_batch(recipe, image_bytes=1024, least=60).batch == MAX_BATCH
    assert limited_batch(recipe, image_bytes=1 << 20, least=60).batch == MAX_BATCH_BYTES >> 20
    assert limited_batch(dataclasses.replace(recipe, steps=10**6), image_bytes=1024, least=60).batch == 100
    assert limited_batch(recipe, image_bytes=1 << 30, least=60).batch == 60
    assert limited_batch(dataclasses.replace(recipe, batch=256), image_bytes=1024, least=60).batch == 256
