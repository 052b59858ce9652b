"""Sets that are arrays: .npz, IDX, and those known by name."""

from __future__ import annotations

import bz2
import gzip
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_data import encoded, put, tones

from rudcodec import DataError, MissingPackageError
from rudcodec.data import load, splits

RANDOM = np.random.default_rng(7)


def refusal(source: Path | str, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        load(source, split)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text and text
    return text


def noise(count: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return (
        bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    )


# ---- npz


def test_npz_images_and_labels(tmp_path: Path) -> None:
    images, labels = noise(40, 5, 6, 3), np.arange(40) % 2
    np.savez(tmp_path / "set.npz", images=images, labels=labels, classes=np.array(["cat", "dog"]))
    found = load(tmp_path / "set.npz", "all")
    assert (found.name, found.classes, found.ipc_counts()) == ("set", ("cat", "dog"), (20, 20))
    assert (found.images == np.concatenate([images[::2], images[1::2]])).all()
    assert found.labels.tolist() == [0] * 20 + [1] * 20
    held = load(tmp_path / "set.npz", "val")
    assert (held.images == images[[36, 38, 37, 39]]).all()
    assert len(load(tmp_path / "set.npz")) == 36


@pytest.mark.parametrize(
    ("x", "y"), [("x_{}", "y_{}"), ("{}_images", "{}_labels"), ("X_{}", "Y_{}"), ("images_{}", "targets_{}")]
)
def test_npz_with_splits(tmp_path: Path, x: str, y: str) -> None:
    arrays: dict[str, Any] = {}
    for part, count in (("train", 30), ("val", 9), ("test", 6)):
        arrays |= {x.format(part): noise(count, 4, 4), y.format(part): (np.arange(count) % 3)[:, None] + 5}
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    assert splits(tmp_path / "set.npz") == ("train", "val", "test")
    for part, each in (("train", 10), ("val", 3), ("test", 2), ("all", 13)):
        found = load(tmp_path / "set.npz", part)  # type: ignore[arg-type]
        assert found.ipc_counts() == (each,) * 3 and found.classes == ("5", "6", "7")
        assert found.images.shape == (3 * each, 4, 4, 1)


def test_npz_arrays_may_be_laid_out_otherwise(tmp_path: Path) -> None:
    images = noise(6, 3, 8, 9)
    labels = np.array([b"b", b"a", b"b", b"a", b"b", b"x/y"])
    np.savez(tmp_path / "s.npz", x=images.astype(np.int64), y=labels)
    found = load(tmp_path / "s.npz", "all")
    assert found.classes == ("a", "b", "x-y")
    assert (found.images == images.transpose(0, 2, 3, 1)[[1, 3, 0, 2, 4, 5]]).all()


def test_npz_is_resized_as_files_are(tmp_path: Path) -> None:
    images = np.zeros((4, 8, 16, 1), np.uint8)
    images[:, :, 1:15] = 200  # the filter reaches a little past the centre square
    np.savez(tmp_path / "s.npz", images=images, labels=np.arange(4) % 2)
    found = load(tmp_path / "s.npz", "all", size=4)
    assert found.images.shape == (4, 4, 4, 1) and (found.images == 200).all()


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"a": np.zeros(3)}, "has no images and labels (nor x_train and y_train), only a"),
        ({"images": noise(4, 2, 2), "y_train": np.zeros(4, int)}, "has no images and labels"),
        (
            {f"{name}{mark}": noise(4, 2, 2) for name in ("x", "y") for mark in ("", "_train")},
            "x_train and x, with labels each, may both be the train split; leave one out",
        ),
        ({"images": np.full((4, 2, 2), 1.5), "labels": np.zeros(4, int)}, "0..255, not 1.5..1.5"),
        ({"images": np.full((4, 2, 2), "x"), "labels": np.zeros(4, int)}, "images must be uint8 or floats"),
        ({"images": np.full((4, 2, 2), 256), "labels": np.zeros(4, int)}, "0..255, not 256..256"),
        ({"images": noise(4, 2, 2, 4), "labels": np.zeros(4, int)}, "(4, 2, 2, 4)"),
        ({"images": noise(0, 2, 2, 3), "labels": np.zeros(0, int)}, "no images"),
        ({"images": noise(4, 2, 2), "labels": np.zeros(3, int)}, "4 images but 3 labels"),
        ({"images": noise(4, 2, 2), "labels": np.zeros((4, 2), int)}, "one whole number or text per image"),
        ({"images": noise(4, 2, 2), "labels": np.zeros(4)}, "one whole number or text per image"),
        ({"images": noise(4, 2, 2), "labels": np.zeros(4, int)}, "two classes or more, has only 0"),
        ({"images": noise(3, 2, 2), "labels": np.array([0, 1, 1])}, "class '0' has one image"),
        (
            {"images": noise(4, 2, 2), "labels": np.array([0, 0, 2, 2]), "classes": np.array(["a", "b"])},
            "label 2 is none of 2 class names",
        ),
        (
            {"images": noise(4, 2, 2), "labels": np.array([0, 0, 1, 1]), "classes": np.array([3, 4])},
            "classes must be a list of texts",
        ),
        (
            {"images": noise(4, 2, 2), "labels": np.array([0, 0, 1, 1]), "classes": np.array([], dtype=str)},
            "two classes or more, has only none",
        ),
        (
            {"images": np.array([None, {}]), "labels": np.array([0, 1])},
            "it holds Python objects, not numbers",
        ),
    ],
)
def test_npz_that_cannot_be_used(tmp_path: Path, arrays: dict[str, Any], why: str) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    text = refusal(tmp_path / "s.npz")
    assert why in text and text.startswith(str(tmp_path / "s.npz"))


