"""What `eval` compares, where it reads from, and what it judges on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import small_payload, stripes
from golden_payloads import random_labels
from PIL import Image

import rudcodec
from rudcodec import BudgetError, bitstream
from rudcodec.cli.main import main
from rudcodec.payload import LabelLayer

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402

from rudcodec.comparison import Comparison  # noqa: E402
from rudcodec.labels.hard import HardLabels  # noqa: E402
from rudcodec.nets.normalise import normalise  # noqa: E402
from rudcodec.payload import Recipe  # noqa: E402
from rudcodec.settings import Settings  # noqa: E402
from rudcodec.students import hard_recipe, predict  # noqa: E402

NAMES = ("ant", "bee", "cicada")
QUICK = ["--seeds", "1", "--steps", "2", "--width", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders without splits: ten pictures of each class."""
    root = tmp_path_factory.mktemp("real") / "insects"
    rng = np.random.default_rng(0)
    for name in NAMES:
        (root / name).mkdir(parents=True)
        for number in range(10):
            picture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(picture).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(("split", "images"), [("all", 30), ("train", 27), ("val", 3)])
def test_any_split_of_a_folder_without_splits(rud: Path, folder: Path, split: str, images: int) -> None:
    result = CliRunner().invoke(main, ["eval", str(rud), "--real", str(folder), "--split", split, *QUICK])
    assert result.exit_code == 0, result.output
    assert f"judged on {images} real images ({split})" in result.stdout
    assert "±" not in result.stdout  # which one student can't have


def test_a_split_that_is_not_there_is_named(rud: Path, folder: Path) -> None:
    result = CliRunner().invoke(main, ["eval", str(rud), "--real", str(folder), "--split", "test", *QUICK])
    assert result.exit_code == 2 and "has no test split, only train, val" in result.stderr.splitlines()[-1]


