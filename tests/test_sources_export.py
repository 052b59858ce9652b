"""Folders that a decoded set is saved in: their order, their names, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import unicodedata
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from golden_payloads import layer, random_payload
from hypothesis import example, given
from hypothesis import strategies as st
from test_data import put, refusal, tarred, tones, zipped

import rudcodec
from rudcodec import SyntheticSet, bitstream
from rudcodec.data import Reading, load
from rudcodec.export.webdataset import ABOUT
from rudcodec.names import folder_names, is_junk
from rudcodec.payload import Architecture, Recipe

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
NAMES = st.text(max_size=8) | st.sampled_from(
    ("CON", "con", "Nul.txt", "COM¹", "a.", "a ", ".a", "..", "A", "é", "e\u0301", "ﬁ", "fi", "@eaDir",
     "lost+found", "__MACOSX", "labels.json", "train", "test", "a/b", "a\\b", "\x1b[31m", "2", "10",
     "x" * 300)
)  # fmt: skip


def made(classes: tuple[str, ...]) -> SyntheticSet:
    """One image a class, as bright as its number."""
    images = np.repeat(np.arange(len(classes), dtype=np.uint8), 12).reshape(-1, 2, 2, 3)
    return SyntheticSet(images, np.arange(len(classes)), classes, 100, Recipe(mean=(0,) * 3, std=(1,) * 3))


@given(st.lists(NAMES, min_size=1, max_size=30, unique=True))
@example([str(k) for k in range(12)])
@example(list(FASHION))
def test_folders_sort_like_the_class_numbers(classes: list[str]) -> None:
    names = folder_names(classes)
    assert names == sorted(names) and len(names) == len(classes)
    twins = {unicodedata.normalize("NFKC", name).casefold() for name in names}
    assert len(twins) == len(names)
    for name in names:
        assert name and not set(name) & set('/\\:*?"<>|\0') and name.isprintable()
        assert name[0] not in ". " and name[-1] not in ". "
        assert name.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "COM¹", "LPT9"}
        assert not is_junk(name) and len(name.encode()) < 255
        assert name == unicodedata.normalize("NFC", name)


def test_numbers_stand_before_names_only_where_names_would_not_sort() -> None:
    assert folder_names(("ant", "bee", "cat")) == ["ant", "bee", "cat"]
    assert folder_names(("0", "1", "9")) == ["0", "1", "9"]
    assert folder_names(("bee", "ant")) == ["0_bee", "1_ant"]
    assert folder_names([str(k) for k in range(12)])[:3] == ["00_0", "01_1", "02_2"]
    assert folder_names(("NUL.txt", "Nul", "x.", "X")) == ["0_NUL_.txt", "1_Nul_", "2_x", "3_X_3"]
    assert folder_names(("e\u0301", "é")) == ["é", "é_1"]


@pytest.mark.parametrize("classes", [FASHION, tuple(str(k) for k in range(12)), ("ant", "bee")])
def test_image_folder_gives_every_class_its_number(tmp_path: Path, classes: tuple[str, ...]) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    data = made(classes)
    data.save(tmp_path / "out")
    read = datasets.ImageFolder(tmp_path / "out")
    assert [(np.asarray(picture).max(), label) for picture, label in read] == [
        (k, k) for k in range(len(classes))
    ]


def test_labels_json_leads_from_folders_to_classes_and_back(tmp_path: Path) -> None:
    made(FASHION).save(tmp_path / "out")
    text = json.loads((tmp_path / "out" / "labels.json").read_text(encoding="utf-8"))
    assert text["classes"] == list(FASHION)
    for number, (name, folder) in enumerate(zip(FASHION, text["folders"], strict=True)):
        assert text["class_of"][folder] == name and text["folder_of"][name] == folder
        assert (tmp_path / "out" / folder).is_dir()
        assert text["labels"][f"{folder}/00000.png"] == number


def test_folders_are_written_whatever_the_locale(rud: Path, tmp_path: Path) -> None:
    data = replace(rudcodec.load(rud), classes=("œuf", "卵", "egg"))
    data.save(tmp_path / "here")
    code = (
        "import sys, rudcodec, dataclasses; d = rudcodec.load(sys.argv[1]);"
        "d = dataclasses.replace(d, classes=('\\u0153uf', '\\u5375', 'egg'));"
        "d.save(sys.argv[2]); print(sys.getfilesystemencoding())"
    )
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(rud), str(tmp_path / "there")],
        env=os.environ | plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", "ascii\n")
    here, there = (sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("here", "there"))
    assert here == there


# ---- the way back from files

ZOO = ("zebra", "ant", "cat")
FORMS = [
    "out", "out.npz", "out.tar",
    *(pytest.param(f"out.{suffix}", marks=pytest.mark.skipif(find_spec(package) is None, reason="not there"))
      for suffix, package in (("safetensors", "safetensors"), ("parquet", "pyarrow"))),
]  # fmt: skip


@pytest.mark.parametrize("classes", [ZOO, FASHION])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_brings_the_class_names_back(tmp_path: Path, form: str, classes: tuple[str, ...]) -> None:
    made(classes).save(tmp_path / form)
    found = load(tmp_path / form, "all")
    assert found.classes == tuple(name.replace("/", "-") for name in classes)
    assert tones(found) == found.labels.tolist() == list(range(len(classes)))
    assert found.report is not None and found.report.passed == ()


@pytest.mark.parametrize("empty", [0, 1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_a_class_without_images_keeps_its_number(tmp_path: Path, form: str, empty: int) -> None:
    made(ZOO)[[number for number in range(3) if number != empty]].save(tmp_path / form)
    found = load(tmp_path / form, "all")
    numbers = [number for number in range(3) if number != empty]
    assert (found.classes, found.labels.tolist(), tones(found)) == (ZOO, numbers, numbers)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_segments_of_a_file_are_read_back(tmp_path: Path, form: str) -> None:
    """In which a class has no image any more."""
    architecture = Architecture(6, 5, 3, (1,), (), (layer(3, relu=False),))
    payload = random_payload(architecture, [(2, 0, 1), (1, 3, 1)], seed=1, classes=ZOO)
    rudcodec.truncate(bitstream.encode(payload), tmp_path / "first.rud", ipc=1)
    data = rudcodec.decompress(tmp_path / "first.rud", tmp_path / form)
    found = load(tmp_path / form, "all")
    assert (found.classes, found.labels.tolist()) == (ZOO, [0, 0, 2])
    np.testing.assert_array_equal(found.images, data.images)


def test_only_classes_that_were_saved_without_images_have_none(tmp_path: Path) -> None:
    """Their folders may be lost, as archives lose empty ones; those of others may not."""
    made(ZOO)[[1, 2]].save(tmp_path / "out")
    files = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert load(zipped(tmp_path / "out.zip", files), "all").ipc_counts() == (0, 1, 1)
    put(tmp_path / "out" / "0_zebra", {"x.heic": b"?"})
    assert "0_zebra/ lies among the class folders but has no picture" in refusal(tmp_path / "out", "all")
    (tmp_path / "out" / "0_zebra" / "x.heic").unlink()
    (tmp_path / "out" / "2_cat" / "00000.png").unlink()
    assert "2_cat/ lies among the class folders but has no images" in refusal(tmp_path / "out", "all")
    skipping = load(tmp_path / "out", "all", reading=Reading(skip_bad=True))
    assert (skipping.classes, skipping.labels.tolist()) == (ZOO[:2], [1])


FOREIGN = [
    b"", b"not json", b"[" * 10**5, b"[1]", b"{}", b'{"classes": 3}', b'{"classes": ["a", "b"]}',
    b'{"classes": ["a", "b", 3]}', b'{"classes": ["a", "b", "b"]}', b'{"classes": ["a", "..", "b"]}', b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("about", FOREIGN)
def test_what_others_write_in_its_place_is_no_list_of_names(tmp_path: Path, about: bytes) -> None:
    made(ZOO).save(tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    assert load(tarred(tmp_path / "other.tar", files | {ABOUT: about}), "all").classes == ("0", "1", "2")
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = {"images": made(ZOO).images, "labels": np.arange(3)}
    safetensors.save_file(tensors, tmp_path / "x.safetensors", {"about": about.decode("utf-8", "replace")})
    assert load(tmp_path / "x.safetensors", "all").classes == ("0", "1", "2")


def test_shards_of_several_sets_agree_by_name(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    made(ZOO).save(tmp_path / "set" / "train.tar")
    made(tuple(sorted(ZOO))).save(tmp_path / "set" / "test.tar")
    assert load(tmp_path / "set", "all").classes == ZOO
    test = load(tmp_path / "set", "test")
    assert (test.classes, test.labels.tolist(), tones(test)) == (ZOO, [0, 1, 2], [2, 0, 1])
    made(("zebra", "ant", "dog")).save(tmp_path / "set" / "test.tar")
    assert "label dog is none of 3 class names" in refusal(tmp_path / "set", "test")
    put(tmp_path / "set", {"classes.txt": b"cat\nzebra\nant\n"})
    named = load(tmp_path / "set", "all")
    assert (named.classes, tones(named)) == (("cat", "zebra", "ant"), [2, 0, 1])


def test_shards_of_one_split_must_have_the_same_names(tmp_path: Path) -> None:
    for number, classes in enumerate((ZOO, tuple(sorted(ZOO)))):
        made(classes).save(tmp_path / f"train-{number}.tar")
    assert "train-1.tar: __rudcodec__/about names other classes than" in refusal(
        tmp_path / "train-{0..1}.tar", "all"
    )


def test_the_names_in_a_large_labels_json_are_found(
    tmp_path: Path, rud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of a thousand classes have hundreds of megabytes of probabilities in it, behind the names."""
    rudcodec.decompress(rud, tmp_path / "out")
    limit = max(path.stat().st_size for path in tmp_path.rglob("*.png"))
    labels = tmp_path / "out" / "labels.json"
    labels.write_text(labels.read_text() + " " * limit)
    expected = load(tmp_path / "out", "all").classes
    sources = [tmp_path / "out", tarred(tmp_path / "set.tar", files := contents_of(tmp_path / "out"))]
    sources.append(zipped(tmp_path / "set.zip", files))
    monkeypatch.setattr("rudcodec.data.disk.MAX_FILE", limit)
    monkeypatch.setattr("rudcodec.data.archives.MAX_FILE", limit)
    for source in sources:
        assert load(source, "all").classes == expected


def contents_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