def test_labels_that_train_lacks(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "x_train": noise(4, 2, 2),
        "y_train": np.array([0, 0, 1, 1]),
        "x_test": noise(1, 2, 2),
    }
    np.savez(tmp_path / "s.npz", **arrays, y_test=np.array([2]))
    assert "label 2 is none of the classes of train" in refusal(tmp_path / "s.npz", "test")
    np.savez(tmp_path / "s.npz", **arrays, y_test=np.array(["0"]))
    assert "some labels are numbers, some texts" in refusal(tmp_path / "s.npz", "test")


def test_damaged_npz(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, images=noise(4, 20, 20), labels=np.array([0, 0, 1, 1]))
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + b"!!!!" + whole[504:])
    assert "images can't be read: the entry is damaged" in refusal(path)
    path.write_bytes(whole[:-100])
    assert "not an .npz, but a truncated zip" in refusal(path)


# ---- IDX


def mnist(folder: Path, zipped: bool = False, stem: str = "", mark: str = "-") -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 40), ("t10k", 20)):
        arrays[part] = noise(count, 28, 28)
        for kind, array in (("images", arrays[part]), ("labels", (np.arange(count) % 10).astype(np.uint8))):
            name = f"{stem}{part}-{kind}{mark}idx{array.ndim}-ubyte" + ".gz" * zipped
            (folder / name).write_bytes(gzip.compress(idx(array), 1) if zipped else idx(array))
    return arrays


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("mark", ["-", "."])
def test_idx_pairs(tmp_path: Path, zipped: bool, mark: str) -> None:
    arrays = mnist(tmp_path / "mnist", zipped, mark=mark)
    by_class = [i for k in range(10) for i in range(k, 40, 10)]
    for source in [tmp_path / "mnist", *(tmp_path / "mnist").iterdir()]:
        assert splits(source) == ("train", "val", "test")
        found = load(source, "all")
        assert (found.name, found.classes) == ("mnist", tuple("0123456789"))
        assert (found.images[..., 0] == arrays["train"][by_class]).all()
        assert found.ipc_counts() == (4,) * 10
        assert (load(source, "test").images[0, :, :, 0] == arrays["t10k"][0]).all()
        assert (load(source, "val").images[:, :, :, 0] == arrays["train"][30:]).all()


@pytest.mark.parametrize(
    ("folder", "stem", "is_fashion"),
    [
        ("Fashion-MNIST", "", True),
        ("FashionMNIST/raw", "", True),
        ("all", "fashion-mnist-", True),
        ("old-fashioned/MNIST", "", False),
        ("fashion/MNIST/raw", "", False),
        ("fashion/all", "mnist-", False),
    ],
)
def test_idx_class_names_of_fashion_mnist(tmp_path: Path, folder: str, stem: str, is_fashion: bool) -> None:
    mnist(tmp_path / folder, stem=stem)
    names = ("T-shirt-top", "Trouser") if is_fashion else ("0", "1")
    assert load(tmp_path / folder).classes[:2] == names
    assert load(next((tmp_path / folder).iterdir())).classes[:2] == names


