"""What users of the Python API give: numbers of other libraries, contents instead of paths, odd recipes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_labels import networks
from golden_payloads import random_labels, small_payload
from PIL import Image

import rudcodec
from rudcodec import DataError, SettingError, bitstream
from rudcodec.data import LabelledImages
from rudcodec.label_network import ViewStream
from rudcodec.payload import LabelLayer, Recipe
from rudcodec.synthetic import SyntheticSet


@pytest.fixture(scope="module")
def data() -> SyntheticSet:
    """Of a file with a label network."""
    loaded = rudcodec.load(bitstream.encode(networks()["labels-deep"]))
    return SyntheticSet(
        loaded.images,
        loaded.labels,
        loaded.classes,
        loaded.size,
        Recipe((128,) * 3, (64,) * 3, steps=4, batch=3, optimizer="muon"),
        loaded.network,
    )


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int32])
def test_numbers_of_numpy_are_numbers(data: SyntheticSet, kind: Any) -> None:
    assert data.network is not None
    np.testing.assert_array_equal(
        data.views(kind(2), seed=kind(1), start=kind(3)).images, data.views(2, seed=1, start=3).images
    )
    ours, theirs = next(iter(data.batches(seed=kind(1)))), next(iter(data.batches(seed=1)))
    assert torch.equal(ours[0], theirs[0])
    stream = ViewStream(data.images, data.network, batch=kind(2), seed=kind(1))
    expected = ViewStream(data.images, data.network, batch=2, seed=1)
    assert torch.equal(next(iter(stream))[0], next(iter(expected))[0])


@pytest.mark.parametrize("seed", [-1, 1.5, "one", None, 1 << 70])
def test_numbers_that_are_none(data: SyntheticSet, seed: Any) -> None:
    """Are refused at once, and not by what iterates."""
    assert data.network is not None
    with pytest.raises(SettingError, match="seed"):
        data.views(2, seed=seed)
    with pytest.raises(SettingError, match="seed"):
        data.view_batches(2, seed=seed)
    with pytest.raises(SettingError, match="seed"):
        data.batches(seed=seed)
    with pytest.raises(SettingError, match="seed"):
        ViewStream(data.images, data.network, seed=seed)
    with pytest.raises(SettingError, match="batch is 0"):
        ViewStream(data.images, data.network, batch=0)


def test_contents_are_taken_wherever_a_file_is(rud: Path, tmp_path: Path) -> None:
    contents, expected = rud.read_bytes(), rudcodec.load(rud).images
    for make in (bytes, bytearray, memoryview, io.BytesIO):
        saved, lost = rudcodec.salvage(make(contents))
        assert not lost and np.array_equal(saved.images, expected)
        assert np.array_equal(rudcodec.load(make(contents)).images, expected)
    assert np.array_equal(np.concatenate([one.images for one in rudcodec.stream(contents)]), expected)
    rudcodec.decompress(contents, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.png"))) == len(expected)
    for wrong in (None, 5, io.StringIO("text")):
        with pytest.raises(DataError, match="a path, an open binary file or bytes"):
            rudcodec.load(wrong)  # type: ignore[arg-type]
    for size in (1, 100):  # as pipes and sockets give their bytes

        class Pieces(io.BytesIO):
            def read(self, most: int | None = -1, size: int = size) -> bytes:
                return super().read(size)

        assert np.array_equal(rudcodec.load(Pieces(contents)).images, expected)
    with (tmp_path / "text").open("w+", encoding="utf-8") as text, pytest.raises(DataError, match="binary"):
        rudcodec.load(text)
    for read in (rudcodec.load, rudcodec.salvage, lambda name: rudcodec.merge([name], tmp_path / "none.rud")):
        with pytest.raises(DataError, match="no file can have that name"):
            read("a\0b")
    size = rudcodec.merge((path for path in [rud, rud]), tmp_path / "both.rud")
    assert size == (tmp_path / "both.rud").stat().st_size
    (tmp_path / "bad.rud").write_bytes(contents[:40] + b"!" + contents[41:])
    with pytest.raises(rudcodec.FormatError, match=r"bad\.rud"):
        rudcodec.merge([rud, tmp_path / "bad.rud"], tmp_path / "none.rud")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"optimizer": "adam"}, "'adam' is none of sgd, adamw, muon"),
        ({"std": (0, 1, 1)}, "std must be above zero"),
        ({"mean": (-1, 0, 0)}, r"mean must be 0\.\.255"),
        ({"mean": (1, 2)}, "the recipe is for 2 channels, the images have 3"),
        ({"steps": 2.5}, r"steps is 2\.5, must be a whole number"),
        ({"lr": float("nan")}, "lr must be above zero"),
        ({"lr": 10**400}, "lr must be finite, not a number of hundreds of digits"),
        ({"steps": -3}, "steps must be above zero, not -3"),
        ({"weight_decay": float("inf")}, "weight_decay must be finite"),
        ({"cutmix": 256}, r"cutmix must be 0\.\.255"),
    ],
)
def test_recipes_that_make_no_sense(data: SyntheticSet, changes: dict[str, Any], text: str) -> None:
    """They are refused where they are made, and where one that was made otherwise is used."""
    with pytest.raises(SettingError, match=text):
        data.with_recipe(**changes)
    changed = replace(data, stored_recipe=replace(data.recipe, **changes))
    with pytest.raises(SettingError, match=text):
        changed.batches()
    if "mean" not in changes or len(changes["mean"]) == 3:
        with pytest.raises(SettingError, match=text):
            changed.recipe.make_optimizer(torch.nn.Linear(2, 2))
    with pytest.raises(SettingError, match=text):
        changed.torch()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"lr": "fast"}, "lr is 'fast', must be a number"),
        ({"momentum": True}, "momentum is True, must be a number"),
        ({"augment": "flip"}, "augment is 'flip', must be a list"),
        ({"mean": 5}, "mean is 5, must be a list"),
    ],
)
def test_fields_of_recipes_have_types(data: SyntheticSet, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        data.with_recipe(**changes)


def test_changes_of_a_recipe_are_saved_as_plain_numbers(data: SyntheticSet, tmp_path: Path) -> None:
    """JSON knows neither numpy's numbers nor its arrays."""
    changed = data.with_recipe(
        steps=np.int64(7), lr=np.float32(0.5), std=np.array([1, 2, 3]), mean=[4, np.uint8(5), 6], augment=[]
    )
    assert changed.recipe == replace(data.recipe, steps=7, lr=0.5, std=(1, 2, 3), mean=(4, 5, 6), augment=())
    changed.save(tmp_path / "set.npz")
    about = json.loads(str(np.load(tmp_path / "set.npz")["about"]))
    assert (about["recipe"]["steps"], about["recipe"]["mean"]) == (7, [4, 5, 6])


