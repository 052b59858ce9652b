"""How pictures are read: colour, transparency, unreadable ones; arrays of floats and one-hot labels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import png
from PIL import Image
from test_data import STORES, encoded, put, refusal, tones, toy

from rudcodec import DataError, SettingError
from rudcodec.data import LabelledImages, Reading, SourceReport, load
from rudcodec.data.sizes import SizeRange


def mixed(tmp_path: Path) -> Path:
    """One grey picture among colour ones."""
    colour = np.zeros((4, 6, 3), np.uint8)
    colour[..., 0] = 200
    files = {f"{c}/{i}.png": png(colour) for c in "ab" for i in range(2)}
    return put(tmp_path / "mixed", files | {"a/9.png": encoded(77, mode="L")})


def test_grey_among_colour_is_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    text = refusal(mixed(tmp_path), "all")
    assert "a/9.png is grey, but" in text and "(--mode rgb or --mode grey)" in text


@pytest.mark.parametrize("as_items", [False, True])
@pytest.mark.parametrize("is_turned", [False, True])
def test_pictures_that_are_turned_upright_differ_in_size(
    tmp_path: Path, is_turned: bool, as_items: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    odd = encoded(9, (6, 4), kind="JPEG", exif=exif) if is_turned else encoded(9, (4, 6), kind="JPEG")
    files = {f"{c}/{i}.jpg": encoded(9, (6, 4), kind="JPEG") for c in "ab" for i in range(2)} | {
        "b/9.jpg": odd
    }
    source = put(tmp_path / "set", files)
    items = [(Image.open(io.BytesIO(data)), name[0]) for name, data in files.items()]
    text = refusal(items if as_items else source, "all")
    assert "is 4x6 pixels, but " in text and "give a size (--size) to make them equal" in text
    assert ("EXIF data turn some of these pictures upright" in text) == is_turned
    assert len(load(items if as_items else source, "all", 4)) == 5


@pytest.mark.parametrize("size", [None, 3])
def test_modes_convert(tmp_path: Path, size: int | None) -> None:
    source = mixed(tmp_path)
    colour = load(source, "all", reading=Reading(size, "rgb"))
    assert colour.channels == 3
    assert (colour.images[2] == 77).all() and (colour.images[[0, 1, 3, 4]] == (200, 0, 0)).all()
    grey = load(source, "all", reading=Reading(size, "grey"))
    assert tones(grey) == [60, 60, 77, 60, 60] and grey.channels == 1  # 0.299 of red


def test_modes_convert_arrays_too(tmp_path: Path) -> None:
    images = np.full((4, 2, 2, 3), (0, 0, 255), np.uint8)
    np.savez(tmp_path / "s.npz", images=images, labels=np.arange(4) % 2)
    assert tones(load(tmp_path / "s.npz", "all", reading=Reading(mode="grey"))) == [29] * 4
    np.savez(tmp_path / "g.npz", images=images[..., 2], labels=np.arange(4) % 2)
    assert (load(tmp_path / "g.npz", "all", reading=Reading(mode="rgb")).images == 255).all()


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ("white", (228, 128, 128)),
        ("#000000", (100, 0, 0)),
        ("Lime", (100, 127, 0)),
        ("#0000ff", (100, 0, 127)),
    ],
)
def test_transparent_pixels_are_put_on_the_background(
    tmp_path: Path, background: str, expected: tuple[int, int, int]
) -> None:
    clear = np.zeros((4, 6, 4), np.uint8)
    clear[...] = (200, 0, 0, 128)
    source = put(tmp_path / "set", {f"{c}/x.png": png(clear) for c in "ab"})
    assert "a/x.png has transparent pixels; give a background (--background white)" in refusal(source, "all")
    found = load(source, "all", reading=Reading(background=background))
    assert np.abs(found.images.astype(int) - expected).max() <= 1


def test_transparent_grey_stays_grey_on_grey(tmp_path: Path) -> None:
    clear = np.full((4, 6, 2), (100, 0), np.uint8)
    source = put(tmp_path / "set", {f"{c}/x.png": png(clear) for c in "ab"})
    grey = load(source, "all", reading=Reading(background="#404040"))
    assert grey.channels == 1 and (grey.images == 0x40).all()
    colour = load(source, "all", reading=Reading(background="red"))
    assert (colour.images == (255, 0, 0)).all()


def test_a_transparent_colour_of_a_palette(tmp_path: Path) -> None:
    flat = Image.new("P", (4, 4), 1)
    flat.putpalette([0, 0, 0, 9, 8, 7])
    file = io.BytesIO()
    flat.save(file, "PNG", transparency=1)
    source = put(tmp_path / "set", {f"{c}/x.png": file.getvalue() for c in "ab"})
    assert "transparent" in refusal(source, "all")
    assert (load(source, "all", reading=Reading(background="white")).images == 255).all()


@pytest.mark.parametrize("store", ["folder", "zip", "tar.gz"])
def test_unreadable_pictures_are_left_out_and_listed(tmp_path: Path, store: str) -> None:
    files = toy("", 4, 5)
    bad = {"cat/001.png": b"", "dog/000.png": b"<html>", "dog/003.png": encoded(1)[:-30]}
    source = STORES[store](tmp_path, files | bad)
    assert "cat/001.png is not a picture, but an empty file" in refusal(source, "all")
    calls: list[tuple[int, int]] = []
    found = load(source, "all", progress=lambda *s: calls.append(s), reading=Reading(skip_bad=True))
    assert tones(found) == [0, 2, 3, 101, 102, 104] and found.labels.tolist() == [0] * 3 + [1] * 3
    assert calls[-1] == (9, 9)
    report = found.report
    assert report is not None and report.images == 6 and len(report.bad) == 3
    listed = sorted(line.split("set", 1)[1] for line in report.bad)
    assert "dog/000.png is not a picture, but a web page or XML" in listed[1]
    assert "dog/003.png can't be read as a picture: it is damaged or cut short" in listed[2]
    assert any(line.startswith("left out, since unreadable: 3, such as ") for line in report.lines())
    assert load(source, "all", reading=Reading(2, skip_bad=True)).images.shape == (6, 2, 2, 3)


def test_validation_does_not_depend_on_what_can_be_read(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy() | {"dog/000.png": b"x"})
    skip = Reading(skip_bad=True)
    assert tones(load(source, "val", reading=skip)) == [11, 123, 124]
    assert tones(load(source, reading=skip)) == [*range(11), *range(101, 123)]


def test_a_class_of_unreadable_pictures_only(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy() | {"cow/1.png": b"x", "cow/2.png": b"y"})
    with pytest.raises(DataError, match="class 'cow' has 2 pictures, of which none can be read"):
        load(source, "all", reading=Reading(skip_bad=True))
    broken = put(tmp_path / "broken", dict.fromkeys(("a/1.png", "b/2.png"), b"x"))
    reason = r"has 2 pictures, of which none can be read, such as .*a/1\.png is not a picture"
    with pytest.raises(DataError, match=reason):
        load(broken, "all", reading=Reading(skip_bad=True))


@pytest.mark.parametrize(
    "values",
    [{"size": 0}, {"size": 10**6}, {"mode": "L"}, {"background": "#fff0"}, {"background": "none"},
     {"background": "rgb(1,2,3)"}, {"background": "\x1b[1m"}, {"classes": "cat"},
     {"classes": [1]}, {"classes": []}],
)  # fmt: skip
def test_reading_checks_itself(values: dict[str, object]) -> None:
    with pytest.raises(SettingError) as caught:
        Reading(**values)  # type: ignore[arg-type]
    assert next(iter(values)) in str(caught.value) and str(caught.value).isprintable()


def test_some_classes_of_a_source() -> None:
    images = np.arange(60, dtype=np.uint8)[:, None, None, None] + np.zeros((60, 4, 4, 3), np.uint8)
    labels = np.array(["a", "b", "c"])[np.arange(60) % 3]
    source = {"train": (images, labels), "test": (images[:5], ["a", "c", "a", "a", "c"])}
    whole = load(source)
    for classes in (["c", "a"], {"a", "c"}, ("a", "c", "a")):
        some = load(source, reading=Reading(classes=classes))
        assert some.classes == ("a", "c") and some.ipc_counts() == (18, 18)
        np.testing.assert_array_equal(some.images, whole.images[whole.labels != 1])
    assert load(source, "test", reading=Reading(classes=["c", "a"])).ipc_counts() == (3, 2)
    with pytest.raises(DataError, match="has no class d; its classes are a, b, c"):
        load(source, reading=Reading(classes=["a", "d"]))
    with pytest.raises(DataError, match="class 'b' has no image in test"):
        load(source, "test", reading=Reading(classes=["a", "b"]))


def test_size_may_be_given_either_way(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy("", 2, 2))
    for found in (
        load(source, "all", 3),
        load(source, "all", reading=Reading(3)),
        load(source, "all", 3, None),
    ):
        assert found.images.shape == (4, 3, 3, 3)
    assert load(source, "all", 3, reading=Reading(mode="grey")).images.shape == (4, 3, 3, 1)


# ---- arrays


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "bool", "normalised"])
def test_npz_of_floats_and_one_hot_labels(tmp_path: Path, kind: str) -> None:
    levels = np.random.default_rng(1).integers(0, 256, (6, 3, 5, 5), dtype=np.uint8)
    arrays: dict[str, Any] = {}
    if kind == "bool":
        levels = levels // 128 * 255
        arrays["images"] = levels > 0
    elif kind == "normalised":
        mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.4])
        arrays |= {
            "images": (levels / 255 - mean[:, None, None]) / std[:, None, None],
            "mean": mean,
            "std": std,
        }
    else:
        arrays["images"] = (levels / 255).astype(kind)
    order = [2, 0, 1, 1, 0, 2]
    for one_hot in (np.eye(3, dtype=np.float32), np.eye(3, dtype=np.uint8), np.eye(3, dtype=bool)):
        np.savez(tmp_path / "s.npz", labels=one_hot[order], **arrays)
        found = load(tmp_path / "s.npz", "all")
        assert found.labels.tolist() == [0, 0, 1, 1, 2, 2] and found.classes == ("0", "1", "2")
        assert np.array_equal(found.images, levels.transpose(0, 2, 3, 1)[[1, 4, 2, 3, 0, 5]])
    np.savez(
        tmp_path / "s.npz", labels=np.eye(3)[[2, 0, 1, 1, 0, 2]], classes=np.array(["x", "y", "z"]), **arrays
    )
    assert load(tmp_path / "s.npz", "all").classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("images", "labels", "why"),
    [
        (
            np.full((2, 2, 2), 1.5),
            np.arange(2),
            "0..255, not 1.5..1.5; normalised ones need",
        ),
        (np.full((2, 2, 2), np.nan), np.arange(2), "not nan..nan"),
        (np.full((2, 2, 2), -0.1), np.arange(2), "not -0.1..-0.1"),
        (np.full((2, 2, 2), 1j), np.arange(2), "not complex128"),
        (
            np.zeros((2, 2, 2)),
            np.array([[0.5, 0.5], [1, 0]]),
            "one whole number or text",
        ),
        (
            np.zeros((2, 2, 2)),
            np.array([2**64 - 1, 0], np.uint64),
            "label 18446744073709551615 is too",
        ),
        (np.zeros((2, 2, 2)), np.array(["a" * 2000, "b"]), "labels of more than 1024 characters"),
    ],
)
def test_npz_of_other_numbers(tmp_path: Path, images: np.ndarray, labels: np.ndarray, why: str) -> None:
    np.savez(tmp_path / "s.npz", images=images, labels=labels)
    assert why in refusal(tmp_path / "s.npz", "all")


@pytest.mark.parametrize(
    ("images", "mean", "why"),
    [
        (np.full((2, 2, 2), 1e300), np.zeros(1), "images lie in 1e+300..1e+300, which no mean"),
        (np.full((2, 2, 2), np.nan), np.zeros(1), "the normalised images hold NaN"),
        (
            np.full((2, 2, 2), -0.5),
            np.full(1, 1e300),
            "mean has numbers that no normalisation has: 1e+300..1e+300",
        ),
        (np.full((2, 2, 2), 2.5), np.zeros(2), "mean must be a float, not 2 of type float64"),
    ],
)
def test_npz_normalised_by_nonsense(tmp_path: Path, images: np.ndarray, mean: np.ndarray, why: str) -> None:
    np.savez(tmp_path / "s.npz", images=images, labels=np.arange(2), mean=mean, std=np.ones(1))
    assert why in refusal(tmp_path / "s.npz", "all")


# ---- the report


def test_every_source_has_a_report(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", images=np.full((30, 2, 2), 99, np.uint8), labels=np.arange(30) % 10)
    found = load(tmp_path / "s.npz", "all")
    where = str(tmp_path / "s.npz")
    assert found.report == SourceReport(
        where,
        "all",
        tuple("0123456789"),
        30,
        ("0", 3),
        ("0", 3),
        brightest=99,
        sizes=SizeRange((2, 2), (2, 2)),
    )
    assert list(found.report.lines()) == [
        f"{where}, all: 30 images of 10 classes (0, 1, 2, 3, 4, ...), 3 of each"
    ]
    assert LabelledImages(found.images, found.labels, found.classes, "x").report is None
    assert found.take(np.array([0, 1])).report is None