def test_students_are_not_lost_where_no_real_images_fit(
    rud: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BudgetError("9 bytes are too few")

    monkeypatch.setattr(Comparison, "_judge_pictures", refuse)
    options = ["eval", str(rud), "--real", str(folder), *QUICK, "--baseline", "jpeg"]
    result = CliRunner().invoke(main, [*options, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["rows"]) == 1 and 0 <= found["rows"][0]["accuracy"] <= 1
    assert found["refused"] == ["pictures: 9 bytes are too few"]
    assert "not judged: pictures: 9 bytes are too few" in CliRunner().invoke(main, options).stdout


def test_a_baseline_without_a_train_split_fails_before_students_train(tmp_path: Path, rud: Path) -> None:
    for name in NAMES:
        (tmp_path / "set" / "test" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "set" / "test" / name / "0.png")
    options = ["--real", str(tmp_path / "set"), *QUICK, "--split", "test", "--baseline", "jpeg"]
    result = CliRunner().invoke(main, ["eval", str(rud), *options])
    assert result.exit_code == 2 and "has no train split" in result.stderr.splitlines()[-1]
    assert "student" not in result.stderr


def test_a_baseline_without_images_of_a_class_fails_before_students_train(tmp_path: Path, rud: Path) -> None:
    images = np.zeros((5, 8, 8, 3), np.uint8)
    labels, names = np.array([0, 0, 1, 1, 1]), np.array(NAMES)
    np.savez(
        tmp_path / "gap.npz",
        x_train=images,
        y_train=labels,
        x_test=images[:3],
        y_test=np.arange(3),
        classes=names,
    )
    options = ["--real", str(tmp_path / "gap.npz"), *QUICK, "--split", "test", "--baseline", "jpeg"]
    result = CliRunner().invoke(main, ["eval", str(rud), *options])
    assert result.exit_code == 2 and f"class {NAMES[2]} has no image" in result.stderr.splitlines()[-1]
    assert "student" not in result.stderr


def test_real_images_have_the_recipe_of_files_with_hard_labels() -> None:
    """Longer and with CutMix for budgets of 5e4 bits per class and more, of which files take 97 % at least;
    also beside files with a label network."""
    recipe, real = Recipe((128,), (64,)), stripes()
    for bpc, cutmix, steps in ((48_499.0, 0, 1000), (48_501.0, 128, 4000)):
        settings = Settings(bpc=bpc, labels="hard")
        of_many = hard_recipe(recipe, bpc, 513)
        assert HardLabels(real, settings, recipe).student_recipe(513) == of_many
        assert (of_many.cutmix, of_many.steps, of_many.batch) == (cutmix, steps, 256)
        of_few = hard_recipe(recipe, bpc, 512)
        assert (of_few.cutmix, of_few.steps, of_few.batch) == (0, 1000, 64)
    labelled = random_labels(small_payload(segments=40), (LabelLayer(4, "mean"),), seed=1)
    small = rudcodec.load(bitstream.encode(labelled))
    large = replace(small, size=round(5e4 * len(small.classes) / 8))
    for data, cutmix in ((small, 0), (large, 128)):
        beside = Comparison("x", data, small.size, real)
        assert beside.recipe_of_classes(data.size, 513).cutmix == cutmix
        assert beside.recipe_of_classes(beside.size_without_labels, 513).cutmix == 0  # of its images alone
        assert len(data) <= 512 and data.with_hard_labels().recipe.batch == 64


def test_equal_images_are_told_from_others_in_json(rud: Path) -> None:
    found = json.loads(CliRunner().invoke(main, ["compare", str(rud), str(rud), "--json"]).stdout)
    assert found["equal"] is True and found["psnr"] is None


def test_standard_input_is_a_file_like_any(rud: Path, folder: Path) -> None:
    options = ["--real", str(folder), *QUICK, "--json"]
    piped = CliRunner().invoke(main, ["eval", "-", *options], input=rud.read_bytes())
    assert piped.exit_code == 0, piped.output
    (row,) = json.loads(piped.stdout)["rows"]
    (same,) = json.loads(CliRunner().invoke(main, ["eval", str(rud), *options]).stdout)["rows"]
    assert row["name"] == "standard input" and row["bytes"] == rud.stat().st_size
    assert row["results"][0]["per_class"] == same["results"][0]["per_class"]
    broken = CliRunner().invoke(main, ["eval", "-", *options], input=rud.read_bytes()[:-9])
    assert broken.exit_code == 2 and broken.stderr.startswith("rudcodec: standard input: ")


def test_a_label_network_is_judged_with_its_set_and_with_real_images(tmp_path: Path, folder: Path) -> None:
    payload = random_labels(small_payload(), (LabelLayer(4, "mean"),), seed=1)
    file = tmp_path / "labelled.rud"
    bitstream.write(payload, file)
    assert payload.network is not None
    beside = bitstream.labels_size(payload.network, payload.image_shape, 3)
    # small files have no room for pictures: a longer recipe of segments would only be slower
    big = replace(small_payload(segments=40), network=payload.network)
    bitstream.write(big, file)
    options = ["--real", str(folder), *QUICK, "--baseline", "jpeg", "--nets", "convnet,mlp", "--json"]
    result = CliRunner().invoke(main, ["eval", str(file), *options])
    assert result.exit_code == 0, result.output
    whole, network, images, pictures, labelled = json.loads(result.stdout)["rows"]
    assert whole["name"] == str(file) and whole["bytes"] == file.stat().st_size
    assert (network["name"], network["bytes"]) == ("its label network", beside)
    assert images["bytes"] == len(bitstream.extract(file.read_bytes(), hard=True))
    assert pictures["name"].endswith(", hard labels") and pictures["bytes"] <= whole["bytes"]
    assert labelled["name"].endswith(", the same label network")
    assert beside < labelled["bytes"] <= whole["bytes"]
    for row in (whole, images, pictures, labelled):
        assert [one["net"] for one in row["results"]] == ["ConvNet-3", "MLP"]
        assert row["accuracy"] == row["results"][0]["mean"]
    stages = result.stderr.splitlines()
    assert any(line.startswith("convnet, hard labels: student 2/2") for line in stages)
    assert any(line.startswith("baseline: mlp 1 of 1") for line in stages)
    assert any(line.startswith("label network 3/3") for line in stages)
    later = stages[[line.startswith("label network") for line in stages].index(True) :]
    assert all("left in all" in line for line in later if line.startswith("convnet"))


def test_large_pictures_are_looked_at_in_small_batches() -> None:
    """No more pixels at a time than of 500 pictures of 64 x 64, and the same classes as one by one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 256, 256, 3), dtype=np.uint8)
    recipe = Recipe((120,) * 3, (60,) * 3)
    sizes: list[int] = []

    class Darkest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            return -x.mean((2, 3)) * self.scale

    classes = predict(Darkest(), images, recipe)
    assert sizes == [31, 9]
    pictures = normalise(torch.from_numpy(images), recipe.mean, recipe.std)
    assert classes.tolist() == (-pictures.mean((2, 3))).argmax(1).tolist()
    sizes.clear()
    predict(Darkest(), images[:, :32, :32].repeat(13, axis=0), recipe)
    assert sizes == [500, 20]
