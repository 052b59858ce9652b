"""Pieces of the command line that can be tested without a command."""

from __future__ import annotations

import io

import click
import numpy as np
import pytest
from PIL import Image

import rudcodec
from rudcodec.cli.preview import preview_png
from rudcodec.cli.values import amount, byte_amount
from rudcodec.display import ProgressView
from rudcodec.sheet import contact_sheet
from rudcodec.text import clock, short


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50000", 5e4),
        ("50k", 5e4),
        ("1.2M", 1.2e6),
        ("2Ki", 2048),
        (".5k", 500),
        ("5e4", 5e4),
        (" 7 k ", 7e3),
    ],
)
def test_amount(text: str, value: float) -> None:
    assert amount(text) == value


@pytest.mark.parametrize("text", ["", "k", "-5", "5 x", "0", "nan", "inf", "1e999", "5kB", "0x10", "1,000"])
def test_amount_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter):
        amount(text)


def test_byte_amount() -> None:
    assert [byte_amount(t) for t in ("62500", "62.5kB", "64KiB", "3B")] == [62500, 62500, 65536, 3]
    with pytest.raises(click.BadParameter):
        byte_amount("0.5")


def test_figures_for_people() -> None:
    assert [short(v) for v in (812, 49_800, 999_900, 1_200_000)] == ["812", "49.8k", "1M", "1.2M"]
    assert [clock(v) for v in (5, 65, 3725, float("nan"))] == ["0:05", "1:05", "1:02:05", "-"]


@pytest.mark.parametrize("channels", [1, 3])
def test_contact_sheet_shows_each_image_in_its_row(channels: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 32, 32, channels), dtype=np.uint8)
    labels = np.array([0, 2, 0, 1, 2])
    recipe = rudcodec.payload.Recipe((0,) * channels, (1,) * channels)
    data = rudcodec.SyntheticSet(images, labels, ("a", "b", "c"), 100, recipe)
    sheet = contact_sheet(data)
    assert sheet.shape == (3 * 66 + 2, 2 * 66 + 2, 3)
    for index, row, column in ((0, 0, 0), (2, 0, 1), (3, 1, 0), (1, 2, 0), (4, 2, 1)):
        shown = sheet[2 + 66 * row : 66 + 66 * row : 2, 2 + 66 * column : 66 + 66 * column : 2]
        np.testing.assert_array_equal(shown, np.broadcast_to(images[index], (32, 32, 3)))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(preview_png(data)))), sheet)


def test_progress_in_a_pipe_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView() as view:
        view("warm-up", 0, 100, "60k bpc", remaining=61)
        view("warm-up", 1, 100, "59k bpc", remaining=60)  # too soon to print
        view("warm-up", 100, 100, "50k bpc", remaining=0)
        view("warm-up", 100, 100, "50k bpc", remaining=0)  # said already
        view("joint", 1, 10)  # no pace to guess from
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "warm-up 0/100  60k bpc  1:01 left",
        "warm-up 100/100  50k bpc",
        "joint 1/10",
    ]
