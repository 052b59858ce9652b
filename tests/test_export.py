"""Sets saved in forms that other programs read, which then find the same images, labels and names in them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_output import labelled_file, one_line, run

import rudcodec
from rudcodec import MissingPackageError, SettingError, SyntheticSet
from rudcodec.data import load as load_images
from rudcodec.export import FILE_FORMATS, choose_format, format_names
from rudcodec.export.webdataset import ABOUT

SOFT = Path(__file__).parent / "golden" / "soft-300.rud"
needs = {"parquet": "pyarrow", "safetensors": "safetensors"}
PATHS = [
    pytest.param(
        f"out{one.suffix}",
        id=name,
        marks=pytest.mark.skipif(
            name in needs and find_spec(needs[name]) is None, reason=f"{needs.get(name)} isn't installed"
        ),
    )
    for name, one in FILE_FORMATS.items()
]


@pytest.fixture(params=["hard", "soft"])
def data(request: pytest.FixtureRequest, rud: Path) -> SyntheticSet:
    """Twelve colour images, or three hundred grey ones with soft labels."""
    return rudcodec.load(rud if request.param == "hard" else SOFT)


def check_about(text: str, data: SyntheticSet) -> None:
    about = json.loads(text)
    assert about["classes"] == list(data.classes) and about["size_bytes"] == data.size
    assert about["recipe"]["steps"] == data.recipe.steps
    assert about.get("temperature", 1.0) == data.temperature


def test_npz(data: SyntheticSet, tmp_path: Path) -> None:
    data.save(tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], data.images)
        np.testing.assert_array_equal(arrays["labels"], data.labels)
        assert arrays["classes"].tolist() == list(data.classes)
        check_about(str(arrays["about"]), data)
        assert ("probs" in arrays) == (data.probs is not None)
        if data.probs is not None:
            np.testing.assert_array_equal(arrays["probs"], data.probs)


def test_npz_is_a_source_again(rud: Path, tmp_path: Path) -> None:
    data = rudcodec.load(rud)
    data.save(tmp_path / "out.npz")
    again = load_images(tmp_path / "out.npz", "all")
    np.testing.assert_array_equal(again.images, data.images[np.argsort(data.labels, kind="stable")])
    assert again.classes == data.classes


def test_safetensors(data: SyntheticSet, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    data.save(tmp_path / "out.safetensors")
    with safetensors.safe_open(tmp_path / "out.safetensors", "np") as file:
        assert file.get_tensor("images").dtype == np.uint8
        np.testing.assert_array_equal(file.get_tensor("images"), data.images)
        np.testing.assert_array_equal(file.get_tensor("labels"), data.labels)
        check_about(file.metadata()["about"], data)
        if data.probs is not None:
            np.testing.assert_array_equal(file.get_tensor("probs"), data.probs)
        assert len(file.keys()) == 2 + (data.probs is not None)


def check_hf(table: Any, data: SyntheticSet) -> None:
    assert table.features["label"].names == list(data.classes)
    assert len(table) == len(data) and table["label"][:] == data.labels.tolist()
    for row, image in zip(table, data.images, strict=True):
        channels = image if image.shape[2] == 3 else image[:, :, 0]
        np.testing.assert_array_equal(np.asarray(row["image"]), channels)
    assert ("probs" in table.features) == (data.probs is not None)
    if data.probs is not None:
        np.testing.assert_array_equal(np.array(table["probs"][:], np.float32), data.probs)


def test_parquet_is_what_datasets_loads(data: SyntheticSet, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data.save(tmp_path / "out.parquet")
    table = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    check_hf(table, data)


def test_parquet_has_the_recipe(data: SyntheticSet, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    data.save(tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    check_about(table.schema.metadata[b"rudcodec"].decode(), data)
    first = table["image"][0].as_py()["bytes"]
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(first))).reshape(data.images[0].shape), data.images[0]
    )


def test_datasets_gives_the_set_without_a_file(data: SyntheticSet) -> None:
    pytest.importorskip("datasets")
    check_hf(data.hf(), data)


def test_tar(data: SyntheticSet, tmp_path: Path) -> None:
    data.save(tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as archive:
        texts = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    check_about(texts.pop(ABOUT).decode(), data)
    for number, (image, label) in enumerate(data):
        decoded = np.asarray(Image.open(io.BytesIO(texts.pop(f"{number:06}.png")))).reshape(image.shape)
        np.testing.assert_array_equal(decoded, image)
        assert int(texts.pop(f"{number:06}.cls")) == label
        if data.probs is not None:
            probs = json.loads(texts.pop(f"{number:06}.json"))["probs"]
            np.testing.assert_allclose(probs, data.probs[number], atol=1e-6)
    assert not texts


def test_tar_is_what_webdataset_reads(data: SyntheticSet, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    data.save(tmp_path / "out.tar")
    with (tmp_path / "out.tar").open("rb") as file:
        shard = webdataset.tariterators.tar_file_expander([{"url": "out.tar", "stream": file}])
        grouped = webdataset.tariterators.group_by_keys(shard)
        samples = list(webdataset.filters.decode("rgb8")(grouped))
    assert [sample["cls"] for sample in samples] == data.labels.tolist()
    for sample, image in zip(samples, data.images, strict=True):
        np.testing.assert_array_equal(sample["png"], np.broadcast_to(image, (*image.shape[:2], 3)))
        assert ("json" in sample) == (data.probs is not None)


def test_tar_is_what_datasets_loads(data: SyntheticSet, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data.save(tmp_path / "out.tar")
    table = datasets.load_dataset(
        "webdataset", data_files=str(tmp_path / "out.tar"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert table["cls"][:] == data.labels.tolist()


@pytest.mark.parametrize("name", PATHS)
def test_the_same_set_is_the_same_file(name: str, data: SyntheticSet, tmp_path: Path) -> None:
    data.save(tmp_path / f"a_{name}")
    data.save(tmp_path / f"b_{name}")
    assert (tmp_path / f"a_{name}").read_bytes() == (tmp_path / f"b_{name}").read_bytes()
    assert len(list(tmp_path.glob("*out*"))) == 2


@pytest.mark.parametrize("name", PATHS)
def test_command_and_python_write_the_same(name: str, data: SyntheticSet, tmp_path: Path, rud: Path) -> None:
    file = rud if len(data) == 12 else SOFT
    data.save(tmp_path / name)
    expected = (tmp_path / name).read_bytes()
    text = one_line(run("decompress", file, tmp_path / name))
    assert "exists already; --force" in text and (tmp_path / name).read_bytes() == expected
    result = run("decompress", file, tmp_path / name, "--force")
    assert result.exit_code == 0 and f"{len(data)} images" in result.stdout
    assert (tmp_path / name).read_bytes() == expected
    (chosen,) = (one for one in FILE_FORMATS.values() if name.endswith(one.suffix))
    piped = run("decompress", "-", "-", "--format", chosen.name, stdin=file.read_bytes())
    assert piped.exit_code == 0 and piped.stdout_bytes == expected
    rudcodec.decompress(file, tmp_path / "other", format=chosen.name)
    assert (tmp_path / "other").read_bytes() == expected
    assert "writing 1 file, up to" in result.stderr
    bound = float(result.stderr.split("up to ")[1].split(" MB")[0].replace(",", "")) * 1e6
    assert len(expected) <= bound + 50_000


@pytest.mark.parametrize("name", [*PATHS, pytest.param("out", id="folder")])
def test_views_in_each_form(name: str, tmp_path: Path) -> None:
    file = labelled_file(tmp_path)
    expected = rudcodec.load(file).views(5, seed=3)
    assert run("decompress", file, tmp_path / name, "--views", "5", "--seed", "3").exit_code == 0
    expected.save(tmp_path / f"again_{name}")
    if name == "out":
        about = json.loads((tmp_path / "out" / "labels.json").read_text())
        assert about["temperature"] == expected.temperature
        order = np.argsort(expected.labels, kind="stable")
        assert [about["labels"][key] for key in sorted(about["labels"])] == expected.labels[order].tolist()
        probs = [about["probs"][key] for key in sorted(about["labels"])]
        np.testing.assert_allclose(probs, expected.probs[order], atol=1e-6)
        return
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again_{name}").read_bytes()


def test_a_form_is_named_or_has_a_suffix(rud: Path, tmp_path: Path) -> None:
    data = rudcodec.load(rud)
    with pytest.raises(SettingError, match=r"no format has the suffix \.h5, only \.npz, .*slash"):
        data.save(tmp_path / "out.h5")
    with pytest.raises(SettingError, match="no format is called 'png': choose from folder, npz"):
        data.save(tmp_path / "out", "png")
    assert "no format has the suffix .zip" in one_line(run("decompress", rud, tmp_path / "out.zip"))
    assert "needs --format" in one_line(run("decompress", rud, "-"))
    assert "standard output" in one_line(run("decompress", rud, "-", "--format", "folder"))
    assert "format" in one_line(run("decompress", rud, tmp_path / "out", "--format", "png"))
    with pytest.raises(SettingError, match="out/: names a folder, and npz is one file"):
        data.save(f"{tmp_path}/out/", "npz")
    assert not list(tmp_path.glob("out*"))
    assert choose_format("set-0.5") is None and choose_format("out.h5/") is None
    assert choose_format("A.NPZ") is FILE_FORMATS["npz"]
    data.save(tmp_path / "v1.beta", "folder")
    assert (tmp_path / "v1.beta" / "labels.json").exists()
    assert set(format_names()) == {"folder", *FILE_FORMATS}


def test_missing_folder_and_full_ones_are_one_line(rud: Path, tmp_path: Path) -> None:
    assert "no folder" in one_line(run("decompress", rud, tmp_path / "none" / "out.npz"))
    (tmp_path / "out.npz").mkdir()
    (tmp_path / "out.npz" / "file").touch()
    assert "not an empty folder" in one_line(run("decompress", rud, tmp_path / "out.npz"))


def test_a_missing_package_is_named(rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudcodec.optional.find_spec", lambda name: None)
    data = rudcodec.load(rud)
    for name, package, advice in (
        ("out.parquet", "pyarrow", r"'rudcodec\[hf\]'"),
        ("out.safetensors", "safetensors", "safetensors"),
    ):
        with pytest.raises(MissingPackageError, match=rf"^{package} is missing.* pip install {advice}"):
            data.save(tmp_path / name)
        assert package in one_line(run("decompress", rud, tmp_path / name))
    with pytest.raises(ImportError, match=r"^datasets is missing"):
        data.hf()
    for use in (data.torch, data.batches, data.recipe.train_transform, lambda: rudcodec.evaluate):
        with pytest.raises(MissingPackageError, match=r"^torch is missing.* pip install 'rudcodec\[train\]'"):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["small.rud"]


def test_saving_imports_neither_torch_nor_what_it_does_not_need(rud: Path, tmp_path: Path) -> None:
    code = (
        "import sys, rudcodec\n"
        "data = rudcodec.load(sys.argv[1])\n"
        "for name in ('a.npz', 'a.tar', 'a'): data.save(f'{sys.argv[2]}/{name}')\n"
        "image, label = data[0]; list(data); data[1:3]; repr(data); data._repr_html_()\n"
        "print(sorted({'torch', 'datasets', 'pyarrow', 'safetensors'} & set(sys.modules)))\n"
    )
    line = [sys.executable, "-c", code, str(rud), str(tmp_path)]
    result = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def test_what_training_imports_is_looked_for_first(rud: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a torch of the user's own, packages that it doesn't bring may be missing."""
    pytest.importorskip("torch")
    monkeypatch.setattr("rudcodec.optional.find_spec", lambda name: None if name == "safetensors" else name)
    data = rudcodec.load(rud)
    for use in (data.batches, data.recipe.train_transform, lambda: rudcodec.evaluate):
        with pytest.raises(MissingPackageError, match=r"^safetensors is missing.* pip install safetensors"):
            use()
    said = one_line(run("eval", rud, "--real", "digits"))
    assert "safetensors is missing, which this needs: pip install safetensors" in said
