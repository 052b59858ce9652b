"""Class folders, on disk and in archives: what is read, how it is split, what is refused in which words."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rudcodec import DataError, RudError, SettingError
from rudcodec.data import LabelledImages, Reading, load, splits

REAL = Path(__file__).parents[1] / ".." / "shared" / "data" / "cifar10-train.zip"


def encoded(
    value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB", kind: str = "PNG", **options: object
) -> bytes:
    """A picture of (width, height) in one tone."""
    tone = value if mode in ("1", "L", "P", "I;16", "I") else (value,) * len(mode)
    file = io.BytesIO()
    Image.new(mode, size, tone).save(file, kind, **options)
    return file.getvalue()


def toy(prefix: str = "", cats: int = 12, dogs: int = 25) -> dict[str, bytes]:
    """Two classes; the tone of an image is its number, 100 higher for dogs."""
    files = {f"{prefix}cat/{i:03}.png": encoded(i) for i in range(cats)}
    return files | {f"{prefix}dog/{i:03}.png": encoded(100 + i) for i in range(dogs)}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    mode: Any = "w:" + {".tar": "", ".gz": "gz", ".xz": "xz", ".bz2": "bz2"}[path.suffix]
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def tones(found: LabelledImages) -> list[int]:
    return [int(v) for v in found.images[:, 0, 0, 0]]


def refusal(source: Any, split: str = "train", size: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load(source, split, size)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text and text
    return text


STORES: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": lambda at, files: put(at / "set", files),
    "zip": lambda at, files: zipped(at / "set.zip", files),
    "tar": lambda at, files: tarred(at / "set.tar", files),
    "tar.gz": lambda at, files: tarred(at / "set.tar.gz", files),
    "tar.xz": lambda at, files: tarred(at / "set.tar.xz", files),
    "tar.bz2": lambda at, files: tarred(at / "set.tar.bz2", files),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("prefix", ["", "pets/", "a/b/"])
def test_every_store_gives_the_same_set(tmp_path: Path, store: str, prefix: str) -> None:
    files = toy(prefix)
    source = STORES[store](tmp_path, dict(sorted(files.items(), reverse=True)))  # stored out of order
    found = load(source, "all")
    assert found.name == "set"
    assert found.classes == ("cat", "dog")
    assert found.images.dtype == np.uint8 and found.images.shape == (37, 4, 6, 3)
    assert (found.height, found.width, found.channels, len(found)) == (4, 6, 3, 37)
    assert found.labels.dtype == np.int64 and found.labels.tolist() == [0] * 12 + [1] * 25
    assert found.ipc_counts() == (12, 25)
    assert tones(found) == [*range(12), *range(100, 125)]
    assert splits(source) == ("train", "val")


def test_validation_is_the_last_tenth_of_each_class(tmp_path: Path) -> None:
    source = zipped(tmp_path / "s.zip", toy())
    assert tones(load(source, "val")) == [11, 123, 124]
    assert tones(load(source)) == [*range(11), *range(100, 123)]
    assert "has no test split, only train, val" in refusal(source, "test")


@pytest.mark.parametrize("store", ["folder", "zip", "tar"])
def test_splits_of_the_source_are_kept(tmp_path: Path, store: str) -> None:
    files = (
        toy("p/Train/", 3, 3)
        | toy("p/valid/", 2, 1)
        | {"p/test/dog/x.png": encoded(7), "p/docs/readme.txt": b"x"}
    )
    source = STORES[store](tmp_path, files)
    assert splits(source) == ("train", "val", "test")
    assert tones(load(source)) == [0, 1, 2, 100, 101, 102]
    assert tones(load(source, "val")) == [0, 1, 100]
    test = load(source, "test")
    assert (tones(test), test.labels.tolist(), test.classes) == ([7], [1], ("cat", "dog"))
    both = load(source, "all")
    assert tones(both) == [0, 1, 2, 0, 1, 100, 101, 102, 100]
    assert both.labels.tolist() == [0] * 5 + [1] * 4


def test_a_set_with_train_and_test_only_holds_out_of_train(tmp_path: Path) -> None:
    source = put(tmp_path, toy("train/", 4, 4) | toy("test/", 1, 1))
    assert splits(source) == ("train", "val", "test")
    assert tones(load(source, "val")) == [3, 103]
    assert tones(load(source, "test")) == [0, 100]


def test_a_set_with_test_only(tmp_path: Path) -> None:
    source = put(tmp_path, toy("test/", 1, 1))
    assert splits(source) == ("test",)
    for split in ("train", "val", "all"):
        assert f"has no {split} split, only test" in refusal(source, split)


def test_junk_is_passed_over_and_pictures_may_lie_deeper(tmp_path: Path) -> None:
    files = {"n1/images/a.JPEG": encoded(3, kind="JPEG"), "n1/boxes.txt": b"1 2", "n2/b.png": encoded(4)}
    junk = {"__MACOSX/n1/._a.png": b"?", "n1/.DS_Store": b"?", ".git/x.png": b"?", "labels.json": b"{}"}
    found = load(put(tmp_path, files | junk), "all")
    assert (found.classes, tones(found)) == (("n1", "n2"), [3, 4])


def test_classes_and_images_are_sorted_by_name(tmp_path: Path) -> None:
    files = {"b/10.png": encoded(10), "b/9.png": encoded(9), "B/1.png": encoded(1), "a/1.png": encoded(2)}
    found = load(zipped(tmp_path / "s.zip", files), "all")
    assert found.classes == ("B", "a", "b")
    assert tones(found) == [1, 2, 10, 9]


def test_names_as_windows_tools_write_them(tmp_path: Path) -> None:
    files = {name.replace("/", "\\"): data for name, data in toy("x/", 2, 2).items()} | {"x\\cat\\": b""}
    assert load(zipped(tmp_path / "s.zip", files), "all").ipc_counts() == (2, 2)


def test_leading_dots_and_slashes_mean_nothing(tmp_path: Path) -> None:
    assert load(tarred(tmp_path / "s.tar", toy("./", 2, 2)), "all").ipc_counts() == (2, 2)
    assert load(zipped(tmp_path / "s.zip", toy("/", 2, 2)), "all").ipc_counts() == (2, 2)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_an_archive_may_hold_its_own_root(tmp_path: Path, form: int) -> None:
    """As `tar -C set -cf s.tar .` makes it."""
    put(tmp_path / "set", toy("", 2, 2))
    with tarfile.open(tmp_path / "s.tar", "w", format=form) as archive:
        archive.add(tmp_path / "set", ".")
    assert load(tmp_path / "s.tar", "all").ipc_counts() == (2, 2)
    for root in ("./", "/", ".", "\\"):
        source = zipped(tmp_path / "s.zip", {root: b""} | toy("./", 2, 2))
        assert load(source, "all").ipc_counts() == (2, 2)


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        ("L", "PNG", 1), ("1", "PNG", 1), ("LA", "PNG", 1), ("I;16", "PNG", 1), ("L", "JPEG", 1),
        ("L", "TIFF", 1), ("I;16", "TIFF", 1),
        ("RGB", "PNG", 3), ("P", "PNG", 3), ("RGBA", "PNG", 3), ("RGB", "BMP", 3), ("CMYK", "JPEG", 3),
        ("RGB", "WEBP", 3), ("RGB", "AVIF", 3), ("RGB", "GIF", 3),
    ],
)  # fmt: skip
def test_kinds_of_picture(tmp_path: Path, mode: str, kind: str, channels: int) -> None:
    white: dict[str, tuple[int, ...] | int] = {
        "L": 255,
        "1": 255,
        "P": 255,
        "LA": (255,) * 2,
        "RGB": (255,) * 3,
    }
    white |= {"RGBA": (255,) * 4, "CMYK": (0,) * 4, "I;16": 0xFF12}
    file = io.BytesIO()
    Image.new(mode, (4, 4), white[mode]).save(file, kind)
    files = {f"{k}/x.{kind.lower()}": file.getvalue() for k in "ab"}
    found = load(put(tmp_path, files), "all")
    assert found.channels == channels
    if mode != "P":  # whose colours Pillow chooses
        assert found.images.min() == 255


@pytest.mark.parametrize("top", [256, 1023, 4095, 65535])
@pytest.mark.parametrize("magic", ["P5", "P2"])
def test_a_pgm_of_16_bits_is_its_upper_8(tmp_path: Path, magic: str, top: int) -> None:
    samples = [0, top // 4, top // 2, top]
    body = struct.pack(">4H", *samples) if magic == "P5" else " ".join(map(str, samples)).encode()
    data = f"{magic}\n4 1\n{top}\n".encode() + body
    found = load(put(tmp_path, {f"{k}/x.pgm": data for k in "ab"}), "all")
    assert found.channels == 1
    assert found.images[0, 0, :, 0].tolist() == [round(65535 * sample / top) >> 8 for sample in samples]


@pytest.mark.parametrize("alpha", [0xFFFF, 0])
def test_grey_with_alpha_of_16_bits_is_grey(tmp_path: Path, alpha: int) -> None:
    head = chunk(b"IHDR", struct.pack(">2I5B", 2, 1, 16, 4, 0, 0, 0))
    row = zlib.compress(b"\0" + struct.pack(">4H", 0x1234, alpha, 0xFE80, 0xFFFF))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    source = put(tmp_path, {f"{k}/x.png": data for k in "ab"})
    if alpha == 0:
        assert "x.png has transparent pixels" in refusal(source, "all")
    found = load(source, "all", reading=Reading(background="white"))
    assert found.images[0].tolist() == [[[0x12 if alpha else 255], [0xFE]]]


def test_camera_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    files = {f"{k}/x.jpg": encoded(9, (6, 4), kind="JPEG", exif=exif) for k in "ab"}
    found = load(put(tmp_path, files), "all")
    assert (found.height, found.width) == (6, 4)


def test_size_takes_the_centre_square(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 0, 255), (10, 0, 30, 20))
    file = io.BytesIO()
    picture.save(file, "PNG")
    found = load(put(tmp_path, {"a/x.png": file.getvalue(), "b/y.png": encoded(50, (9, 30))}), "all", size=10)
    assert found.images.shape == (2, 10, 10, 3)
    assert (found.images[0, :, 1:-1] == (0, 0, 255)).all()
    assert (found.images[1] == 50).all()


def test_size_antialiases_and_leaves_what_fits(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(board).save(file, "PNG")
    source = put(tmp_path, {"a/x.png": file.getvalue(), "b/x.png": file.getvalue()})
    assert np.abs(load(source, "all", size=8).images[:, 1:-1, 1:-1].astype(int) - 127).max() <= 2
    assert (load(source, "all", size=64).images[0, :, :, 0] == board).all()


@pytest.mark.parametrize("size", [0, -3, 100_000])
def test_bad_sizes(tmp_path: Path, size: int) -> None:
    with pytest.raises(SettingError, match=str(size)):
        load("digits", size=size)


def test_a_picture_that_pillow_warns_about_is_read_in_silence(tmp_path: Path) -> None:
    odd = encoded(9, kind="JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\1\x12")  # cut short
    assert tones(load(put(tmp_path, {"a/x.jpg": odd, "b/x.jpg": odd}), "all")) == [9, 9]


def test_bad_split() -> None:
    with pytest.raises(SettingError, match="'dev'"):
        load("digits", "dev")  # type: ignore[arg-type]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load(put(tmp_path, toy()), "all", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (37, 37)
    assert calls == sorted(set(calls)) and len(calls) <= 37


# ---- what can't be used


def test_mixed_sizes_name_both_files(tmp_path: Path) -> None:
    source = zipped(tmp_path / "s.zip", toy() | {"dog/odd.png": encoded(1, (5, 5))})
    text = refusal(source, "all")
    assert text == (
        f"{source}: dog/odd.png is 5x5 pixels, but {source}: cat/000.png is 6x4; "
        "give a size (--size) to make them equal"
    )
    assert len(load(source, "all", size=4)) == 38


def test_mixed_channels_name_both_files(tmp_path: Path) -> None:
    source = put(tmp_path, toy() | {"dog/grey.png": encoded(1, mode="L")})
    text = refusal(source, "all", 4)
    assert f"{source}/dog/grey.png is grey, but {source}/cat/000.png is colour" in text


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


BOMB = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    + chunk(b"IEND", b"")
)
HUGE = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 99, 8, 2, 0, 0, 0))
    + chunk(b"IEND", b"")
)


@pytest.mark.parametrize("store", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a picture"),
        (b"hello", "not a picture"),
        (encoded(1)[:-30], "can't be read as a picture"),
        (encoded(1, (60, 40), kind="JPEG")[:400], "can't be read as a picture"),
        (BOMB, "9000x9000 pixels"),
        (HUGE, "more than 67108864 pixels"),
        (encoded(100, mode="RGBA"), "transparent pixels"),
        (encoded(200, mode="I;16"), "samples of 16 bits, the largest of which is 200 of 65535"),
        (encoded(1, mode="I", kind="TIFF"), "kind I"),
    ],
    ids=["empty", "text", "cut PNG", "cut JPEG", "big", "huge", "transparent", "16 bit", "32 bit"],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, store: str, data: bytes, why: str) -> None:
    text = refusal(STORES[store](tmp_path, toy() | {"dog/024.png": data}), "val")
    assert "dog/024.png" in text and why in text


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, ": no images"),
        ({"a/notes.txt": b"x"}, "holds 1 file .txt, no pictures; pictures are .jpg"),
        ({"x.png": encoded(1), "y.png": encoded(2)}, "x.png lies in no class folder"),
        ({"train/x.png": encoded(1), "test/y.png": encoded(2)}, "test/y.png lies in no class folder"),
        ({"cat/x.png": encoded(1)}, "two classes or more, has only cat"),
        (
            toy() | {"bird/notes.txt": b""},
            "bird/ lies among the class folders but has no picture that can be read, but 1 file .txt; ",
        ),
        (
            toy("train/") | {"more/x.png": encoded(1)},
            "train/ is a split, but more/, which has images, is none; call splits train, val and test",
        ),
        (toy("train/") | toy("training/"), "are both the train split"),
        (toy("one/train/") | toy("two/"), "one/train/ belongs to a set further down"),
        (toy() | {"c\nt/x.png": encoded(1)}, "'c\\nt' can't be a class name"),
    ],
)
@pytest.mark.parametrize("store", ["folder", "zip"])
def test_trees_without_an_order(tmp_path: Path, store: str, files: dict[str, bytes], why: str) -> None:
    (tmp_path / "set").mkdir()
    assert why in refusal(STORES[store](tmp_path, files))


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    (put(tmp_path, toy()) / "bird").mkdir()
    assert "bird/ lies among the class folders but has no images; " in refusal(tmp_path)
    assert load(tmp_path, "all", reading=Reading(skip_bad=True)).classes == ("cat", "dog")


def test_a_class_of_one_image(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy(cats=1))
    for split in ("train", "val"):
        assert "class 'cat' has one image" in (text := refusal(source, split)) and "--split all" in text
    assert load(source, "all").ipc_counts() == (1, 25)
    own_validation = put(tmp_path / "own", toy("train/", cats=1) | toy("val/"))
    assert load(own_validation).ipc_counts() == (1, 25)


def test_odd_names_stay_on_one_line(tmp_path: Path) -> None:
    for store in (put, lambda at, files: zipped(at / "s.zip", files)):
        assert "a\\nb.png" in refusal(store(tmp_path, toy() | {"cat/a\nb.png": b""}), "all")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    source = put(tmp_path, toy())
    (source / "cat" / "again").symlink_to(source)
    assert "deep" in refusal(source)


def test_linked_class_folders_are_read(tmp_path: Path) -> None:
    put(tmp_path / "store", toy())
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "store" / name)
    assert load(tmp_path / "set", "all").ipc_counts() == (12, 25)


def test_archives_with_odd_entries(tmp_path: Path) -> None:
    assert "'../x.png' points out of the archive" in refusal(
        zipped(tmp_path / "a.zip", toy() | {"../x.png": b""})
    )
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a/x.png", encoded(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/x.png", encoded(1))
    assert "a/x.png is there twice" in refusal(tmp_path / "b.zip")
    data = bytearray(zipped(tmp_path / "c.zip", toy()).read_bytes())
    for mark, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(mark) + at] |= 1
    (tmp_path / "c.zip").write_bytes(data)
    assert "cat/000.png is encrypted" in refusal(tmp_path / "c.zip")


def test_damaged_archives(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", toy())
    data = bytearray(path.read_bytes())
    data[data.index(encoded(3)) + 20] ^= 255
    path.write_bytes(data)
    assert "cat/003.png can't be unpacked: its checksum doesn't match" in refusal(path)
    path = tarred(tmp_path / "b.tar.gz", toy())
    path.write_bytes(path.read_bytes()[:-300])
    assert f"{path}: the archive is damaged" in refusal(path)
    path = tarred(tmp_path / "c.tar", toy())
    path.write_bytes(path.read_bytes()[:5000])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("name", ["x.txt", "x.zip", "x.tar.gz", "x.npz", "x"])
def test_files_of_no_known_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not an archive")
    assert f"{tmp_path / name}: not a" in refusal(tmp_path / name)


def test_all_kinds_of_file_that_are_read_are_listed(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"words")
    text = refusal(tmp_path / "x.txt")
    assert "not an image set, but a text; a set is a folder, a .zip or .tar (gz, bz2, xz), or a file" in text
    listed = set(text.partition(" of the kinds ")[2].split(", "))
    for ending in (
        ".npz", ".npy", ".mat", ".safetensors", ".pt", ".pth", ".parquet", ".arrow", ".csv", ".tsv", ".jsonl",
    ):  # fmt: skip
        (tmp_path / f"x{ending}").write_bytes(b"words")
        with pytest.raises(RudError) as caught:  # one of them may want a library
            load(tmp_path / f"x{ending}")
        assert "not an image set" not in str(caught.value)
        listed.remove(ending)
    assert listed == {"IDX"}


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    text = refusal(tmp_path / "gone")
    assert f"{tmp_path / 'gone'}: no such file or folder" in text and "digits, cifar10" in text
    assert "empty" in refusal("")
    assert "x" * 300 in refusal("x" * 300)


@pytest.mark.parametrize(
    ("images", "labels", "classes", "why"),
    [
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64), ("a", "b"), "images must be uint8"),
        (np.zeros((2, 4, 4, 3)), np.zeros(2, np.int64), ("a", "b"), "not float64"),
        (np.zeros((2, 4, 4, 2), np.uint8), np.zeros(2, np.int64), ("a", "b"), "1 or 3"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, np.int64), ("a", "b"), "no images"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int32), ("a", "b"), "labels must be int64"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, np.int64), ("a", "b"), "labels must be int64 (2,)"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.full(2, 2), ("a", "b"), "labels run from 2 to 2"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64), ("a", "a"), "two classes are named 'a'"),
        (
            np.zeros((2, 4, 4, 3), np.uint8),
            np.zeros(2, np.int64),
            ("a", "x/y"),
            "'x/y' can't be a class name",
        ),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64), (), "two classes or more"),
    ],
)
def test_labelled_images_fit_together(
    images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], why: str
) -> None:
    with pytest.raises(DataError) as caught:
        LabelledImages(images, labels, classes, "toy")
    assert why in str(caught.value) and str(caught.value).startswith("toy: ")


def test_cifar10_as_jpeg_files_in_a_zip() -> None:
    if not REAL.exists():
        pytest.skip(f"{REAL} is not there")
    found = load(REAL, "val")
    assert found.images.shape == (5000, 32, 32, 3)
    assert found.classes == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert found.ipc_counts() == (500,) * 10
    with zipfile.ZipFile(REAL) as archive, archive.open("cifar10/train/cat/4500.jpg") as file:
        assert (found.images[1500] == np.asarray(Image.open(file))).all()
    means = found.images.mean(axis=(0, 1, 2)) / 255
    assert np.abs(means - (0.4914, 0.4822, 0.4465)).max() < 0.02  # the literature's, of all 50,000


def test_names_in_zips_of_macos_are_utf8(tmp_path: Path) -> None:
    """Its Finder doesn't say so."""

    class Entry(zipfile.ZipInfo):
        encoding: str

        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
            return self.filename.encode(self.encoding), self.flag_bits

    for encoding, name in (("utf-8", "café"), ("cp437", "éclair"), ("cp437", "plain")):
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in (f"{name}/1.png", "dog/1.png"):
                entry = Entry(path)
                entry.encoding = encoding
                archive.writestr(entry, encoded(9))
        assert set(load(tmp_path / "set.zip", "all").classes) == {name, "dog"}


def test_recycled_may_be_a_class(tmp_path: Path) -> None:
    source = put(tmp_path, {f"{name}/1.png": encoded(9) for name in ("organic", "recycled", "trash")})
    assert load(source, "all").classes == ("organic", "recycled", "trash")