def test_idx_sets_side_by_side(tmp_path: Path) -> None:
    letters = mnist(tmp_path, stem="emnist-letters-")
    mnist(tmp_path, stem="emnist-digits-")
    assert "several sets (emnist-digits-, emnist-letters-)" in refusal(tmp_path)
    found = load(tmp_path / "emnist-letters-train-images-idx3-ubyte", "all")
    assert found.name == "emnist-letters"
    assert (found.images[0, :, :, 0] == letters["train"][0].T).all()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an IDX file of bytes in 3 dimensions"),
        (b"\0\0\x0d\3" + bytes(12), "not an IDX file of bytes in 3 dimensions"),
        (idx(np.zeros(40, np.uint8)), "not an IDX file of bytes in 3 dimensions"),
        (idx(noise(40, 28, 28))[:-1], "holds fewer than the 31360 bytes"),
        (idx(noise(40, 28, 28)) + b"x", "holds more than the 31360 bytes"),
        (b"\0\0\x08\3" + b"\xff" * 12, "holds fewer than"),
        (idx(noise(39, 28, 28)), "39 images but 40 labels"),
    ],
)
def test_idx_that_cannot_be_used(tmp_path: Path, data: bytes, why: str, zipped: bool) -> None:
    mnist(tmp_path, zipped)
    name = "train-images-idx3-ubyte" + ".gz" * zipped
    (tmp_path / name).write_bytes(gzip.compress(data) if zipped else data)
    text = refusal(tmp_path)
    assert why in text and str(tmp_path) in text


def test_idx_cut_short_inside_gzip(tmp_path: Path) -> None:
    mnist(tmp_path, True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-50])
    assert f"{path}: can't be read" in refusal(tmp_path)


def test_half_an_idx_pair(tmp_path: Path) -> None:
    mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert "t10k-images-idx3-ubyte: the labels that go with it are missing" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-images.idx3-ubyte"),
        ("train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"),
        ("t10k-images-idx3-ubyte", "Test-Images-idx3-ubyte.gz"),
        ("train-labels-idx1-ubyte", "train-labels-idx3-ubyte"),
    ],
)
def test_an_idx_file_under_two_names(tmp_path: Path, name: str, other: str) -> None:
    mnist(tmp_path)
    (tmp_path / other).write_bytes((tmp_path / name).read_bytes())
    for source in (tmp_path, tmp_path / name):
        text = refusal(source)
        assert name in text and other in text and "may both be the" in text and "leave one out" in text


def test_an_idx_file_beside_what_it_was_unpacked_from(tmp_path: Path) -> None:
    mnist(tmp_path)
    arrays = mnist(tmp_path, zipped=True)
    for path in tmp_path.glob("*ubyte"):
        path.write_bytes(gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()))
    assert (load(tmp_path, "test").images[0, :, :, 0] == arrays["t10k"][0]).all()


# ---- by name


