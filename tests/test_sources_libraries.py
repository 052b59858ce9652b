"""Sets in the forms that other libraries give them, made by these libraries: images and labels come back."""

from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import png
from PIL import Image
from test_data import refusal

from rudcodec import DataError, MissingPackageError
from rudcodec.data import LabelledImages, Reading, load, splits

NAMES = ["cat", "dog", "ant"]  # not in order
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 6, 5, 3), dtype=np.uint8)
LABELS = np.random.default_rng(1).permutation(np.arange(24) % 3)


def same(found: LabelledImages, names: Sequence[str], rows: slice = slice(None)) -> None:
    """The set has these images and labels, ordered by class."""
    order = np.argsort(LABELS[rows], kind="stable")
    assert found.classes == tuple(names)
    assert np.array_equal(found.images, IMAGES[rows][order])
    assert np.array_equal(found.labels, LABELS[rows][order])


# ---- datasets


@pytest.fixture
def dataset() -> Any:
    datasets = pytest.importorskip("datasets", reason="needs datasets: pip install 'rudcodec[hf]'")
    datasets.disable_progress_bars()
    features = {
        "img": datasets.Image(),
        "fine": datasets.ClassLabel(names=NAMES),
        "id": datasets.Value("int64"),
    }
    columns = {"img": [Image.fromarray(x) for x in IMAGES], "fine": LABELS.tolist(), "id": list(range(24))}
    return datasets.Dataset.from_dict(columns, datasets.Features(features))


def test_a_dataset_object(dataset: Any) -> None:
    found = load(dataset, "all")
    same(found, NAMES)
    assert found.report and found.report.notes == ("images are the column img, labels fine",)
    reverse = load(dataset.select(range(23, -1, -1)), "all")
    assert np.array_equal(reverse.images[reverse.labels == 1], IMAGES[::-1][LABELS[::-1] == 1])


def test_a_dataset_dict(dataset: Any) -> None:
    import datasets

    both = datasets.DatasetDict(train=dataset.select(range(15)), test=dataset.select(range(15, 24)))
    assert splits(both) == ("train", "val", "test")
    same(load(both, "all"), NAMES, slice(15))
    same(load(both, "test"), NAMES, slice(15, 24))
    with pytest.raises(DataError, match="has no split train, val or test, only a"):
        load(datasets.DatasetDict(a=dataset))
    with pytest.raises(DataError, match="is a stream; give a Dataset"):
        load(dataset.to_iterable_dataset())


def test_sets_on_disk(tmp_path: Path, dataset: Any) -> None:
    import datasets

    dataset.save_to_disk(str(tmp_path / "one"))
    same(load(tmp_path / "one", "all"), NAMES)
    both = datasets.DatasetDict(
        train=dataset.select(range(15)), test=dataset.select(range(15, 24)), odd=dataset.select(range(2))
    )
    both.save_to_disk(str(tmp_path / "dict"), num_shards={"train": 3, "test": 1, "odd": 1})
    found = load(tmp_path / "dict", "all")
    same(found, NAMES, slice(15))
    assert found.report and "passed over the split odd" in found.report.notes
    same(load(tmp_path / "dict", "test"), NAMES, slice(15, 24))
    assert "holds several saved sets (dict/, one/); name one" in refusal(tmp_path)
    (tmp_path / "dict" / "train" / "data-00001-of-00003.arrow").unlink()
    assert "names the file data-00001-of-00003.arrow, which isn't in its folder" in refusal(tmp_path / "dict")


def test_parquet_shards(tmp_path: Path, dataset: Any) -> None:
    import datasets

    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    for i in range(2):
        shard = dataset.select(range(15)).shard(2, i, contiguous=True)
        shard.to_parquet(str(folder / f"train-0000{i}-of-00002.parquet"))
    dataset.select(range(15, 24)).to_parquet(str(folder / "test-00000-of-00001.parquet"))
    assert splits(tmp_path / "hub") == ("train", "val", "test")
    same(load(tmp_path / "hub", "all"), NAMES, slice(15))
    same(load(tmp_path / "hub", "test"), NAMES, slice(15, 24))
    same(load(folder / "test-00000-of-00001.parquet", "test"), NAMES, slice(15, 24))
    names = datasets.ClassLabel(names=NAMES[::-1])
    dataset.cast_column("fine", names).to_parquet(str(folder / "test-00000-of-00001.parquet"))
    assert "test-00000-of-00001.parquet: fine has other class names than" in refusal(tmp_path / "hub", "test")
    (folder / "train-00001-of-00002.parquet").unlink()
    assert "train-00001-of-00002.parquet is missing" in refusal(tmp_path / "hub")