def test_recipes_have_no_other_fields(data: SyntheticSet) -> None:
    with pytest.raises(SettingError, match="no field 'step'; is it 'steps'"):
        data.with_recipe(step=3)


def test_pictures_of_more_than_eight_bits_are_refused(data: SyntheticSet) -> None:
    picture = Image.fromarray(np.full((9, 12), 30000, np.uint16))
    with pytest.raises(SettingError, match="8 bits a channel"):
        data.recipe.test_transform()(picture)


def test_soft_labels_of_items_are_copies() -> None:
    loaded = rudcodec.load(Path(__file__).parent / "golden" / "soft-ten.rud")
    assert loaded.probs is not None
    before = loaded.probs.copy()
    loaded.torch(normalise=False, soft=True)[0][1].mul_(0.5)
    np.testing.assert_array_equal(loaded.probs, before)


def test_hard_files_have_a_recipe_for_images(data: SyntheticSet, tmp_path: Path) -> None:
    """The recipe of a file with a label network is for views."""
    payload = networks()["labels-deep"]
    file = tmp_path / "views.rud"
    recipe = Recipe((1, 2, 3), (4, 5, 6), ("crop",), "muon", 32000, 32)
    bitstream.write(replace(payload, recipe=recipe), file)
    rudcodec.extract(file, tmp_path / "hard.rud", hard=True)
    hard = rudcodec.load(tmp_path / "hard.rud")
    assert hard.network is None and (hard.recipe.steps, hard.recipe.batch) == (1000, 64)  # of few images
    assert (hard.recipe.mean, hard.recipe.augment) == ((1, 2, 3), ("crop",))


