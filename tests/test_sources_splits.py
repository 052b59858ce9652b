"""Which folders are splits, classes or neither; what is passed over; names of our own folders."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_data import STORES, encoded, put, refusal, tones, toy
from test_sources_export import FASHION, made

import rudcodec
from rudcodec import DataError
from rudcodec.data import Reading, Split, load, splits
from rudcodec.evaluation import evaluate

SKIP = Reading(skip_bad=True)


@pytest.mark.parametrize("store", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("seg_train/seg_train", "seg_test/seg_test"), ("trainset", "testset"), ("TrainingData", "TestData"),
        ("train_images", "test_images"), ("x/train2017", "x/val2017"), ("Train-Set", "test"),
        ("trainval", "test"), ("cars_train", "cars_test"), ("data/train/images", "data/valid/images"),
        ("images/train", "images/Testing"), ("train pictures", "validation pictures"),
    ],
)  # fmt: skip
def test_splits_are_told_by_their_names(tmp_path: Path, store: str, train: str, test: str) -> None:
    source = STORES[store](tmp_path, toy(f"{train}/", 4, 5) | toy(f"{test}/", 2, 3))
    asked: Split = "val" if "val" in test else "test"
    found = load(source, "train" if asked == "val" else "all")
    assert (found.classes, tones(found)) == (("cat", "dog"), [0, 1, 2, 3, 100, 101, 102, 103, 104])
    assert tones(load(source, asked)) == [0, 1, 100, 101, 102] and asked in splits(source)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (toy("seg_train/") | toy("seg_test/") | toy("other/"), "other/, which has images, is none"),
        (toy("seg_train/") | toy("cars_test/"), "cars_test/ and seg_train/ look like splits"),
        (toy("train1/") | toy("train2/") | toy("test/"), "are both the train split"),
        ({"a_train/x.png": encoded(1), "a_test/x.png": encoded(2)}, "a_test/ and a_train/ look like splits"),
        (toy("fold1/") | toy("fold2/"), "fold1/ and fold2/ look like splits"),
        (toy("train/") | toy("eval/"), "eval/, which has images, is none; call splits train, val and test"),
        (
            {f"{c}/{s}/x.png": encoded(1) for c in ("cat", "dog") for s in ("test", "train")},
            "cat/ has test and train in it like a class with splits; put the class folders into the splits",
        ),
        ({"seg_train/x.png": encoded(1), "seg_pred/y.png": encoded(2)}, "seg_pred/ and seg_train/ look like"),
        ({"train_images/x.png": encoded(1), "test_images/y.png": encoded(2)}, "lies in no class folder"),
    ],
)
def test_what_looks_like_splits_but_cannot_be_told_is_refused(
    tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    assert why in refusal(put(tmp_path / "set", files), "all")


@pytest.mark.parametrize(
    "names",
    [
        ("bullet train", "test tube", "cat"), ("train", "bus"), ("training shoe", "valid coin", "test card"),
        ("contest", "restrain"), ("set1", "set2"), ("test", "cat", "dog"),
    ],
)  # fmt: skip
def test_classes_that_are_named_a_little_like_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    files = {f"{name}/{i}.png": encoded(i) for name in names for i in range(2)}
    assert set(load(put(tmp_path / "set", files), "all").classes) == set(names)


def test_only_the_split_that_is_asked_for_is_looked_into(tmp_path: Path) -> None:
    """Tiny-ImageNet's val/images and test/images, Kaggle's test pictures without classes, an empty folder."""
    files = toy("t/train/", 3, 3) | {"t/val/images/a.png": encoded(1), "t/test/images/b.png": encoded(2)}
    source = put(tmp_path / "tiny", files)
    assert load(source).ipc_counts() == (3, 3)
    for split in ("val", "test", "all"):
        assert "/images/ is a class that train lacks" in refusal(source, split)
    kaggle = put(tmp_path / "kaggle", toy("train/") | {"test/1.png": encoded(1), "test/2.png": encoded(2)})
    assert load(kaggle, "all").ipc_counts() == (12, 25)
    assert "test/1.png lies in no class folder" in refusal(kaggle, "test")
    (put(tmp_path / "gap", toy("train/") | toy("test/", 2, 2)) / "test" / "bird").mkdir()
    assert load(tmp_path / "gap", "all").ipc_counts() == (12, 25)
    assert "test/bird/ lies among the class folders" in refusal(tmp_path / "gap", "test")
    intel = toy("seg_train/seg_train/") | toy("seg_test/seg_test/") | {"seg_pred/seg_pred/9.png": encoded(9)}
    found = load(put(tmp_path / "intel", intel), "test")
    assert found.ipc_counts() == (12, 25)
    assert found.report and ("beside the class folders", 1, "seg_pred/seg_pred/9.png") in found.report.passed


@pytest.mark.parametrize("store", ["folder", "zip", "tar"])
def test_what_systems_leave_behind_is_no_class(tmp_path: Path, store: str) -> None:
    junk = (
        "@eaDir/x.jpg/SYNOPHOTO_THUMB_S.jpg", "cat/@eaDir/000.png/SYNOPHOTO_THUMB_M.jpg", "lost+found/x.png",
        "__MACOSX/cat/000.png", "System Volume Information/x.png", "$RECYCLE.BIN/x.png", "#recycle/x.png",
    )  # fmt: skip
    hidden = (".ipynb_checkpoints/x.png", "cat/._000.png", ".Trash-1000/files/x.png")
    quiet = ("cat/Thumbs.db", "cat/.DS_Store", "desktop.ini")
    files = toy("", 3, 3) | dict.fromkeys(junk + hidden + quiet, encoded(200))
    found = load(STORES[store](tmp_path, files), "all")
    assert (found.classes, tones(found)) == (("cat", "dog"), [0, 1, 2, 100, 101, 102])
    assert found.report is not None
    assert {reason: n for reason, n, _ in found.report.passed} == {"junk": len(junk), "hidden": len(hidden)}


def test_pictures_of_other_endings_are_counted_or_refused(tmp_path: Path) -> None:
    few = toy("", 12, 25) | {f"cat/{i}.heic": b"x" for i in range(3)} | {"cat/a.txt": b"", "readme": b""}
    source = put(tmp_path / "few", few)
    found = load(source, "all")
    assert found.report is not None
    assert {reason: n for reason, n, _ in found.report.passed} == {".heic": 3, ".txt": 1, "without ending": 1}
    text = "\n".join(found.report.lines())
    assert f"{source}, all: 37 images of 2 classes (cat, dog), 12 (cat) to 25 (dog) of each\n" in text
    assert "passed over: 3 .heic (cat/" in text
    most = toy("", 3, 25) | {f"cat/{i}.HEIC": b"x" for i in range(9)}
    source = put(tmp_path / "most", most)
    assert "cat/ has 3 pictures that can be read, and 9 files .heic that can't" in refusal(source, "all")
    assert "--skip-bad" in refusal(source, "all")
    kept = load(source, "all", reading=SKIP)
    assert kept.ipc_counts() == (3, 25) and kept.report and "9 files .heic" in kept.report.bad[0]
    every = put(tmp_path / "every", toy() | {f"bird/{i}.heic": b"x" for i in range(4)})
    assert "bird/ lies among the class folders but has no picture that can be read, but 4 files .heic" in (
        refusal(every)
    )


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (["cat/1.heic", "dog/2.heic"], "holds 2 files .heic, no pictures; convert them to .png or .jpg"),
        (["a.tfrecord", "b.tfrecord"], "holds 2 files .tfrecord, no pictures; write their pictures into"),
        (["train.zip"], "holds 1 file .zip, no pictures; name one of them"),
        (["data_batch_1", "test_batch", "batches.meta"], "data_batch_2 is missing"),
        (
            ["cifar-100-python/train", "cifar-100-python/test", "cifar-100-python/meta"],
            "is no pickled batch of CIFAR",
        ),
        ([".hidden/x.png", "@eaDir/x.png"], "no images but what is passed over: 1 hidden, 1 junk"),
        (["a.h5"], "write their arrays into an .npz"),
    ],
)
@pytest.mark.parametrize("store", ["folder", "zip"])
def test_a_folder_full_of_something_is_not_called_empty(
    tmp_path: Path, files: list[str], why: str, store: str
) -> None:
    assert why in refusal(STORES[store](tmp_path, dict.fromkeys(files, b"x")))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\3\4" + b"x" * 99, "a truncated zip"), (b"PAR1xxxx", "a parquet file"), (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a web page"), (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x89HDF\r\n", "an HDF5 file"), (b"version https://git-lfs.github.com", "a pointer of git-lfs"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"), (b"RUD\1", "a .rud file (decompress it first)"),
        (b"\x1f\x8b\x08" + b"x" * 40, "a gzip file without a whole tar in it"), (b"a,b\n1,2\n", "a text"),
    ],
)  # fmt: skip
def test_files_are_called_what_they_are(tmp_path: Path, head: bytes, kind: str) -> None:
    for name in ("x.bin", "x.zip", "x.tar.gz"):
        (tmp_path / name).write_bytes(head)
        assert f"{tmp_path / name}: not an image set, but {kind}" in refusal(tmp_path / name)
    for name in ("x.npz", "x.pt"):
        (tmp_path / name).write_bytes(head)
        assert kind in refusal(tmp_path / name)


# ---- folders that we wrote


@pytest.mark.parametrize(
    "classes",
    [FASHION, tuple(str(k) for k in range(12)), ("train", "test"), ("val", "__MACOSX"), ("b", "a", "@eaDir")],
)
@pytest.mark.parametrize("store", ["folder", "zip"])
def test_our_folders_get_their_names_and_order_back(
    tmp_path: Path, classes: tuple[str, ...], store: str
) -> None:
    made(classes).save(tmp_path / "out")
    source = tmp_path / "out"
    if store == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path, "out"))
    found = load(source, "all")
    assert found.classes == tuple(name.replace("/", "-") for name in classes)
    assert tones(found) == list(range(len(classes))) == found.labels.tolist()
    assert found.report is not None and found.report.passed == ()


def test_our_folders_as_splits(tmp_path: Path) -> None:
    made(FASHION).save(tmp_path / "set" / "train")
    made(FASHION[:3]).save(tmp_path / "set" / "test")
    assert load(tmp_path / "set", "all").classes[9] == "Ankle boot"
    test = load(tmp_path / "set", "test")
    assert (test.labels.tolist(), tones(test)) == ([0, 1, 2], [0, 1, 2])


def test_a_labels_json_that_does_not_fit_or_is_not_ours(tmp_path: Path) -> None:
    made(("b", "a")).save(tmp_path / "out")
    file = tmp_path / "out" / "labels.json"
    put(tmp_path / "out", {"more/x.png": encoded(3, (2, 2))})
    assert f"{file} doesn't name the folder more/" in refusal(tmp_path / "out", "all")
    shutil.rmtree(tmp_path / "out" / "more")
    (tmp_path / "out" / "0_b" / "00000.png").unlink()
    assert "0_b/ lies among the class folders but has no images" in refusal(tmp_path / "out", "all")
    text = json.loads(file.read_text())
    file.write_text(json.dumps(text | {"classes": ["a", "a"]}))
    assert f"{file} names a folder or a class twice" in refusal(tmp_path / "out", "all")
    put(tmp_path / "out", {"0_b/x.png": encoded(3, (2, 2))})
    for foreign in (b"[" * 10**5, b"not json", b"[1]", b'{"classes": [1], "folders": ["x"]}', b"\xff"):
        file.write_bytes(foreign)
        assert load(tmp_path / "out", "all").classes == ("0_b", "1_a")


def test_a_labels_json_is_read_as_far_as_needed(tmp_path: Path) -> None:
    made(("b", "a")).save(tmp_path / "out")
    file = tmp_path / "out" / "labels.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[:-2] + ', "more": [' + "0, " * 8_000_000 + "broken", encoding="utf-8")
    assert load(tmp_path / "out", "all").classes == ("b", "a")
    file.write_text(json.dumps(json.loads(text), sort_keys=True), encoding="utf-8")
    assert load(tmp_path / "out", "all").classes == ("b", "a")


def test_decompress_and_load_give_the_same_set(rud: Path, tmp_path: Path) -> None:
    data = rudcodec.decompress(rud, tmp_path / "out")
    found = load(tmp_path / "out", "all")
    order = np.argsort(data.labels, kind="stable")
    assert found.classes == data.classes
    assert np.array_equal(found.images, data.images[order])
    assert np.array_equal(found.labels, data.labels[order])


def test_names_of_another_locale_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("卵", "œuf"):
            archive.writestr(f"{name}/x.png", encoded(1))
    assert load(tmp_path / "x.zip", "all").classes == ("œuf", "卵")


@pytest.mark.parametrize("split", ["train", "all"])
def test_students_are_judged_on_any_split(rud: Path, tmp_path: Path, split: str) -> None:
    pytest.importorskip("torch")
    files = {f"{c}/{i}.png": encoded(i, (8, 8)) for c in ("ant", "bee", "cicada") for i in range(2)}
    real = put(tmp_path / "real", files)
    result = evaluate(rud, real, split=split, seeds=1, width=8, steps=1)  # type: ignore[arg-type]
    assert result.real_images == {"train": 3, "all": 6}[split]
    with pytest.raises(DataError, match="has no test split"):
        evaluate(rud, real, split="test", seeds=1, width=8, steps=1)
