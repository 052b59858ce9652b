"""Students trained on a set and judged on real images, at the scale of scikit-learn's digits."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rudcodec
from rudcodec import SyntheticSet
from rudcodec.data import LabelledImages, load
from rudcodec.errors import DataError, SettingError
from rudcodec.evaluation import EvalResult, evaluate
from rudcodec.nets.normalise import normalise
from rudcodec.payload import Recipe
from rudcodec.students import StudentSpec, TrainingSet, accuracy, default_recipe, train_student


@pytest.fixture(scope="module")
def train() -> LabelledImages:
    return load("digits", "train")


@pytest.fixture(scope="module")
def real() -> LabelledImages:
    return load("digits", "val")


@pytest.fixture(scope="module")
def recipe(train: LabelledImages) -> Recipe:
    return dataclasses.replace(
        default_recipe(train), optimizer="adamw", steps=80, batch=64, lr=0.01, weight_decay=0.01
    )


@pytest.fixture(scope="module")
def small(train: LabelledImages, recipe: Recipe) -> SyntheticSet:
    rows = np.concatenate([np.flatnonzero(train.labels == k)[:12] for k in range(10)])
    return SyntheticSet(train.images[rows], train.labels[rows], train.classes, 4000, recipe)


@pytest.fixture(scope="module")
def result(small: SyntheticSet, real: LabelledImages) -> EvalResult:
    return evaluate(small, real, seeds=2, width=16)


def test_students_learn(result: EvalResult, real: LabelledImages) -> None:
    assert result.mean > 0.5  # chance is 0.1
    assert result.mean == pytest.approx(np.mean(result.accuracies))
    assert result.std == pytest.approx(abs(result.accuracies[0] - result.accuracies[1]) / math.sqrt(2))
    counts = np.array(real.ipc_counts())
    assert np.dot(result.per_class, counts) / counts.sum() == pytest.approx(result.mean)


def test_result_says_how_it_came_about(result: EvalResult, real: LabelledImages) -> None:
    assert (result.net, result.width, result.steps, result.batch) == ("ConvNet-3", 16, 80, 64)
    assert (result.train_images, result.real_images, result.seeds) == (120, len(real), (0, 1))
    assert result.precision in ("bfloat16", "float32") and result.seconds > 0
    assert not result.compiled  # far too short a run


def test_same_seed_same_student(small: SyntheticSet, real: LabelledImages, result: EvalResult) -> None:
    other = evaluate(small, real, seeds=[1], width=16)
    quick: dict[str, Any] = {"steps": 1, "width": 4}
    assert evaluate(small, real, seeds=np.int64(1), **quick).seeds == (0,)
    assert evaluate(small, real, seeds=np.array([5]), **quick).seeds == (5,)
    with pytest.raises(SettingError, match=r"seeds: \[0, 0\]; students of the same seed are the same"):
        evaluate(small, real, seeds=[0, 0], **quick)
    assert other.accuracies == result.accuracies[1:]
    assert other.std == 0.0


def test_accuracy_is_that_of_the_last_step(
    small: SyntheticSet, real: LabelledImages, result: EvalResult
) -> None:
    net = train_student(TrainingSet.with_own_labels(small), small.recipe, StudentSpec(width=16), 0)
    assert accuracy(net, real, small.recipe) == result.accuracies[0]


def test_seeds_differ(small: SyntheticSet) -> None:
    recipe = dataclasses.replace(small.recipe, steps=1)
    one, two = (
        train_student(TrainingSet.with_own_labels(small), recipe, StudentSpec(width=4), seed)
        for seed in (0, 1)
    )
    assert not torch.equal(one.classifier.weight, two.classifier.weight)


def test_wrong_labels_give_chance(small: SyntheticSet, real: LabelledImages) -> None:
    wrong = dataclasses.replace(small, labels=np.random.default_rng(0).permutation(small.labels))
    assert evaluate(wrong, real, seeds=1, width=16).mean < 0.4


def test_classes_are_matched_by_name(small: SyntheticSet, real: LabelledImages, result: EvalResult) -> None:
    turned = LabelledImages(real.images, 9 - real.labels, real.classes[::-1], "turned")
    assert evaluate(small, turned, seeds=2, width=16).accuracies == result.accuracies


def test_classes_without_images_are_warned_of(small: SyntheticSet, real: LabelledImages) -> None:
    with pytest.warns(RuntimeWarning, match="students see no image of 0, 1, 2, but are judged"):
        evaluate(small[small.labels > 2], real, seeds=1, width=4, steps=1)


def test_numbers_for_names_stand_for_any_names(
    small: SyntheticSet, real: LabelledImages, result: EvalResult
) -> None:
    named = LabelledImages(real.images, real.labels, tuple("abcdefghij"), "named")
    with pytest.warns(RuntimeWarning, match="classes are numbers; taken as 0: a, 1: b, 2: c, "):
        assert evaluate(small, named, seeds=2, width=16).accuracies == result.accuracies


def test_progress_and_steps(small: SyntheticSet, real: LabelledImages) -> None:
    seen: list[tuple[str, int, int]] = []
    result = evaluate(small, real, seeds=2, steps=3, width=4, progress=lambda *report: seen.append(report))
    assert result.steps == 3
    assert {stage for stage, _, _ in seen} == {"2 students"}
    assert {report[1:] for report in seen} >= {(3, 6), (6, 6)}


def test_batch_is_the_whole_set_where_that_is_smaller(small: SyntheticSet, real: LabelledImages) -> None:
    recipe = dataclasses.replace(small.recipe, batch=1000, steps=2)
    assert evaluate(small, real, recipe=recipe, seeds=1, width=4).batch == len(small)


def test_sgd_learns_too(small: SyntheticSet, real: LabelledImages) -> None:
    recipe = dataclasses.replace(small.recipe, optimizer="sgd", lr=0.05, weight_decay=0.0005)
    assert evaluate(small, real, recipe=recipe, seeds=1, width=16).mean > 0.5


def test_files_and_sources_by_name(rud: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "real.npz",
        images=rng.integers(0, 256, (30, 9, 9, 3), dtype=np.uint8),  # not the file's size: resized
        labels=np.repeat(np.arange(3), 10),
        classes=np.array(["ant", "bee", "cicada"]),
    )
    result = rudcodec.evaluate(rud, tmp_path / "real.npz", split="all", seeds=1, width=4)
    assert (result.train_images, result.real_images, result.steps, result.batch) == (12, 30, 4, 8)


def test_mistakes(small: SyntheticSet, real: LabelledImages, train: LabelledImages) -> None:
    for seeds in (0, [], -1, [-1], [1.5], [2**63], "3"):
        with pytest.raises(SettingError, match="seeds"):
            evaluate(small, real, seeds=seeds)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no recipe"):
        evaluate(train, real)
    with pytest.raises(SettingError, match="steps"):
        evaluate(small, real, steps=0)
    with pytest.raises(SettingError, match="steps is '200', must be a number"):
        evaluate(small, real, steps="200")  # type: ignore[arg-type]
    for width in (0, 64.5, "64"):
        with pytest.raises(SettingError, match="width"):
            evaluate(small, real, width=width)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="warp"):
        evaluate(small, real, device="warp")
    with pytest.raises(SettingError, match="3 channels"):
        evaluate(small, real, recipe=Recipe((1, 2, 3), (1, 1, 1)))
    with pytest.raises(SettingError, match="'blur'"):
        evaluate(small, real, recipe=dataclasses.replace(small.recipe, augment=("blur",)))
    strange = LabelledImages(real.images, real.labels, ("nil", *real.classes[1:]), "strange")
    with pytest.raises(DataError, match="strange: has no class 0, which the file has; its classes are nil, "):
        evaluate(small, strange)
    big = LabelledImages(np.repeat(real.images, 2, axis=1), real.labels, real.classes, "big")
    with pytest.raises(DataError, match="big: images are 8x16 grey, the file's are 8x8 grey"):
        evaluate(small, big)
    with pytest.raises(DataError, match="as many labels"):
        TrainingSet(small.images, small.labels[:-1], 10)


def test_dropout_is_the_same_again(small: SyntheticSet, real: LabelledImages) -> None:
    def net(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
        pixels = channels * size[0] * size[1]
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(pixels, classes))

    state = torch.get_rng_state()
    first, again = (evaluate(small, real, seeds=2, steps=20, net=net).accuracies for _ in range(2))
    assert first == again and first[0] != first[1]
    assert torch.equal(torch.get_rng_state(), state)


def test_read_only_images(small: SyntheticSet, real: LabelledImages) -> None:
    images = small.images.copy()
    images.setflags(write=False)
    frozen = dataclasses.replace(small, images=images)
    assert evaluate(frozen, real, seeds=1, steps=1, width=4).train_images == len(images)


def test_default_recipe_normalises(train: LabelledImages) -> None:
    rng = np.random.default_rng(0)
    images = np.clip(rng.normal((90, 128, 200), (20, 40, 10), (50, 16, 16, 3)), 0, 255).astype(np.uint8)
    recipe = default_recipe(LabelledImages(images, np.arange(50) % 2, ("a", "b"), "noise"))
    assert recipe.mean == tuple(np.rint(images.mean((0, 1, 2))).astype(int))
    assert recipe.std == tuple(np.rint(images.std((0, 1, 2))).astype(int))
    x = normalise(torch.from_numpy(images), recipe.mean, recipe.std)
    assert x.shape == (50, 3, 16, 16)
    assert x.mean().abs() < 0.05 and abs(x.std() - 1) < 0.05
    assert "flip" in recipe.augment and "flip" not in default_recipe(train).augment
    assert "flip" in default_recipe(train, flip=True).augment


def test_default_recipe_of_a_constant_set() -> None:
    images = np.full((4, 8, 8, 1), 7, dtype=np.uint8)
    recipe = default_recipe(LabelledImages(images, np.array([0, 0, 1, 1]), ("a", "b"), "flat"))
    assert (recipe.mean, recipe.std) == ((7,), (1,))


def test_compiled_students_are_as_good(
    small: SyntheticSet, real: LabelledImages, result: EvalResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the compiler itself would take most of a minute; what is laid out for it is tested
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr("rudcodec.students.trainer.repays_compiling", lambda *_: True)
    fast = evaluate(small, real, seeds=1, width=16)
    assert fast.compiled
    assert fast.accuracies[0] == pytest.approx(result.accuracies[0], abs=0.1)
    assert not evaluate(small, real, seeds=1, net="mlp").compiled  # without norms it would be slower