def test_digits() -> None:
    everything = load("digits", "all")
    assert everything.images.shape == (1797, 8, 8, 1)
    assert (everything.images.min(), everything.images.max()) == (0, 255)
    assert everything.classes == tuple("0123456789")
    train, val = load("digits"), load("Digits", "val")
    assert len(train) + len(val) == 1797
    assert val.ipc_counts() == tuple(n // 10 for n in everything.ipc_counts())
    # a glyph, not noise: the zero has a hole
    zero = everything.images[everything.labels == 0, :, :, 0].mean(axis=0)
    assert zero[4, 4] < 20 < 150 < zero[1, 3]
    assert "digits: has no test split, only train, val" == refusal("digits", "test")


def test_a_name_wins_over_a_folder_but_a_path_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    with pytest.warns(RuntimeWarning, match=r"what lies here is \./digits"):
        assert len(load("digits", "all")) == 1797
    assert refusal("./digits") == "digits: no images"
    assert refusal(Path("digits")) == "digits: no images"


def test_torch_is_not_imported_without_need(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", images=noise(4, 2, 2), labels=np.array([0, 0, 1, 1]))
    code = (
        "import sys; from rudcodec import data; data.load(sys.argv[1]); data.load('digits')\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.npz")], check=False, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr.decode()


def test_torchvision_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setenv("RUDCODEC_DATA", str(tmp_path))
    arrays = mnist(tmp_path / "FashionMNIST" / "raw")
    for name in ("fashion-mnist", "FashionMNIST", "fashion_mnist"):
        assert splits(name) == ("train", "val", "test")
        found = load(name, "test")
        assert (found.name, found.classes[9], found.ipc_counts()) == (
            "fashion-mnist",
            "Ankle boot",
            (2,) * 10,
        )
        assert (found.images[0, :, :, 0] == arrays["t10k"][0]).all()
    mnist(tmp_path / "KMNIST" / "raw")
    assert load("kmnist").classes[:2] == ("o", "ki")


def test_torchvision_sets_of_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images in the layout of the whole sets, whose checksums they can't have."""
    pytest.importorskip("torchvision")
    savemat = pytest.importorskip("scipy.io").savemat
    monkeypatch.setenv("RUDCODEC_DATA", str(tmp_path))
    for module in ("cifar", "svhn", "stl10"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    images, labels = noise(20, 32, 32, 3), np.arange(20) % 10
    first_classes = np.concatenate([images[[k, k + 10]] for k in range(10)])

    rows = images.transpose(0, 3, 1, 2).reshape(20, -1)
    cifar10, cifar100 = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-100-python"
    batches = {f"data_batch_{k}": slice(4 * k - 4, 4 * k) for k in range(1, 6)} | {"test_batch": slice(20)}
    put(
        cifar10,
        {name: pickle.dumps({"data": rows[s], "labels": labels[s].tolist()}) for name, s in batches.items()}
        | {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})},
    )
    one = {"data": rows, "fine_labels": labels.tolist(), "coarse_labels": [0] * 20}
    put(
        cifar100,
        {name: pickle.dumps(one) for name in ("train", "test")}
        | {"meta": pickle.dumps({"fine_label_names": list("abcdefghij")})},
    )
    for split in ("train", "test"):
        x, y = images.transpose(1, 2, 3, 0), np.where(labels == 0, 10, labels)[:, None]
        savemat(tmp_path / f"{split}_32x32.mat", {"X": x, "y": y.astype(np.uint8)})
    large = images.repeat(3, 1).repeat(3, 2)
    binary = tmp_path / "stl10_binary"
    put(
        binary,
        {f"{split}_X.bin": large.transpose(0, 3, 2, 1).tobytes() for split in ("train", "test")}
        | {f"{split}_y.bin": (labels + 1).astype(np.uint8).tobytes() for split in ("train", "test")}
        | {"class_names.txt": "\n".join("abcdefghij").encode()},
    )
    for name, classes in (
        ("cifar10", "abcdefghij"),
        ("CIFAR-100", "abcdefghij"),
        ("svhn", "0123456789"),
        ("stl-10", "abcdefghij"),
    ):
        assert splits(name) == ("train", "val", "test")
        found = load(name, "test", size=None if name != "stl-10" else 96)
        assert (found.classes, found.ipc_counts()) == (tuple(classes), (2,) * 10)
        every = 3 if name == "stl-10" else 1
        assert (found.images[:, ::every, ::every] == first_classes).all(), name
        assert load(name, "train").ipc_counts() == (1,) * 10


def test_torchvision_sets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setenv("RUDCODEC_DATA", str(tmp_path))
    for name, kind in (("cifar10", "CIFAR10"), ("svhn", "SVHN"), ("usps", "USPS"), ("STL-10", "STL10")):
        text = refusal(name)
        assert str(tmp_path) in text and f"d.{kind}(" in text and "download=True" in text
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svhn").mkdir()
    assert "./svhn)" in refusal("svhn")
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(b"rubbish\n"))
    assert "usps: no whole train split" in refusal("usps")

    def without_scipy(*args: object, **options: object) -> None:
        raise ModuleNotFoundError("No module named 'scipy'")

    monkeypatch.setattr("torchvision.datasets.SVHN", without_scipy)
    with pytest.raises(MissingPackageError, match=r"^svhn is read by a package .*'scipy'"):
        load("svhn", "test")


# ---- tensors


