"""Sets as tables, tar shards, arrays in files, CIFAR's batches, MATLAB files: images and labels come back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_data import STORES, encoded, put, refusal, tarred, tones, toy

from rudcodec import DataError, SettingError
from rudcodec.data import LabelledImages, Reading, load, splits
from rudcodec.data.images import numbers_of
from rudcodec.data.matching import matching

TONES = range(12)
LABELS = [tone % 3 for tone in TONES]
ORDERED = sorted(TONES, key=lambda tone: tone % 3)
PICTURES = {f"{tone:02}.png": encoded(tone) for tone in TONES}
SKIP = Reading(skip_bad=True)


def table(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


def labelled(separator: str = ",", ending: str = ".png") -> list[str]:
    return [f"{tone:02}{ending}{separator}{label}" for tone, label in zip(TONES, LABELS, strict=True)]


# ---- tables


@pytest.mark.parametrize("store", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("labels.csv", table("filename,label", *labelled())),
        ("labels.csv", table(*labelled())),
        (
            "labels.csv",
            table("label;x;image_id", *(f"{i};;{t:02}" for t, i in zip(TONES, LABELS, strict=True))),
        ),
        ("labels.tsv", table("id\tclass", *labelled("\t", ""))),
        ("metadata.csv", b"\xef\xbb\xbf" + table("file_name,label", *labelled())),
        ("train.csv", table("path,target", *(f"C:\\data\\{line}" for line in labelled()))),
        ("train_labels.csv", table("file,category", "", *labelled())),
        (
            "metadata.jsonl",
            table(*(json.dumps({"label": t % 3, "w": 4, "file_name": f"{t:02}.png"}) for t in TONES)),
        ),
    ],
)
def test_a_table_beside_pictures(tmp_path: Path, store: str, name: str, contents: bytes) -> None:
    source = STORES[store](tmp_path, {name: contents} | PICTURES)
    found = load(source, "all")
    assert tones(found) == ORDERED and found.classes == ("0", "1", "2") and found.ipc_counts() == (4, 4, 4)
    assert found.report and found.report.notes == (f"labels are those in {name}",)
    assert tones(load(source, "val")) == ORDERED[3::4]
    if store == "folder":
        assert tones(load(source / name, "all")) == ORDERED


def test_pictures_may_lie_further_down(tmp_path: Path) -> None:
    pictures = {f"images/{name}": data for name, data in PICTURES.items()}
    source = put(tmp_path / "set", {"labels.csv": table("filename,label", *labelled())} | pictures)
    assert tones(load(source, "all")) == ORDERED


def test_splits_of_tables(tmp_path: Path) -> None:
    by_column = table(
        "filename,label,split", *(f"{line},{('train', 'test')[i > 7]}" for i, line in enumerate(labelled()))
    )
    for number, files in enumerate(
        (
            {"labels.csv": by_column} | PICTURES,
            {"train.csv": table("id,label", *labelled()[:8]), "test.csv": table("id,label", *labelled()[8:])}
            | PICTURES,
            {
                "metadata.csv": table(
                    "file_name,label",
                    *(f"{('train', 'test')[i > 7]}/{line}" for i, line in enumerate(labelled())),
                )
            }
            | {f"{('train', 'test')[i > 7]}/{name}": data for i, (name, data) in enumerate(PICTURES.items())},
            {
                f"{split}/metadata.csv": table("file_name,label", *labelled()[rows])
                for split, rows in (("train", slice(8)), ("test", slice(8, 12)))
            }
            | {f"{('train', 'test')[i > 7]}/{name}": data for i, (name, data) in enumerate(PICTURES.items())},
        )
    ):
        source = put(tmp_path / str(number), files)
        assert splits(source) == ("train", "val", "test")
        assert sorted(tones(load(source, "all"))) == [*range(8)]
        assert tones(load(source, "test")) == [9, 10, 8, 11]


@pytest.mark.parametrize("seed", range(3))
def test_a_table_holds_out_the_pictures_that_class_folders_do(tmp_path: Path, seed: int) -> None:
    folders = put(tmp_path / "folders", toy())
    flat = {name.replace("/", "_"): data for name, data in toy().items()}
    lines = [f"{name},{name[:3]}" for name in flat]
    np.random.default_rng(seed).shuffle(lines)
    listed = put(tmp_path / "listed", {"labels.csv": table("filename,label", *lines)} | flat)
    lines = [f"{folder}/{name}" for folder, _, name in (line.partition("_") for line in lines)]
    both = put(tmp_path / "both", {"labels.csv": table("filename,label", *lines)} | toy())
    for split in ("train", "val", "all"):
        expected = load(folders, split)
        for source in (listed, both):
            found = load(source, split)
            assert tones(found) == tones(expected) and np.array_equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    ("written", "pictures"),
    [
        ("images/{}", "x/images/"),
        ("images/{}", "images/"),
        ("/home/me/set/images/{}", "images/"),
        ("C:\\set\\images\\{}", ""),
        ("./images//./{}", "images/"),
        ("../images/{}", "x/images/"),
        ("y/../images/{}", "images/"),
    ],
)
def test_folders_in_a_table_may_begin_elsewhere(tmp_path: Path, written: str, pictures: str) -> None:
    files = {pictures + name: data for name, data in PICTURES.items()}
    for ending in (".png", ""):
        lines = [
            f"{written.format(f'{tone:02}{ending}')},{label}"
            for tone, label in zip(TONES, LABELS, strict=True)
        ]
        source = put(tmp_path / f"set{ending}", {"labels.csv": table("filename,label", *lines)} | files)
        assert tones(load(source, "all")) == ORDERED


@pytest.mark.parametrize("missing", ["b/03.png", "b/03", "/set/b/03.png", "C:\\b\\03.png", "xa/03.png"])
def test_a_table_never_takes_the_picture_of_another_folder(tmp_path: Path, missing: str) -> None:
    pictures = {f"a/{name}": data for name, data in PICTURES.items()}
    lines = [f"a/{line}" if line[:2] != "03" else f"{missing},0" for line in labelled()]
    source = put(tmp_path / "set", {"labels.csv": table("filename,label", *lines)} | pictures)
    assert f"labels.csv, line 5: there is no picture {missing}" in refusal(source, "all")


def test_a_table_never_takes_the_picture_of_another_split(tmp_path: Path) -> None:
    pictures = {f"{'test' if tone == 3 else 'train'}/{tone:02}.png": encoded(tone) for tone in TONES}
    lines = [f"train/{line}" for line in labelled()]
    source = put(tmp_path / "above", {"labels.csv": table("filename,label", *lines)} | pictures)
    assert "labels.csv, line 5: there is no picture train/03.png" in refusal(source)
    source = put(tmp_path / "inside", {"train/labels.csv": table("filename,label", *labelled())} | pictures)
    assert "labels.csv, line 5: there is no picture 03.png" in refusal(source)


def test_a_table_without_labels_is_no_split(tmp_path: Path) -> None:
    files = {"train.csv": table("id,label", *labelled()[:9]), "test.csv": table("id", "09", "10", "11")}
    found = load(put(tmp_path / "set", files | PICTURES), "all")
    assert sorted(tones(found)) == [*range(9)] and splits(tmp_path / "set") == ("train", "val")
    passed = (("not in the table", 3, "09.png"), (".csv", 1, "test.csv"))
    assert found.report and found.report.passed == passed


def test_class_folders_win_over_other_tables(tmp_path: Path) -> None:
    source = put(tmp_path / "set", {"metadata.csv": b"license,year\nmit,2020\n"} | toy("", 3, 3))
    assert load(source, "all").classes == ("cat", "dog")
    numbers = put(tmp_path / "numbers", {"labels.csv": b"id,label\n0,cat\n1,dog\n"} | toy("", 3, 3))
    assert load(numbers, "all").classes == ("cat", "dog")
    both = put(
        tmp_path / "both",
        {"labels.csv": table("file,label", *(f"{n},x{i % 2}" for i, n in enumerate(toy("", 3, 3))))}
        | toy("", 3, 3),
    )
    assert load(both, "all").classes == ("x0", "x1")


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (table("filename,label", "99.png,1", *labelled()), "labels.csv, line 2: there is no picture 99.png"),
        (
            table("filename,label", "00.png,7", *labelled()),
            "line 3: 00.png has another label or split than in",
        ),
        (table("filename,label", "00.png,", *labelled()[1:]), "labels.csv, line 2: has no label"),
        (table("filename,label", "00.png," + "x" * 2000), "line 2: has a label of more than 1024 characters"),
        (
            table("filename,label,class", *labelled()),
            "label, class may all be the label; say which (--label-col",
        ),
        (
            table(
                "id,image,file_name,label",
                *(f"1,{a[:6]},{b}" for a, b in zip(labelled()[::-1], labelled(), strict=True)),
            ),
            "image, file_name all name pictures; say which (--image-column)",
        ),
        (
            table("filename,x,y"),
            "no column of labels can be told among filename, x, y; name it (--label-column)",
        ),
        (
            table("a,label", "x,1", "y,2"),
            "no column of file names can be told among a, label; name it (--image-col",
        ),
        (
            table("filename,label,split", "00.png,1,fold7"),
            "line 2: 'fold7' is no split; there are train, val and test",
        ),
        (table("filename,label", '"00.png,1'), "labels.csv, line 2: unexpected end of data"),
        (b"", "labels.csv: is empty"),
        (table("filename,label"), "its tables list no pictures"),
    ],
)
def test_tables_that_can_not_be_used(tmp_path: Path, contents: bytes, why: str) -> None:
    text = refusal(put(tmp_path / "set", {"labels.csv": contents} | PICTURES), "all")
    assert why in text and text.count(str(tmp_path)) <= 2


def test_columns_and_rows_can_be_chosen(tmp_path: Path) -> None:
    files = {"labels.csv": table("a,b,label", *(f"{line},x" for line in labelled()), "77.png,1,x")} | PICTURES
    source = put(tmp_path / "set", files)
    reading = Reading(image_column="a", label_column="b", skip_bad=True)
    found = load(source, "all", reading=reading)
    assert tones(found) == ORDERED and found.report and len(found.report.bad) == 1
    for reading in (Reading(label_column="z"), Reading(image_column="z")):
        with pytest.raises(DataError, match=r"labels\.csv: has no column z, only a, b, label"):
            load(source, reading=reading)
    put(source, {"labels.csv": table("file,kind,kind", "0.png,1,2")})
    with pytest.raises(DataError, match="has several columns kind; give them different names"):
        load(source, reading=Reading(label_column="kind"))


def test_a_column_that_is_not_there_is_no_reason_to_read_class_folders(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy() | {"labels.csv": table("file,label", "cat/0.png,1")})
    for reading in (Reading(label_column="z"), Reading(image_column="z")):
        with pytest.raises(DataError, match="has no column z, only file, label"):
            load(source, reading=reading)


def test_choices_that_nothing_is_left_open_for_are_noted(tmp_path: Path) -> None:
    source = put(
        tmp_path / "set",
        {"labels.csv": table("id,file_name,label", *(f"1,{line}" for line in labelled()))} | PICTURES,
    )
    reading = Reading(label_column="label", normalised="cifar10")
    for _ in range(2):
        report = load(source, "all", reading=reading).report
        assert report and [line for line in report.notes if "nothing" in line] == [
            "--normalised changes nothing: there are no floats that may be normalised"
        ]


# ---- WebDataset


def shard(first: int, last: int, form: str = "cls") -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for tone in range(first, last):
        label = tone % 3
        text = str(label) if form == "cls" else json.dumps({"label": f"c{label}", "text": "x"})
        files |= {
            f"s{tone:03}.png": encoded(tone),
            f"s{tone:03}.{form}": text.encode(),
            f"s{tone:03}.txt": b"x",
        }
    return files


@pytest.mark.parametrize("form", ["cls", "json"])
@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_one_shard(tmp_path: Path, form: str, ending: str) -> None:
    found = load(tarred(tmp_path / f"a{ending}", shard(0, 12, form)), "all")
    assert tones(found) == ORDERED
    assert found.classes == (("0", "1", "2") if form == "cls" else ("c0", "c1", "c2"))
    assert found.report and found.report.passed == ((".txt", 12, "s000.txt"),)


def test_shards_by_folder_and_pattern(tmp_path: Path) -> None:
    put(tmp_path / "set", {"classnames.txt": b"cat\ndog\nant\n"})
    for name, first, last in (("train-00", 0, 4), ("train-01", 4, 12), ("val-00", 12, 15)):
        tarred(tmp_path / "set" / f"{name}.tar", shard(first, last))
    assert splits(tmp_path / "set") == ("train", "val")
    found = load(tmp_path / "set", "train")
    assert tones(found) == ORDERED and found.classes == ("cat", "dog", "ant")
    assert tones(load(tmp_path / "set", "val")) == [12, 13, 14]
    pattern = str(tmp_path / "set" / "train-{00..01}.tar")
    assert tones(load(pattern, "all")) == ORDERED and load(pattern, "all").name == "train"
    assert tones(load(str(tmp_path / "set" / "{train-01,val-00}.tar"), "val")) == [12, 13, 14]
    assert "there is no file" in refusal(str(tmp_path / "set" / "train-{00..09}.tar"))
    assert "stands for" in refusal(str(tmp_path / "{000000000..999999999}{0..9}.tar"))


def test_a_sample_without_the_field_can_be_left_out(tmp_path: Path) -> None:
    files = shard(0, 12, "json") | {"s003.json": b'{"text": "x"}', "s004.json": b"{}"}
    source = tarred(tmp_path / "a.tar", files)
    chosen = Reading(label_column="label")
    with pytest.raises(DataError, match=r"s003\.json has no column label, only text; .*\(--skip-bad\)"):
        load(source, "all", reading=chosen)
    found = load(source, "all", reading=replace(chosen, skip_bad=True))
    assert tones(found) == [tone for tone in ORDERED if tone not in (3, 4)]
    assert found.report and len(found.report.bad) == 2
    for skip_bad in (False, True):
        with pytest.raises(DataError, match=r"s000\.json has no column nope, only label, text"):
            load(source, "all", reading=Reading(label_column="nope", skip_bad=skip_bad))


def test_labels_without_a_picture_are_counted(tmp_path: Path) -> None:
    files = {name: data for name, data in shard(0, 12).items() if not name.endswith(".txt")}
    del files["s004.png"], files["s005.png"]
    found = load(tarred(tmp_path / "a.tar", files), "all")
    assert found.report and found.report.passed == (("without a picture", 2, "s004.cls"),)


def test_damaged_shards(tmp_path: Path) -> None:
    files = shard(0, 12) | {"s003.cls": b"", "t.png": encoded(1), "._s000.png": b"x", "__MACOSX/a.png": b"x"}
    source = tarred(tmp_path / "a.tar", files)
    assert "t.png: has no .cls or .json beside it" in refusal(source, "all")
    found = load(source, "all", reading=SKIP)
    assert tones(found) == [t for t in ORDERED if t != 3] and found.report and len(found.report.bad) == 2
    assert "the item has another picture" in refusal(
        tarred(tmp_path / "b.tar", shard(0, 2) | {"s000.jpg": b"x"})
    )
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.tar").write_bytes(b"x" * 600)
    assert "a.tar: is no tar archive" in refusal(tmp_path / "set")


# ---- .npy


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)
NUMBERS = np.array(LABELS)
SORTED = IMAGES[np.argsort(NUMBERS, kind="stable")]


def saved(folder: Path, **arrays: NDArray[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_npy_files_of_a_folder(tmp_path: Path) -> None:
    one = saved(tmp_path / "one", images=IMAGES, labels=NUMBERS, classes=np.array(["c", "b", "a"]))
    assert np.array_equal(load(one, "all").images, SORTED) and load(one, "all").classes == ("c", "b", "a")
    floats = (IMAGES / 255).transpose(0, 3, 1, 2)
    two = saved(tmp_path / "two", x_train=floats, y_train=np.eye(3)[NUMBERS], X_test=IMAGES, Y_test=NUMBERS)
    assert splits(two) == ("train", "val", "test")
    assert np.array_equal(load(two, "all").images, SORTED) and np.array_equal(
        load(two, "test").images, SORTED
    )
    three = saved(
        tmp_path / "three", images=IMAGES.astype(np.float32), labels=NUMBERS.astype(str).astype("S")
    )
    assert np.array_equal(load(three, "all").images, SORTED) and load(three, "all").classes == ("0", "1", "2")
    mean, std = np.full(3, 0.5), np.full(3, 0.25)
    four = saved(tmp_path / "four", images=(IMAGES / 255 - mean) / std, labels=NUMBERS, mean=mean, std=std)
    found = load(four, "all")
    assert np.array_equal(found.images, SORTED) and found.report and not found.report.passed


def test_what_else_lies_there_is_reported(tmp_path: Path) -> None:
    saved(tmp_path, images=IMAGES, labels=NUMBERS, features=NUMBERS)
    put(tmp_path, {"set.pt": b"x", "notes/a.txt": b"x", "notes/b.txt": b"x", ".hidden": b"x"})
    found = load(tmp_path, "all")
    assert np.array_equal(found.images, SORTED) and found.report
    passed = ((".txt", 2, "notes/a.txt"), (".npy", 1, "features.npy"), (".pt", 1, "set.pt"))
    assert found.report.passed == passed


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images", "labels"),
        ("toy_images", "toy_labels"),
        ("x_train", "y_train"),
        ("trainX", None),
        ("data", "targets"),
    ],
)
def test_one_npy_file_and_its_labels(tmp_path: Path, images: str, labels: str | None) -> None:
    saved(tmp_path, **{images: IMAGES, labels or "labels": NUMBERS, "other": NUMBERS})
    source = tmp_path / f"{images}.npy"
    if labels is None:
        assert "its name has no word images or x" in refusal(source)
        return
    assert np.array_equal(load(source, "all").images, SORTED)
    (tmp_path / f"{labels}.npy").unlink()
    assert (
        f"the labels that go with it are missing (no {labels}.npy" in refusal(source) or labels == "targets"
    )


def test_npy_files_that_can_not_be_used(tmp_path: Path) -> None:
    assert "has no images.npy and labels.npy (nor x_train.npy" in refusal(saved(tmp_path / "a", foo=IMAGES))
    saved(tmp_path / "b", images=np.array([{}, {}]), labels=NUMBERS)
    assert "it holds Python objects, not numbers" in refusal(tmp_path / "b")
    source = saved(tmp_path / "c", images=IMAGES, labels=NUMBERS) / "images.npy"
    source.write_bytes(source.read_bytes()[:-9])
    assert "it is damaged or cut short" in refusal(source)
    source.write_bytes(b"%PDF")
    assert "it is a PDF document" in refusal(source)


def test_floats_are_levels_or_fractions(tmp_path: Path) -> None:
    for images, why in ((IMAGES + 0.5, "not 0.5..256"), (IMAGES * 1.0 - 1, "not -1..254")):
        saved(tmp_path / "set", images=images, labels=NUMBERS)
        assert why in refusal(tmp_path / "set", "all")
    with pytest.warns(RuntimeWarning, match="100 % of the numbers lie beyond black and white"):
        found = load(tmp_path / "set", "all", reading=Reading(normalised="0,0,0/10,10,10"))
    assert found.images.max() == 255 and found.images.min() == 0


# ---- CIFAR


PIXELS = np.random.default_rng(2).integers(0, 256, (12, 3072), dtype=np.uint8)
PICTURED = PIXELS.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
CLASSES = ("cat", "dog", "ant")


def python2(batch: dict[str, Any]) -> bytes:
    """A pickle as the cPickle of Python 2 wrote those of the authors."""

    def text(value: str | bytes) -> bytes:
        data = value.encode() if isinstance(value, str) else value
        return (
            b"U" + bytes([len(data)]) + data
            if len(data) < 256
            else b"T" + len(data).to_bytes(4, "little") + data
        )

    def number(value: int) -> bytes:
        return b"M" + value.to_bytes(2, "little")

    parts = [b"\x80\x02}q\x01("]
    for key, value in batch.items():
        parts.append(text(key))
        if isinstance(value, np.ndarray):
            shape = b"".join(map(number, value.shape)) + b"\x86"
            parts += [
                b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85",
                text("b"),
                b"\x87R(",
            ]
            parts += [
                b"K\x01",
                shape,
                b"cnumpy\ndtype\nq\x05",
                text("u1"),
                b"K\x00K\x01\x87R(K\x03",
                text("|"),
            ]
            parts += [b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89", text(value.tobytes()), b"tb"]
        else:
            parts += [b"](", *(text(v) if isinstance(v, str) else number(v) for v in value), b"e"]
    return b"".join(parts) + b"u."


def python3(protocol: int) -> Callable[[dict[str, Any]], bytes]:
    def dump(batch: dict[str, Any]) -> bytes:
        as_bytes = {key.encode(): value for key, value in batch.items()}
        return pickle.dumps(as_bytes, protocol)

    return dump


DUMPS = {"python2": python2} | {f"protocol {n}": python3(n) for n in range(6)}


def cifar10(dump: Callable[[dict[str, Any]], bytes], prefix: str = "") -> dict[str, bytes]:
    files = {f"data_batch_{i + 1}": slice(2 * i, 2 * i + 2) for i in range(5)} | {"test_batch": slice(10, 12)}
    batches = {
        f: dump({"data": PIXELS[rows], "labels": LABELS[rows], "filenames": ["x.png"]})
        for f, rows in files.items()
    }
    meta = {"batches.meta": dump({"label_names": [*CLASSES]})}
    return {prefix + name: data for name, data in (batches | meta).items()}


def check_cifar(source: Path) -> None:
    assert splits(source) == ("train", "val", "test")
    found = load(source, "all")
    order = np.argsort(NUMBERS[:10], kind="stable")
    assert found.classes == CLASSES and np.array_equal(found.labels, NUMBERS[:10][order])
    assert np.array_equal(found.images, PICTURED[:10][order])
    test = load(source, "test")
    assert np.array_equal(test.images, PICTURED[[11, 10] if LABELS[11] < LABELS[10] else [10, 11]])


@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS)
def test_pickled_batches(tmp_path: Path, dump: Callable[[dict[str, Any]], bytes]) -> None:
    check_cifar(put(tmp_path / "cifar-10-batches-py", cifar10(dump)))


def test_pickled_batches_in_an_archive(tmp_path: Path) -> None:
    check_cifar(tarred(tmp_path / "cifar.tar.gz", cifar10(python2, "cifar-10-batches-py/")))


def test_binary_batches(tmp_path: Path) -> None:
    records = np.concatenate([NUMBERS.astype(np.uint8)[:, None], PIXELS], axis=1)
    files = {f"data_batch_{i + 1}.bin": records[2 * i : 2 * i + 2].tobytes() for i in range(5)}
    files |= {"test_batch.bin": records[10:].tobytes(), "batches.meta.txt": b"cat\ndog\nant\n\n"}
    check_cifar(put(tmp_path / "set", files))


def test_cifar100_has_two_sets_of_labels(tmp_path: Path) -> None:
    coarse = NUMBERS // 2
    records = np.concatenate(
        [coarse.astype(np.uint8)[:, None], NUMBERS.astype(np.uint8)[:, None], PIXELS], axis=1
    )
    binary = {"train.bin": records[:10].tobytes(), "test.bin": records[10:].tobytes()}
    binary |= {"fine_label_names.txt": b"cat\ndog\nant\n", "coarse_label_names.txt": b"x\ny\n"}

    def batch(rows: slice) -> bytes:
        labels = {"fine_labels": LABELS[rows], "coarse_labels": coarse[rows].tolist()}
        return python2({"data": PIXELS[rows], **labels})

    names = python2({"fine_label_names": [*CLASSES], "coarse_label_names": ["x", "y"]})
    pickled = {"train": batch(slice(10)), "test": batch(slice(10, 12)), "meta": names}
    for number, files in enumerate((binary, pickled)):
        source = put(tmp_path / str(number), files)
        check_cifar(source)
        found = load(source, "all", reading=Reading(label_column="coarse"))
        assert found.classes == ("x", "y") and found.ipc_counts() == (7, 3)
        with pytest.raises(DataError, match="has no column x, only fine, coarse"):
            load(source, reading=Reading(label_column="x"))


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("run"), "!")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pickle.dumps({b"data": Danger()}), "is no pickled batch of CIFAR"),
        (pickle.dumps({b"data": np.arange(4), b"labels": [0]}, 2), "is no pickled batch of CIFAR"),
        (pickle.dumps({b"data": np.array([{}]), b"labels": [0]}, 2), "is no pickled batch of CIFAR"),
        (pickle.dumps({b"labels": [0]}, 2), "data: is no array of bytes"),
        (pickle.dumps({b"data": PIXELS[:2]}, 2), "has no list labels"),
        (pickle.dumps({b"data": PIXELS[:2], b"labels": [0]}, 2), "data must be (1, 3072), not (2, 3072)"),
        (pickle.dumps({b"data": PIXELS[:2], b"labels": [0, "x"]}, 2), "labels are no class numbers"),
        (pickle.dumps([1], 2), "it holds no dict"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "its memo has gaps"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.", "or a damaged one"),
        (b"\x80\x02P7\n.", "is a pickle of other things than CIFAR's batches; nothing in it was run"),
        (b"\x80\x02", "or a damaged one"),
    ],
)
def test_pickles_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, why: str) -> None:
    monkeypatch.chdir(tmp_path)
    source = put(tmp_path / "set", cifar10(python2) | {"data_batch_1": data})
    assert why in refusal(source, "all")
    assert not (tmp_path / "run").exists()


def test_batches_that_do_not_belong_together(tmp_path: Path) -> None:
    files = cifar10(python2)
    del files["data_batch_4"]
    assert "data_batch_4 is missing; CIFAR's batches belong together" in refusal(put(tmp_path / "a", files))
    two = cifar10(python2, "x/") | cifar10(python2, "y/")
    assert "holds CIFAR's batches more than once (x/, y/); name one folder" in refusal(
        put(tmp_path / "b", two)
    )


# ---- MATLAB


def test_matlab_files(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    digits = np.where(NUMBERS == 0, 10, NUMBERS)[:, None]
    for name in ("train", "test"):
        io.savemat(
            tmp_path / f"{name}_32x32.mat",
            {"X": IMAGES.transpose(1, 2, 3, 0), "y": digits},
            do_compression=True,
        )
    for source in (tmp_path, tmp_path / "train_32x32.mat"):
        found = load(source, "all")
        assert np.array_equal(found.images, SORTED) and found.classes == tuple("0123456789")
        assert found.ipc_counts() == (4, 4, 4, *[0] * 7) and found.name == "svhn"
    assert np.array_equal(load(tmp_path, "test").images, SORTED)
    for images in (IMAGES, IMAGES.transpose(1, 2, 3, 0), IMAGES / 255):
        io.savemat(tmp_path / "a.mat", {"images": images, "labels": digits.astype(float)})
        found = load(tmp_path / "a.mat", "all")
        assert found.classes == ("1", "2", "10") and np.array_equal(found.images[:8], SORTED[4:])


def test_normalised_matlab_files(tmp_path: Path) -> None:
    """Grey ones, too, which have no axis of channels."""
    io = pytest.importorskip("scipy.io")
    for images, levels in ((IMAGES, SORTED), (IMAGES[..., 0], SORTED[..., :1])):
        floats = np.moveaxis((images / 255 - 0.5) / 0.25, 0, -1)
        io.savemat(tmp_path / "a.mat", {"X": floats, "y": NUMBERS})
        found = load(tmp_path / "a.mat", "all", reading=Reading(normalised=".5/.25"))
        assert np.array_equal(found.images, levels)


def test_matlab_files_that_can_not_be_used(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    path = tmp_path / "a.mat"
    for entries, why in (
        ({"foo": IMAGES}, "has no images and labels (nor X and y), only foo"),
        ({"X": IMAGES, "y": NUMBERS[:5]}, "for 5 labels, not (12, 5, 6, 3)"),
        ({"X": np.zeros((12, 4, 12)), "y": NUMBERS}, "for 12 labels, not (12, 4, 12)"),
        ({"X": IMAGES, "y": NUMBERS + 0.5}, "labels must be whole numbers"),
        ({"X": {"a": 1}, "y": NUMBERS}, "are cells or structs, not plain arrays"),
    ):
        io.savemat(path, entries)
        assert why in refusal(path, "all"), why
    path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600))
    assert "is a MATLAB file of version 7.3; save it with -v7" in refusal(path)
    path.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(600))
    assert "not a MATLAB file that can be read (damaged)" in refusal(path)


# ---- numbers for names


@pytest.mark.parametrize("form", ["{}", "{:05}", "new{:03}", "class_{}"])
def test_folders_of_class_numbers_go_with_names(tmp_path: Path, form: str) -> None:
    """As RDED and SRe2L write them; `sorted` puts 10 before 2."""
    files = {f"{form.format(k)}/{i}.png": encoded(10 * k + i) for k in range(12) for i in range(2)}
    distilled = load(put(tmp_path / "syn", files), "all")
    names = tuple("abcdefghijkl")
    images = np.repeat(np.arange(12, dtype=np.uint8), 4 * 6 * 3).reshape(12, 4, 6, 3)
    real = LabelledImages(images, np.arange(12), names, "real")
    said = ", ".join(f"{form.format(k)}: {names[k]}" for k in range(10))
    with pytest.warns(RuntimeWarning, match=f"^classes are numbers; taken as {said}, ...$"):
        order = numbers_of(distilled.classes, names)
    assert order is not None
    assert [10 * number for number in order] == tones(distilled)[::2]
    found = matching(real, "all", (4, 6, 3), distilled.classes)  # says nothing a second time
    assert [int(found.images[i, 0, 0, 0]) for i in np.argsort(found.labels)] == order.tolist()
    assert all(found.classes[label] == names[i] for i, label in enumerate(found.labels))


def test_other_classes_are_no_numbers() -> None:
    for numbers in (("0", "2"), ("a", "1"), ("0", "new1"), ("0", "1", "2")):
        assert numbers_of(numbers, ("x", "y")) is None
    assert numbers_of(("0", "1"), ("1", "0")) is None


def test_normalisations_are_known_or_numbers() -> None:
    for text in ("cifar", "1,2", "1,2/1", "2/1", ".5/0", "a/b", "\x1b[1m"):
        with pytest.raises(SettingError) as caught:
            Reading(normalised=text)
        assert "normalised must be one of mnist, " in str(caught.value) and str(caught.value).isprintable()
