"""SyntheticSet: what a user gets, in memory and on disk, without torch."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_payloads import layer, random_payload, small_payload
from PIL import Image

import rudcodec
from rudcodec import DataError, FormatError, bitstream
from rudcodec.names import folder_names
from rudcodec.payload import Architecture

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.rud"
    bitstream.write(replace(small_payload(), classes=("zebra", "ant")), path)
    return path


def test_load(file: Path) -> None:
    loaded = rudcodec.load(file)
    assert loaded.images.shape == (5, 4, 5, 3) and loaded.images.dtype == np.uint8
    assert loaded.labels.tolist() == [0, 0, 1, 1, 0] and loaded.labels.dtype == np.int64
    assert loaded.classes == ("zebra", "ant") and loaded.counts == (3, 2)
    assert loaded.size == file.stat().st_size and loaded.bpc == 8 * loaded.size / 2
    assert len(loaded) == 5 and loaded.ipc == 2.5
    assert loaded.recipe == small_payload().recipe


def test_load_takes_a_path_a_file_or_its_contents(file: Path) -> None:
    contents = file.read_bytes()
    with file.open("rb") as opened:
        for source in (str(file), opened, io.BytesIO(contents), contents):
            loaded = rudcodec.load(source, classes=["ant"])
            assert loaded.labels.tolist() == [1, 1] and loaded.size == len(contents)
    with pytest.raises(FormatError):
        rudcodec.load(contents[:-1])


def test_a_name_that_no_file_has() -> None:
    with pytest.raises(DataError, match="no file can have that name"):
        rudcodec.load("out\0.rud")


def test_decompress_writes_class_folders(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "synth"
    returned = rudcodec.decompress(file, folder)
    text = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in folder.iterdir()) == ["0_zebra", "1_ant", "labels.json"]
    assert len(text["labels"]) == 5 and text["size_bytes"] == returned.size
    for (path, label), image, expected in zip(
        text["labels"].items(), returned.images, returned.labels, strict=True
    ):
        assert label == expected and path.startswith(("0_zebra", "1_ant")[label])
        np.testing.assert_array_equal(np.asarray(Image.open(folder / path)), image)
    assert not list(tmp_path.rglob(".*"))


def test_grey_images_are_saved_as_grey(tmp_path: Path) -> None:
    payload = random_payload(Architecture(3, 2, 1, (1,), (), (layer(1, relu=False),)), [(1,)], seed=1)
    bitstream.write(payload, tmp_path / "grey.rud")
    loaded = rudcodec.decompress(tmp_path / "grey.rud", tmp_path / "out")
    picture = Image.open(tmp_path / "out" / "class 0" / "00000.png")
    assert picture.mode == "L" and picture.size == (2, 3)
    np.testing.assert_array_equal(np.asarray(picture), loaded.images[0, :, :, 0])


def test_a_folder_in_use_is_left_alone(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    rudcodec.decompress(file, folder)  # an empty one is taken
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match="mine"):
        rudcodec.decompress(file, folder)
    assert sorted(folder.rglob("*")) == before
    with pytest.raises(DataError, match=r"set\.rud"):
        rudcodec.load(file).save(file, "folder")


def test_class_names_cannot_leave_the_folder() -> None:
    names = folder_names(
        ("../../etc", "a/b", "a\\b", "..", "A_b", "con", "", "labels.json", "x" * 200, "œuf 卵")
    )
    assert len({name.casefold() for name in names}) == 10
    for name in names:
        assert (
            name not in ("", ".", "..", "labels.json") and not set(name) & set("/\\:\0") and len(name) < 100
        )
        assert not name.startswith(".")
    assert names[-1] == "9_œuf 卵"


def test_damage_is_reported_on_loading(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(FormatError, match="segment 1"):
        rudcodec.load(file)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_reading_needs_no_training_libraries(tmp_path: Path, threads: str) -> None:
    """And gives the digested pixels however many threads the matrix products take."""
    program = (
        "import sys, rudcodec; light = set(sys.modules); s = rudcodec.decompress(sys.argv[1], sys.argv[2]);"
        "banned = {'torch', 'torchvision', 'compressai', 'sklearn', 'scipy'};"
        "assert not banned & set(sys.modules), banned & set(sys.modules);"
        "assert 'constriction' not in light; print(s.images.shape)"
    )
    path = GOLDEN / "colour-28x28-segments.rud"
    result = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "out")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
    )
    assert (result.stderr, result.stdout.strip()) == ("", "(5, 28, 28, 3)")


def test_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = rudcodec.nothing_of_the_kind
    assert set(rudcodec.__all__) >= {"compress", "decompress", "evaluate", "load", "SyntheticSet"}