def normalised(images: np.ndarray) -> dict[str, np.ndarray]:
    """uint8 (N, H, W, 3) as methods of distillation keep them."""
    mean, std = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.2, 0.25, 0.3], np.float32)
    pixels = images.transpose(0, 3, 1, 2) / np.float32(255)
    return {"images": (pixels - mean[:, None, None]) / std[:, None, None], "mean": mean, "std": std}


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "pth"])
@pytest.mark.parametrize("kind", ["levels", "floats", "normalised"])
def test_tensors(tmp_path: Path, suffix: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    images, labels = noise(20, 5, 6, 3), np.arange(20) % 2
    entries = {"images": images.transpose(0, 3, 1, 2)}
    if kind == "floats":
        entries = {"images": (images / 255).astype(np.float32)}
    elif kind == "normalised":
        entries = normalised(images)
    tensors = {key: torch.tensor(value).contiguous() for key, value in {**entries, "labels": labels}.items()}
    path = tmp_path / f"distilled.{suffix}"
    if suffix == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(tensors, path)
    else:
        torch.save(tensors, path)
    found = load(path, "all")
    assert (found.name, found.classes, found.ipc_counts()) == ("distilled", ("0", "1"), (10, 10))
    assert (found.images == np.concatenate([images[::2], images[1::2]])).all()


def test_tensors_of_published_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    images, labels = torch.rand(6, 3, 4, 4), torch.arange(6) // 3
    torch.save((images, labels), tmp_path / "pair.pt")
    torch.save({"data": [[images, labels]], "accs_all_exps": {}}, tmp_path / "one.pt")
    torch.save({"data": [[images, labels]] * 5, "accs_all_exps": {}}, tmp_path / "five.pt")
    expected = np.rint(255 * images.numpy()).astype(np.uint8).transpose(0, 2, 3, 1)
    for name in ("pair", "one"):
        assert (load(tmp_path / f"{name}.pt", "all").images == expected).all()
    assert "holds 5 sets" in refusal(tmp_path / "five.pt")


def test_tensors_with_names_of_classes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    images, labels = torch.rand(6, 3, 4, 4), torch.arange(6) // 3
    torch.save({"images": images, "labels": labels, "Classes": ["cat", "dog"]}, tmp_path / "x.pt")
    assert load(tmp_path / "x.pt", "all").classes == ("cat", "dog")


def test_tensors_that_are_no_set(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    images, labels = torch.rand(6, 3, 4, 4), torch.arange(6) // 3
    path = tmp_path / "x.pt"
    for saved, said in (
        ({"images": images}, "has no images and labels, only images"),
        ({"images": images, "labels": labels.tolist()}, "labels is a list; save it as a tensor"),
        ({"images": 3 * images - 1, "labels": labels}, "need entries mean and std"),
        ({"images": images * float("nan"), "labels": labels}, "nan"),
        (
            {"images": -images, "labels": labels, "mean": torch.rand(2), "std": torch.rand(2)},
            "mean must be 3",
        ),
        ({"images": images, "labels": torch.full((6, 2), 0.5)}, "labels must be one whole number"),
        (7, "but int"),
        (Path("code"), "not a file of tensors"),
    ):
        torch.save(saved, path)
        assert said in refusal(path, "all"), said
    for name in ("x.pt", "x.safetensors"):
        (tmp_path / name).write_bytes(b"nonsense")
        assert "not a file of tensors" in refusal(tmp_path / name)


def test_torchvision_knows_every_named_set() -> None:
    """Each is a class of torchvision that takes these arguments."""
    datasets = pytest.importorskip("torchvision.datasets")
    from rudcodec.data import named

    for name in named.known_names()[1:]:
        spec = named._SETS[name]  # noqa: SLF001  (nothing else says how a set that isn't here is asked for)
        for arguments in spec.arguments.values():
            signature = inspect.signature(getattr(datasets, spec.class_name))
            bound = signature.bind(
                "root", **{**arguments, "download": False} if name != "imagenet" else arguments
            )
            assert bound.arguments["root"] == "root", name


def test_torchvision_sets_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setenv("RUDCODEC_DATA", str(tmp_path))
    wnids = ("n01440764", "n02102040")
    for split, first in (("train", 0), ("val", 100)):
        for k, wnid in enumerate(wnids):
            files = {f"{wnid}/{i}.JPEG": encoded(first + 10 * k + i, (8 + i, 9)) for i in range(3)}
            put(tmp_path / "imagenette2-160" / split, files)
    assert splits("imagenette-160") == ("train", "val")
    found = load("imagenette-160", "train", 4)
    assert found.images.shape == (6, 4, 4, 3) and tones(found) == [0, 1, 2, 10, 11, 12]
    assert found.classes == ("tench", "English springer")
    assert tones(load("Imagenette160", "val", 4)) == [100, 101, 102, 110, 111, 112]
    assert "imagenette-160: train: item 1 is 9x9 pixels, but imagenette-160: train: item 0 is 8x9" in refusal(
        "imagenette-160", "train"
    )


def test_folders_that_are_called_like_idx_files_are_none(tmp_path: Path) -> None:
    """Some programs unpack each file into a folder of its own."""
    mnist(tmp_path)
    (tmp_path / "train-labels.idx1-ubyte").mkdir()
    (tmp_path / "other-images-idx3-ubyte").mkdir()
    assert len(load(tmp_path, "train").classes) > 1


@pytest.mark.parametrize("std", [0.0, -0.2])
def test_a_std_that_no_normalisation_has(tmp_path: Path, std: float) -> None:
    images, mean = RANDOM.normal(size=(4, 8, 8, 3)).astype(np.float32), np.full(3, 0.5)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(4) % 2, mean=mean, std=np.full(3, std))
    assert "std has numbers that no normalisation has" in refusal(tmp_path / "x.npz", "all")