def test_empty_folders_are_filled(rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, and one behind a link, which stays one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    node = Path().stat().st_ino
    rudcodec.decompress(rud, ".")
    assert Path().stat().st_ino == node and len(list(Path().rglob("*.png"))) == 12
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    rudcodec.decompress(rud, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "labels.json").is_file()
    leftover = tmp_path / "new" / ".new.abcdefgh.rudcodec-tmp"
    leftover.mkdir(parents=True)
    (leftover / "1.png").write_bytes(b"half a picture")
    rudcodec.decompress(rud, tmp_path / "new")
    assert not leftover.exists() and (tmp_path / "new" / "labels.json").is_file()


@pytest.mark.parametrize("name", ["nul\0", "long" * 80, "file/below"])
def test_places_where_nothing_can_be_saved(data: SyntheticSet, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    for ending in ("", ".npz"):
        with pytest.raises(DataError):
            data.save(tmp_path / f"{name}{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "wrong", [{"mode": None}, {"background": (255, 255, 255)}, {"normalised": ((0.5,), (0.5,))},
              {"label_column": 1}]
)  # fmt: skip
def test_texts_of_a_reading_are_texts(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} is .*, must be a text"):
        rudcodec.data.Reading(**wrong)


def test_a_limit_of_truncate_is_a_number() -> None:
    with pytest.raises(SettingError, match="bpc is '20k', must be a number above zero"):
        bitstream.truncate(b"", bpc="20k")  # type: ignore[arg-type]


def test_a_stream_of_views_needs_images_that_its_network_labels(data: SyntheticSet) -> None:
    images, network = data.images, data.network
    with pytest.raises(SettingError, match="has no label network"):
        ViewStream(images, None)
    for device in ("foo", "hpu"):
        with pytest.raises(SettingError, match=f"device: '{device}' can't be used"):
            ViewStream(images, network, device=device)
    for wrong in (images[:0], images[0], images / np.float32(255)):
        with pytest.raises(DataError, match=r"must be uint8 \(N, H, W, C\)"):
            ViewStream(wrong, network)  # type: ignore[arg-type]
    for others in (images[..., :1], images[:, :4]):
        with pytest.raises(DataError, match="the network labels images of another shape than"):
            ViewStream(others, network)
    with pytest.raises(SettingError, match="batches is -1"):
        ViewStream(images, network, batches=-1)


def test_a_network_may_begin_with_a_depthwise_layer() -> None:
    layers = LabelLayer(3, "mean", kernel="depthwise"), LabelLayer(8, "global", kernel="pointwise")
    data = rudcodec.load(bitstream.encode(random_labels(small_payload(), layers, seed=1)))
    assert data.network is not None
    images, probs = ViewStream(data.images, data.network, batch=4).at(0)
    np.testing.assert_array_equal(images, data.views(4).images)
    np.testing.assert_allclose(probs, data.views(4).probs, atol=0.1)


def test_only_so_many_students_are_judged(data: SyntheticSet) -> None:
    real = LabelledImages(data.images, data.labels, data.classes, "real")
    with pytest.raises(SettingError, match=r"seeds is 1000000000, must be 0\.\.10000"):
        rudcodec.evaluate(data, real, seeds=10**9)
