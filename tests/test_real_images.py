"""What real images must have in common with the set that they judge, and what is said of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import small_payload
from PIL import Image

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main
from rudcodec.data import Reading, load
from rudcodec.errors import DataError, SettingError

pytest.importorskip("torch")

from rudcodec.evaluation import evaluate

NAMES = ("ant", "bee", "cicada")
QUICK: dict[str, Any] = {"split": "all", "seeds": 1, "steps": 2, "width": 4, "device": "cpu"}
CUT = "cut to their centre squares and resized to"
FLAGS = ["--split", "all", "--seeds", "1", "--steps", "2", "--width", "4", "--device", "cpu"]


def images(size: int = 8, channels: int = 3, count: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, classes: tuple[str, ...] | None = NAMES) -> Path:
    """An .npz of the classes by turns, with names or without."""
    names = {} if classes is None else {"classes": np.array(classes)}
    count = 3 if classes is None else len(classes)
    np.savez(path, images=pixels, labels=np.arange(len(pixels)) % count, **names)  # type: ignore[arg-type]
    return path


def judged(rud: Path, real: Path, *flags: str) -> Any:
    return CliRunner().invoke(main, ["eval", str(rud), "--real", str(real), *FLAGS, *flags])


# ---- classes


def test_numbers_of_real_images_stand_for_the_names_of_a_file(rud: Path, tmp_path: Path) -> None:
    labels = np.arange(12) % 3
    with pytest.warns(RuntimeWarning, match="classes are numbers; taken as 0: ant, 1: bee, 2: cicada"):
        numbered = evaluate(rud, (images(), labels), **QUICK)
    named = evaluate(rud, save(tmp_path / "named.npz", images()), **QUICK)
    assert numbered.confusion == named.confusion
    result = judged(rud, save(tmp_path / "numbers.npz", images(), None))
    assert result.exit_code == 0, result.output


def test_other_numbers_stand_for_no_names(rud: Path) -> None:
    for labels in (np.arange(12) % 2, np.arange(12) % 4, np.arange(12) % 3 + 1):
        with pytest.raises(
            DataError, match=r"has no class ant.*\(numbers stand for names where they are 0 to 2"
        ):
            evaluate(rud, (images(), labels), **QUICK)


def test_a_missing_class_has_nothing_to_do_with_numbers(rud: Path) -> None:
    names = np.array(["ant", "bee"])[np.arange(12) % 2]
    with pytest.raises(DataError, match=r"has no class cicada, which .* has; its classes are ant, bee$"):
        evaluate(rud, (images(), names), **QUICK)


@pytest.mark.parametrize("slip", ["Cicada", "cicadae", "CI-CADA"])
def test_a_name_that_is_nearly_the_same_is_told(rud: Path, tmp_path: Path, slip: str) -> None:
    real = save(tmp_path / "real.npz", images(), ("ant", "bee", slip))
    with pytest.raises(DataError, match=rf"has no class cicada.* \(nearest is {slip}: names must be equal\)"):
        evaluate(rud, real, **QUICK)
    real = save(tmp_path / "real.npz", images(), ("ant", "bee", "wasp"))
    with pytest.raises(DataError, match=r"its classes are ant, bee, wasp$"):
        evaluate(rud, real, **QUICK)


# ---- notes


def test_what_the_command_notes_of_a_set_is_logged_in_python(
    rud: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    real = save(tmp_path / "real.npz", (images() // 16).astype(np.float32))
    note = "images are nearly black, 15 of 255 at most; scale them if need be"
    evaluate(rud, real, **QUICK)
    assert (f"{real}, all: {note}", "WARNING") in [
        (log.getMessage(), log.levelname) for log in caplog.records
    ]
    caplog.clear()
    result = judged(rud, real)
    assert result.stderr.count(note) == 1 and f"note: {note}" in result.stderr
    assert not caplog.records


def test_a_set_that_is_read_in_python_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rudcodec")
    soft = np.eye(3, dtype=np.float32)[np.arange(12) % 3] * 0.5 + 0.1
    np.savez(tmp_path / "s.npz", images=images(), labels=soft, classes=np.array(NAMES), more=soft)
    load(tmp_path / "s.npz", "train")
    where = f"{tmp_path / 's.npz'}, train: "
    assert [(log.getMessage().removeprefix(where), log.levelname) for log in caplog.records] == [
        ("9 images of 3 classes (ant, bee, cicada), 3 of each", "INFO"),
        ("labels are soft: the likeliest class of each image counts", "WARNING"),
        ("passed over: 1 without use (more)", "INFO"),
    ]


# ---- sizes and colours


@pytest.mark.parametrize(
    ("shapes", "note"),
    [
        ([(9, 9)], "images of 9x9 pixels are resized to 8x8"),
        ([(9, 9), (4, 4), (8, 8)], "images of 4x4 to 9x9 pixels are resized to 8x8"),
        ([(8, 8), (99, 8), (20, 20)], f"images of 8x8 to 8x99 pixels are {CUT} 8x8"),
        ([(640, 480), (480, 640)], f"images of 480x640 to 640x480 pixels are {CUT} 8x8"),
        ([(8, 8)], None),
    ],
)
@pytest.mark.parametrize("as_items", [False, True])
def test_images_are_not_resized_without_a_word(
    rud: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    shapes: list[tuple[int, int]],
    note: str | None,
    as_items: bool,
) -> None:
    """Also those of JPEGs, of which the decoder leaves detail out."""
    pictures = [Image.new("RGB", (shape[1], shape[0]), "teal") for shape in shapes]
    items = [(pictures[i % len(pictures)], NAMES[i % 3]) for i in range(12)]
    for i, (picture, name) in enumerate(items):
        (tmp_path / "real" / name).mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / "real" / name / f"{i}.jpg")
    evaluate(rud, items if as_items else tmp_path / "real", **QUICK)
    noted = [log.getMessage().partition(", all: ")[2] for log in caplog.records if log.levelname == "WARNING"]
    assert noted == ([note] if note else [])
    if not as_items:
        result = judged(rud, tmp_path / "real")
        assert [line for line in result.stderr.splitlines() if "note: " in line] == [
            f"note: {n}" for n in noted
        ]


def test_arrays_are_not_resized_without_a_word(rud: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate(rud, (images(12), np.array(NAMES)[np.arange(12) % 3]), **QUICK)
    assert caplog.messages == ["tuple, all: images of 12x12 pixels are resized to 8x8"]


def test_what_converts_colours_is_named_and_helps(rud: Path, tmp_path: Path) -> None:
    real = save(tmp_path / "grey.npz", images(12, channels=1))
    wrong = "grey: images are 12x12 grey, the file's are 8x8 colour; convert them (--mode rgb, in Python "
    with pytest.raises(DataError, match=re.escape(f"{wrong}reading=Reading(mode='rgb'))")):
        evaluate(rud, real, **QUICK)
    assert wrong in judged(rud, real).stderr
    found = evaluate(rud, real, reading=Reading(mode="rgb"), **QUICK)
    assert found.real_images == 12 and judged(rud, real, "--mode", "rgb").exit_code == 0
    with pytest.raises(DataError, match=r"8x8 colour; convert them"):
        evaluate(rud, load(real, "all", 8), **QUICK)
    with pytest.raises(SettingError, match="reading: the real images are read already"):
        evaluate(rud, load(real, "all", 8, reading=Reading(mode="rgb")), reading=Reading(mode="rgb"), **QUICK)


def test_colour_pictures_judge_a_grey_file(tmp_path: Path) -> None:
    """As torchvision's ImageFolder makes them of a decompressed grey set."""
    bitstream.write(small_payload(channels=1), tmp_path / "grey.rud")
    items = [(Image.new("RGB", (8, 8), (i, i, i)), NAMES[i % 3]) for i in range(12)]
    with pytest.raises(DataError, match=r"8x8 colour, the file's are 8x8 grey; convert them \(--mode grey, "):
        evaluate(tmp_path / "grey.rud", items, **QUICK)
    assert evaluate(tmp_path / "grey.rud", items, reading=Reading(mode="grey"), **QUICK).real_images == 12


# ---- what is judged


def test_several_files_are_judged_as_one_set(rud: Path, tmp_path: Path) -> None:
    bitstream.write(small_payload(1), tmp_path / "other.rud")
    real = save(tmp_path / "real.npz", images())
    files = [rud, tmp_path / "other.rud"]
    together = evaluate(files, real, **QUICK)
    assert together.train_images == 24
    rudcodec.merge(files, tmp_path / "merged.rud")
    for same in (tmp_path / "merged.rud", (tmp_path / "merged.rud").read_bytes(), tuple(files)):
        assert evaluate(same, real, **QUICK).confusion == together.confusion


@pytest.mark.parametrize("wrong", [None, 3, {"a": 1}, (images(), np.arange(12) % 3)])
def test_what_is_no_set_is_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"a \.rud file is a path, an open binary file or bytes, not "):
        evaluate(wrong, (images(), np.arange(12) % 3), **QUICK)
