"""The budget where nobody gives one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rudcodec

pytest.importorskip("torch")

from rudcodec.cli.main import main
from rudcodec.data import LabelledImages, load
from rudcodec.distill import Settings
from rudcodec.distill.default_budget import default_bpc
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.errors import BudgetError, SettingError


def noise(count: int, side: int, classes: int, channels: int = 3) -> LabelledImages:
    """``count`` images of each class, which no picture codec makes small."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count * classes, side, side, channels), dtype=np.uint8)
    labels = np.repeat(np.arange(classes), count)
    return LabelledImages(images, labels, tuple(map(str, range(classes))), "noise")


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return load("digits", "train")


def test_digits_get_800_bits_a_class(digits: LabelledImages) -> None:
    assert resolve_inputs(digits, None, Settings()).settings.bpc == 810


@pytest.mark.parametrize(
    ("count", "side", "channels", "bpc"),
    [(100, 32, 3, 4400), (400, 32, 3, 8900), (100, 64, 3, 8900), (300, 32, 1, 4400)],
)
def test_it_grows_with_the_root_of_the_raw_size(count: int, side: int, channels: int, bpc: int) -> None:
    assert default_bpc(noise(count, side, 2, channels), least=1, smallest=1) == bpc


def test_it_is_enough_for_an_image_a_class_and_for_more_if_asked() -> None:
    data = noise(20, 16, 3)
    one, four = (resolve_inputs(data, None, Settings(ipc=ipc)) for ipc in (None, 4))
    assert one.settings.bpc < four.settings.bpc
    assert four.allocate(0.0).ipc == 4


def test_it_is_no_more_than_a_quarter_of_avif() -> None:
    flat = LabelledImages(
        np.full((2000, 32, 32, 3), 90, np.uint8), np.repeat(np.arange(2), 1000), ("a", "b"), "flat"
    )
    assert default_bpc(flat, least=1, smallest=1) < default_bpc(noise(1000, 32, 2), least=1, smallest=1)


def test_a_set_that_is_too_small_needs_one(digits: LabelledImages, tmp_path: Path) -> None:
    few = digits.take(np.concatenate([np.flatnonzero(digits.labels == label)[:2] for label in range(10)]))
    with pytest.raises(BudgetError, match=r"too small for the default budget.* give a budget of (\d+) bits"):
        rudcodec.compress(few, tmp_path / "out.rud")
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_is_too_small_is_told_the_smallest_budget() -> None:
    """Which is less than what makes a good file; with it there is one, with a bit less there is none."""
    few = noise(6, 12, 3)
    for labels in ("auto", "network"):
        with pytest.raises(BudgetError, match=r"worth making takes about .* give a budget of") as refused:
            resolve_inputs(few, None, Settings(labels=labels))
        least, smallest = (
            int(re.search(pattern, str(refused.value).replace(",", ""))[1])  # type: ignore[index]
            for pattern in (r"about (\d+) bits", r"budget of (\d+) bits")
        )
        assert smallest <= least
        assert resolve_inputs(few, None, Settings(bpc=smallest, labels=labels)).allocate(0.0).ipc >= 1
        with pytest.raises(BudgetError, match=f"at least {smallest} is needed"):
            resolve_inputs(few, None, Settings(bpc=smallest - 1, labels=labels))


@pytest.mark.parametrize("labels", ["hard", "soft", "network"])
def test_the_default_budget_has_room_for_labels(labels: str) -> None:
    inputs = resolve_inputs(noise(50, 12, 3), None, Settings(labels=labels))
    assert inputs.settings.bpc >= inputs.smallest_bpc(1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 12)])
def test_images_that_are_too_small_need_no_budget_to_be_refused(height: int, width: int) -> None:
    tiny = noise(20, 12, 3)
    tiny = replace(tiny, images=np.ascontiguousarray(tiny.images[:, :height, :width]))
    for settings in (Settings(), Settings(bpc=504), Settings(lmbda=0.1, ipc=1)):
        with pytest.raises(SettingError, match=f"images of {width}x{height} pixels are too small for the"):
            resolve_inputs(tiny, None, settings)
    with pytest.raises(SettingError, match="pixels are too small for the ConvNets"):
        resolve_inputs(tiny, tiny, Settings(utility="mm"))
    assert resolve_inputs(None, tiny, Settings()).allocate(0.0).ipc == 20


def test_a_distilled_set_gets_what_all_its_images_need(digits: LabelledImages) -> None:
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[:50] for label in range(10)])
    inputs = resolve_inputs(None, digits.take(rows), Settings())
    assert inputs.allocate(0.0).ipc == 50 and inputs.settings.bpc > 50 * 100


def test_the_command_says_it_and_how_to_have_more(tmp_path: Path) -> None:
    hurry = ["--dry-run", "--device", "cpu", "--set", "mm.steps=2"]
    result = CliRunner().invoke(main, ["compress", "digits", str(tmp_path / "out.rud"), *hurry])
    assert result.exit_code == 0, result.output
    assert (
        "budget: 810 bits per class, 1.0 kB in all, to suit the set; for more or less --bpc 1.62k or 405"
        in result.stderr.splitlines()
    )
    assert "810 bpc" in result.stdout and list(tmp_path.iterdir()) == []


def test_metadata_are_paid_for_by_whoever_sets_the_budget() -> None:
    """Whether the budget is the default one, or that of a price of errors."""
    data = noise(200, 32, 3)
    metadata = {f"note{i}": "x" * 4000 for i in range(10)}
    for settings in (Settings(labels="hard"), Settings(labels="hard", lmbda=0.02, ipc=1)):
        plain, told = (
            resolve_inputs(data, None, replace(settings, metadata=own)).settings.bpc for own in ({}, metadata)
        )
        assert told > 8 * 40_000 / 3
        if settings.lmbda is not None:
            assert told - plain == pytest.approx(8 * 40_000 / 3, rel=0.01)
