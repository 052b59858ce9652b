"""What might be guessed in silence: splits, columns, labels and levels that a source leaves open."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import png
from test_data import STORES, encoded, put, refusal, tarred, tones, toy

from rudcodec import DataError
from rudcodec.data import Reading, load, splits


def table(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


def pictures(*numbers: int, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{number}.png": encoded(number) for number in numbers}


def noted(source: Path, text: str) -> bool:
    report = load(source, "all").report
    return report is not None and any(text in line for line in report.lines())


# ---- splits


@pytest.mark.parametrize("store", ["folder", "zip", "tar"])
def test_folders_of_samples_are_splits(tmp_path: Path, store: str) -> None:
    files = {}
    for folder, first in (("train_images/", 40), ("TestSet/", 140)):
        for number in range(first, first + 4):
            files[f"{folder}{number}.png"] = encoded(number)
            files[f"{folder}{number}.cls"] = str(number % 2).encode()
    source = STORES[store](tmp_path, files)
    assert splits(source) == ("train", "val", "test")
    assert tones(load(source, "all")) == [40, 42, 41, 43]
    assert tones(load(source, "test")) == [140, 142, 141, 143]


def test_folders_of_samples_that_are_no_splits_beside_some_that_are(tmp_path: Path) -> None:
    files = {f"{folder}/1{ending}": data for folder in ("more", "test") for ending, data in ((".cls", b"0"),)}
    source = put(tmp_path / "set", files | pictures(1, folder="more/") | pictures(1, folder="test/"))
    assert "more is no split, but test is" in refusal(source)


def test_tables_know_the_names_of_splits_that_folders_have(tmp_path: Path) -> None:
    train, test = pictures(40, 41, folder="seg_train/"), pictures(140, 141, folder="seg_test/")
    listed = table("file,label", *(f"{name},{i % 2}" for i, name in enumerate([*train, *test])))
    source = put(tmp_path / "set", train | test | {"labels.csv": listed})
    assert tones(load(source, "all")) == [40, 41] and tones(load(source, "test")) == [140, 141]
    # a class may be called like this
    station = pictures(40, 41, folder="train_station/") | pictures(42, 43, folder="house/")
    listed = table("file,label", *(f"{name},{name[0]}" for name in station))
    assert tones(load(put(tmp_path / "other", station | {"labels.csv": listed}), "all")) == [42, 43, 40, 41]


def test_a_table_of_train_takes_no_picture_of_test(tmp_path: Path) -> None:
    files = pictures(41, 42, folder="train/") | pictures(43, 44, folder="test/")
    files["train.csv"] = table("id,label", "41,a", "42,b", "43,a")
    assert "line 4: there is no picture 43" in refusal(put(tmp_path / "set", files))


def test_a_column_of_splits_by_another_name(tmp_path: Path) -> None:
    rows = [f"{number}.png,{number % 2},{'test' if number > 43 else 'train'}" for number in range(40, 48)]
    files = pictures(*range(40, 48)) | {"labels.csv": table("file,label,subset", *rows)}
    source = put(tmp_path / "set", files)
    assert tones(load(source, "test")) == [44, 46, 45, 47]
    assert noted(source, "labels.csv: the splits are those of its column subset")
    files["labels.csv"] = table("file,label,subset,part", *(f"{row},train" for row in rows))
    assert "subset, part may all be the split" in refusal(put(tmp_path / "set", files))
    files["labels.csv"] = table("file,label,split,Split", *(f"{row},train" for row in rows))
    assert "split, Split may all be the split" in refusal(put(tmp_path / "set", files))


def test_a_field_that_the_first_object_lacks(tmp_path: Path) -> None:
    lines = ['{"file_name": "40.png", "label": 0}', '{"file_name": "41.png", "label": 1, "split": "test"}']
    files = pictures(40, 41) | {"metadata.jsonl": table(*lines)}
    assert "line 1: '' is no split" in refusal(put(tmp_path / "set", files))


# ---- columns and labels


def test_numbers_that_are_names_of_other_pictures(tmp_path: Path) -> None:
    files = pictures(1, 2, 3, 4)
    files["labels.csv"] = table("id,img_path,label", "1,2.png,a", "2,1.png,b", "3,4.png,a", "4,3.png,b")
    source = put(tmp_path / "set", files)
    assert "id, img_path all name pictures; say which (--image-column)" in refusal(source)
    assert tones(load(source, "all", reading=Reading(image_column="img_path"))) == [2, 4, 1, 3]


def test_columns_that_name_the_same_pictures_or_one_of_any_name(tmp_path: Path) -> None:
    files = pictures(1, 2, 3, 4)
    files["labels.csv"] = table("id,img_path,label", *(f"{i},{i}.png,{i % 2}" for i in range(1, 5)))
    assert tones(load(put(tmp_path / "set", files), "all")) == [2, 4, 1, 3]
    files["labels.csv"] = table("id,img,wide,label", *(f"{i + 5},{i}.png,2,{i % 2}" for i in range(1, 5)))
    assert tones(load(put(tmp_path / "set", files), "all")) == [2, 4, 1, 3]


def test_more_cells_than_the_header_has(tmp_path: Path) -> None:
    files = pictures(40, 41) | {"labels.csv": table("file,label", "40.png,crane, bird", "41.png,dog,")}
    assert "line 2: has 3 cells, the header 2; put cells with" in refusal(put(tmp_path / "set", files))


def test_numbers_with_zeros_in_front_stay_texts(tmp_path: Path) -> None:
    files = pictures(40, 41, 42) | {"labels.csv": table("file,label", "40.png,01", "41.png,1", "42.png,2")}
    assert load(put(tmp_path / "set", files), "all").classes == ("01", "1", "2")


def test_texts_that_are_no_utf_8(tmp_path: Path) -> None:
    words = ["кошка", "мышка"]
    coded = [word.encode("cp1251") for word in words]
    lines = b"file;label\n40.png;" + coded[0] + b"\n41.png;" + coded[1] + b"\n"
    source = put(tmp_path / "table", pictures(40, 41) | {"labels.csv": lines})
    assert "labels.csv is no UTF-8 in line 2; save it as that" in refusal(source)
    samples = pictures(40, 41) | {"40.cls": coded[0], "41.cls": coded[1]}
    assert "40.cls is no UTF-8 in line 1; save it as that" in refusal(put(tmp_path / "samples", samples))
    np.savez(tmp_path / "s.npz", images=np.full((2, 4, 4), 99, np.uint8), labels=np.array(coded))
    assert "labels has texts that are no UTF-8" in refusal(tmp_path / "s.npz")
    (tmp_path / "shards").mkdir()
    tarred(tmp_path / "shards" / "0.tar", pictures(40, 41) | {"40.cls": b"0", "41.cls": b"1"})
    put(tmp_path / "shards", {"classes.txt": b"cat\n" + coded[0]})
    assert "classes.txt is no UTF-8 in line 2; save it as that" in refusal(tmp_path / "shards")


def test_marks_that_programs_begin_a_text_with(tmp_path: Path) -> None:
    mark = "\ufeff".encode()
    named = {"40.cls": mark + b"cat", "41.cls": b"dog", "42.cls": b"cat"}
    assert load(put(tmp_path / "cls", pictures(40, 41, 42) | named), "all").classes == ("cat", "dog")
    fields = {"40.json": mark + b'{"label": "cat"}', "41.json": b'{"label": "dog"}'}
    assert load(put(tmp_path / "json", pictures(40, 41) | fields), "all").classes == ("cat", "dog")
    listed = {"labels.csv": mark + table("label,file", "cat,40.png", "dog,41.png")}
    assert load(put(tmp_path / "table", pictures(40, 41) | listed), "all").classes == ("cat", "dog")


# ---- levels


def test_a_mean_beside_levels_in_0_1(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.float32).reshape(2, 8, 8, 2)[..., :1] / 255
    np.savez(tmp_path / "s.npz", images=levels, labels=np.arange(2), mean=levels.mean(), std=levels.std())
    np.testing.assert_array_equal(load(tmp_path / "s.npz", "all").images, np.rint(levels * 255))
    assert noted(tmp_path / "s.npz", "images lie in 0..1: mean and std beside them don't change them")
    mean, std = np.array([0.4], np.float32), np.array([0.2], np.float32)
    np.savez(tmp_path / "n.npz", images=(levels - mean) / std, labels=np.arange(2), mean=mean, std=std)
    np.testing.assert_array_equal(load(tmp_path / "n.npz", "all").images, np.rint(levels * 255))
    assert noted(tmp_path / "n.npz", "images are those that were normalised by the mean and std beside them")


def test_sets_that_are_nearly_black(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", images=np.eye(8, dtype=np.uint8)[None].repeat(4, 0), labels=[0, 1, 0, 1])
    assert noted(tmp_path / "s.npz", "images are nearly black, 1 of 255 at most")
    deep = (np.arange(64, dtype=np.uint16) * 65).reshape(8, 8)  # 12 bits of 16
    source = put(tmp_path / "set", {f"{name}/{i}.png": png(deep) for name in "ab" for i in range(2)})
    assert noted(source, "images are nearly black, 15 of 255 at most")


# ---- arrays and objects


def test_arrays_that_have_no_use_are_named(tmp_path: Path) -> None:
    images = np.full((4, 4, 4), 99, np.uint8)
    arrays = {"x_train": images, "y_train": np.array([0, 1, 0, 1]), "x_val": images, "yval": np.zeros(4)}
    np.savez(tmp_path / "s.npz", **arrays)  # type: ignore[arg-type]
    assert noted(tmp_path / "s.npz", "passed over: 2 without use (x_val)")


@pytest.mark.parametrize("kind", ["npz", "npy", "pt", "safetensors", "mat"])
def test_names_that_differ_in_case_only(tmp_path: Path, kind: str) -> None:
    labels = np.array([0, 1, 0, 1])
    arrays = {"X": np.full((4, 4, 5), 99, np.uint8), "x": np.full((4, 4, 5), 77, np.uint8), "y": labels}
    source = tmp_path if kind == "npy" else tmp_path / f"s.{kind}"
    if kind == "npz":
        np.savez(source, **arrays)  # type: ignore[arg-type]
    elif kind == "npy":
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        if len([*tmp_path.iterdir()]) < len(arrays):
            pytest.skip("the disk takes such names for one")
    elif kind == "mat":
        pytest.importorskip("scipy.io").savemat(source, arrays)
    elif kind == "safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, source)
    else:
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, source)
    end = ".npy" if kind == "npy" else ""
    assert f"X{end} and x{end} differ in case only; leave one out" in refusal(source)


def test_an_array_that_is_there_twice(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", images=np.full((4, 4, 4), 99, np.uint8), labels=np.array([0, 1, 0, 1]))
    with zipfile.ZipFile(tmp_path / "s.npz", "a") as file:
        file.writestr("images", file.read("images.npy"))
    assert "images is there twice; leave one out" in refusal(tmp_path / "s.npz")


def test_a_transform_of_datasets_is_not_left_out() -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    pairs = {"image": [Image.new("RGB", (4, 4), (v, v, v)) for v in (40, 41)], "label": [0, 1]}
    dataset = datasets.Dataset.from_dict(pairs)
    assert tones(load(dataset, "all")) == [40, 41]
    with pytest.raises(DataError, match="has a transform, which is not applied here"):
        load(dataset.with_transform(lambda batch: batch), "all")


class Folder:
    """A set whose second picture can't be read, as torchvision's have it."""

    classes = np.array(["cat", "dog"])
    samples = (("a/1.jpg", 0), ("a/2.jpg", 0), ("b/3.jpg", 1))

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 1:
            raise OSError("image file is truncated")
        return np.full((4, 4, 3), 40 + index, np.uint8), self.samples[index][1]


def test_items_that_a_set_can_not_read() -> None:
    text = r"item 1 \(a/2\.jpg\) can't be read as a picture \(image file is truncated\)"
    with pytest.raises(DataError, match=text):
        load(Folder(), "all")
    found = load(Folder(), "all", reading=Reading(skip_bad=True))
    assert tones(found) == [40, 42] and found.classes == ("cat", "dog")
    assert found.report is not None and "a/2.jpg" in found.report.bad[0]


# ---- which set is meant


@pytest.mark.parametrize("skip_bad", [False, True])
def test_pictures_beside_tables_of_a_set(tmp_path: Path, skip_bad: bool) -> None:
    def put_and_load(name: str, files: dict[str, bytes]) -> None:
        source = put(tmp_path / name, {"data/train.parquet": b"PAR1"} | files)
        with pytest.raises(DataError, match=r"holds data/train\.parquet and, not in class folders alone, "):
            load(source, reading=Reading(skip_bad=skip_bad))

    put_and_load("banner", {"banner.png": encoded(40)})
    put_and_load("two", pictures(40, 41, folder="assets/") | pictures(42, folder="docs/"))
    folders = put(tmp_path / "folders", toy() | {"cat/metadata.parquet": b"PAR1"})
    assert load(folders, reading=Reading(skip_bad=skip_bad)).classes == ("cat", "dog")


def test_the_cache_calls_the_same_set_the_same(tmp_path: Path) -> None:
    listed = table("file,label", *(f"{number}.png,{number % 2}" for number in range(40, 44)))
    source = put(tmp_path / "set", pictures(*range(40, 44)) | {"labels.csv": listed})
    code = f"from rudcodec.data import load; load({str(source)!r}, 'all')"
    for seed in range(4):  # sets of texts have another order by each
        more = {"RUDCODEC_CACHE": str(tmp_path / "cache"), "RUDCODEC_IN_MEMORY": "1B"}
        environment = os.environ | more | {"PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1