def test_columns_are_never_guessed(tmp_path: Path, dataset: Any) -> None:
    import datasets

    features = dataset.features.copy()
    features["coarse"] = datasets.ClassLabel(names=["x", "y"])
    columns = {"img": [png(x) for x in IMAGES], "fine": LABELS.tolist(), "id": [*range(24)]}
    columns["coarse"] = (LABELS // 2).tolist()
    coarse = datasets.Dataset.from_dict(columns, datasets.Features(features))
    with pytest.raises(DataError, match=r"fine, coarse may all be the label; say which \(--label-column\)"):
        load(coarse)
    assert splits(coarse, reading=Reading(label_column="coarse")) == ("train", "val")
    found = load(coarse, "all", reading=Reading(label_column="coarse"))
    assert found.classes == ("x", "y") and found.ipc_counts() == (16, 8)
    same(load(coarse, "all", reading=Reading(label_column="fine")), NAMES)
    columns = {"img": [png(x) for x in IMAGES], "z": [png(x) for x in IMAGES], "fine": LABELS.tolist()}
    features = {"img": datasets.Image(), "z": datasets.Image(), "fine": dataset.features["fine"]}
    two = datasets.Dataset.from_dict(columns, datasets.Features(features))
    with pytest.raises(DataError, match=r"img, z may all be the image; say which \(--image-column\)"):
        load(two)
    same(load(two, "all", reading=Reading(image_column="z")), NAMES)
    with pytest.raises(DataError, match="the column id holds no images: img "):
        load(dataset, reading=Reading(image_column="id"))
    for reading in (Reading(label_column="nope"), Reading(image_column="nope")):
        with pytest.raises(DataError, match="has no column nope, only img, fine, id"):
            load(dataset, reading=reading)
    plain = dataset.select_columns(["img", "id"])
    with pytest.raises(DataError, match=r"no column is a ClassLabel or called label or labels; name it"):
        load(plain)


def test_parquet_of_other_programs(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'rudcodec[hf]'")
    from pyarrow import parquet

    rows = [{"image": {"bytes": png(x)}, "label": NAMES[y]} for x, y in zip(IMAGES, LABELS, strict=True)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet", "all")
    assert found.classes == ("ant", "cat", "dog")
    assert np.array_equal(found.images[found.labels == 1], IMAGES[LABELS == 0])
    rows[3] = {"image": {"bytes": b"x"}, "label": "cat"}
    rows[4] = {"image": {"bytes": None}, "label": "cat"}
    rows[5] = {"image": {"bytes": png(IMAGES[0])}, "label": None}
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    assert "b.parquet: row 5 has a label that is neither" in refusal(tmp_path / "b.parquet", "all")
    found = load(tmp_path / "b.parquet", "all", reading=Reading(skip_bad=True))
    assert len(found) == 21 and found.report and len(found.report.bad) == 3
    assert any("row 4 has no picture" in line for line in found.report.bad)


def test_a_file_that_names_files_is_not_followed(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'rudcodec[hf]'")
    from pyarrow import parquet

    (tmp_path / "secret.png").write_bytes(png(IMAGES[0]))
    rows = [
        {"image": {"bytes": None, "path": str(tmp_path / "secret.png")}, "label": i % 2} for i in range(4)
    ]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": kind, "label": pa.int64()})
    parquet.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    assert "row 0 names a file instead of holding its picture" in refusal(tmp_path / "a.parquet", "all")


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0" + bytes(200))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    for name, package in (("a.parquet", "pyarrow"), ("a.mat", "scipy")):
        with pytest.raises(
            MissingPackageError, match=f"is read by {package}, which is missing: pip install {package}"
        ):
            load(tmp_path / name)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_an_imagefolder_as_datasets_reads_it(tmp_path: Path, name: str) -> None:
    for split, rows in (("train", range(15)), ("test", range(15, 24))):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        for i in rows:
            (folder / f"{i:02}.png").write_bytes(png(IMAGES[i]))
        texts = [NAMES[LABELS[i]] for i in rows]
        lines = ["file_name,label"] + [f"{i:02}.png,{text}" for i, text in zip(rows, texts, strict=True)]
        if name.endswith("jsonl"):
            pairs = zip(rows, texts, strict=True)
            lines = [json.dumps({"file_name": f"{i:02}.png", "label": text}) for i, text in pairs]
        (folder / name).write_text("\n".join(lines) + "\n")
    assert splits(tmp_path / "set") == ("train", "val", "test")
    ours = load(tmp_path / "set", "test")
    assert ours.classes == ("ant", "cat", "dog") and len(ours) == 9
    if name == "metadata.csv":
        return  # datasets doesn't close it, which is an error here
    datasets = pytest.importorskip("datasets", reason="needs datasets: pip install 'rudcodec[hf]'")
    datasets.disable_progress_bars()
    cache = str(tmp_path / "cache")
    theirs = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "set"), split="test", cache_dir=cache
    )
    assert np.array_equal(load(theirs, "all").images, ours.images)


# ---- WebDataset


def test_shards_of_webdataset(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset", reason="needs webdataset: pip install webdataset")
    with wds.ShardWriter(str(tmp_path / "train-%06d.tar"), maxcount=10, verbose=0) as writer:
        for i in range(24):
            writer.write({"__key__": f"{i:06}", "png": IMAGES[i], "cls": int(LABELS[i])})
    same(load(tmp_path, "all"), ["0", "1", "2"])
    same(load(str(tmp_path / "train-{000000..000002}.tar"), "all"), ["0", "1", "2"])


# ---- torch


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


class Items:
    """A data set as torchvision's are."""

    classes = NAMES

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> Any:
        return self.transform(IMAGES[index]), int(LABELS[index])


def test_items_of_any_kind(torch: Any) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    kinds = [Image.fromarray, transforms.ToTensor(), lambda x: x, lambda x: x / 255]
    for transform in kinds:
        found = load(Items(transform), "all")
        same(found, NAMES)
        assert found.report and found.report.source == "Items"
    same(load(torch.utils.data.Subset(Items(Image.fromarray), range(15)), "all"), NAMES, slice(15))
    small = load(Items(Image.fromarray), "all", 4)
    assert small.images.shape == (24, 4, 4, 3)


def test_pairs_of_arrays_and_tensors(torch: Any) -> None:
    channels_first = torch.tensor(IMAGES).permute(0, 3, 1, 2)
    labels = torch.tensor(LABELS)
    one_hot = torch.nn.functional.one_hot(labels)
    numbers = ["0", "1", "2"]
    for pair in (
        (IMAGES, LABELS),
        (IMAGES / 255, np.eye(3)[LABELS]),
        (channels_first, one_hot),
        (channels_first / 255, labels),
        ([Image.fromarray(x) for x in IMAGES], LABELS.tolist()),
        torch.utils.data.TensorDataset(channels_first, labels),
    ):
        same(load(pair, "all"), numbers)
    both = {"train": (IMAGES[:15], LABELS[:15]), "test": (IMAGES[15:], LABELS[15:])}
    same(load(both, "test"), numbers, slice(15, 24))


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("largest", [255, 1])
@pytest.mark.parametrize("size", [None, 3, 7])
def test_float_items_have_one_range(order: slice, largest: int, size: int | None) -> None:
    """The same as in one array, whichever comes first: dark images of 0..255 are no bright ones of 0..1."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (6, 5, 5, 3)).astype(np.float32)
    images[2:4] = rng.integers(0, 256, (2, 5, 5, 3)) / (255 / largest)
    images, labels = images[order], np.arange(6) % 2
    expected = load((images, labels), "all", size).images
    reading = Reading(size=size)
    channels_first = images.transpose(0, 3, 1, 2)
    for items in (
        list(zip(images, labels, strict=True)),
        (list(images), labels.tolist()),
        [(image, label) for image, label in zip(channels_first, labels, strict=True)],
        {"train": list(zip(images.astype(np.float64), labels, strict=True))},
    ):
        assert np.array_equal(load(items, "all", reading=reading).images, expected)


def test_float_items_of_zeros_and_ones_are_black_and_white() -> None:
    images = np.random.default_rng(0).integers(0, 2, (6, 5, 5)).astype(np.float32)
    found = load([(image, i % 2) for i, image in enumerate(images)], "all").images
    assert np.array_equal(found, load((images, np.arange(6) % 2), "all").images)
    assert set(found.ravel().tolist()) == {0, 255}


def test_float_items_of_two_ranges_are_refused() -> None:
    items = [(np.full((4, 4), value), i % 2) for i, value in enumerate((1.0, 0.5, 7.0, 0.0))]
    with pytest.raises(
        DataError, match=r"item 2 has floats in 0\.\.255, but list: item 1 in 0\.\.1; give all"
    ):
        load(items, "all")
    with pytest.raises(
        DataError, match=r"item 2 has floats in 0\.\.1, but list: item 1 in 0\.\.255; give all"
    ):
        load(items[::-1], "all")


def test_normalised_items_need_the_numbers(torch: Any) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    items = Items(transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)]))
    with pytest.raises(DataError, match=r"Items: item 0: images must be .*\(--normalised cifar10\)"):
        load(items)
    same(load(items, "all", reading=Reading(normalised="CIFAR-10")), NAMES)
    numbers = ".4914,.4822,.4465/.2023,.1994,.2010"
    same(load(items, "all", reading=Reading(normalised=numbers)), NAMES)


class OddKeys(collections.UserList[int]):
    """Has a length, but no item 0; as a DataFrame."""

    def __init__(self) -> None:
        super().__init__([1])

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (7, "int is no image set: give a path or a name"),
        (dict.fromkeys("ab", IMAGES).items(), "dict_items is no image set: give a path or a name"),
        (OddKeys(), "OddKeys: has no item 0: KeyError(0)"),
        ([1, 2], "list: item 0 is no (image, label), but int"),
        ({"a": (IMAGES, LABELS)}, "its keys must be train, val and test, not a"),
        ((IMAGES, LABELS[:-1]), "24 images but 23 labels"),
        ([(IMAGES[0], None), (IMAGES[1], 1)], "item 0 has a label that is neither a whole number nor a text"),
        ([(object(), 0), (IMAGES[1], 1)], "item 0: images must be"),
        ([(IMAGES[0], 0), (IMAGES[:2], 1)], "item 1 is a stack of 2 images"),
    ],
)
def test_objects_that_are_no_sets(source: Any, why: str) -> None:
    with pytest.raises(DataError) as caught:
        load(source, "all")
    assert why in str(caught.value) and str(caught.value).isprintable()


# ---- distilled sets


def normalised(torch: Any) -> Any:
    """The images as DC's and MTT's code keeps those of CIFAR-10."""
    mean, std = np.array((0.4914, 0.4822, 0.4465)), np.array((0.2023, 0.1994, 0.2010))
    return torch.tensor(((IMAGES / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))


def test_results_of_dataset_condensation(tmp_path: Path, torch: Any) -> None:
    path = tmp_path / "res_DM_CIFAR10_ConvNet_8ipc.pt"
    result = {"data": [[normalised(torch), torch.tensor(LABELS)]], "accs_all_exps": {"ConvNet": []}}
    torch.save(result, path)
    found = load(path, "all")
    same(found, ["0", "1", "2"])
    assert found.report and "images were normalised as cifar10, as the name says" in found.report.notes
    torch.save(result, tmp_path / "res_DM_mine.pt")
    assert "(--normalised cifar10)" in refusal(tmp_path / "res_DM_mine.pt", "all")
    same(load(tmp_path / "res_DM_mine.pt", "all", reading=Reading(normalised="cifar10")), ["0", "1", "2"])


def test_logs_of_trajectory_matching(tmp_path: Path, torch: Any) -> None:
    folder = tmp_path / "logged_files" / "CIFAR10" / "sunny-3"
    folder.mkdir(parents=True)
    for kind in ("best", "100"):
        torch.save(normalised(torch), folder / f"images_{kind}.pt")
        torch.save(torch.tensor(LABELS), folder / f"labels_{kind}.pt")
    assert "is normalised or whitened (ZCA), which it doesn't say" in refusal(folder)
    reading = Reading(normalised="cifar10")
    for source in (folder, folder / "images_100.pt"):
        same(load(source, "all", reading=reading), ["0", "1", "2"])
    soft = torch.tensor(np.eye(3)[LABELS] * 5 - np.random.default_rng(0).random((24, 3)))  # logits, as DATM's
    torch.save(soft, folder / "labels_best.pt")
    found = load(folder, "all", reading=reading)
    same(found, ["0", "1", "2"])
    assert found.report and "labels are soft: the likeliest class of each image counts" in found.report.notes
    (folder / "labels_100.pt").unlink()
    assert "the labels that go with it are missing (no labels_100.pt beside it)" in refusal(
        folder / "images_100.pt"
    )


def test_whitened_images_are_read_where_that_is_undone(tmp_path: Path, torch: Any) -> None:
    torch.save(torch.tensor(LABELS), tmp_path / "labels_100.pt")
    pixels = torch.tensor(IMAGES / 255).permute(0, 3, 1, 2).contiguous()
    pixels[pixels == 1] = 1.2  # whitening and back isn't exact
    torch.save(pixels, tmp_path / "images_zca_100.pt")
    found = load(tmp_path / "images_zca_100.pt", "all")
    same(found, ["0", "1", "2"])
    assert found.report and "whitening was undone" in found.report.notes[0]
