"""What a file's recipe may ask of those who train on it, and how a user asks for something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import small_payload
from golden_payloads import random_labels

from rudcodec import SyntheticSet, bitstream, load
from rudcodec.cli.main import main
from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.payload import LabelLayer, Payload, Recipe
from rudcodec.whole_numbers import MAX_SEED

pytest.importorskip("torch")
from rudcodec.evaluation import evaluate

NAMES = ("ant", "bee", "cicada")


@pytest.fixture(scope="module")
def real() -> LabelledImages:
    rng = np.random.default_rng(0)
    return LabelledImages(rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8), np.arange(6) % 3, NAMES, "real")


@pytest.fixture
def source(real: LabelledImages, tmp_path: Path) -> Path:
    path = tmp_path / "real.npz"
    np.savez(path, images=real.images, labels=real.labels, classes=np.array(real.classes))
    return path


def payload_with(**recipe: Any) -> Payload:
    payload = small_payload()
    assert payload.recipe is not None
    return replace(payload, recipe=replace(payload.recipe, **recipe))


def labelled_with(**recipe: Any) -> Payload:
    return random_labels(payload_with(**recipe), (LabelLayer(4, "mean"),), seed=1)


def run_eval(payload: Payload, folder: Path, source: Path, *options: str) -> Result:
    file = folder / "foreign.rud"
    bitstream.write(payload, file)
    quick = ["--seeds", "1", "--width", "4", "--device", "cpu"]
    return CliRunner().invoke(main, ["eval", str(file), "--real", str(source), *quick, *options])


@pytest.mark.parametrize(
    ("recipe", "text", "remedy"),
    [
        ({"steps": 10**9}, "1,000,000,000 steps; no file may have more than 1,000,000", "steps=3"),
        ({"lr": 1000.0}, "a learning rate of 1000; no file may have more than 100", "lr=0.01"),
        ({"momentum": 1.0}, "a momentum of 1; no file may have more than 0.9999", "momentum=0.9"),
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_refused_with_the_option_that_mends_it(
    recipe: dict[str, Any], text: str, remedy: str, optimizer: str, tmp_path: Path, source: Path
) -> None:
    payload = payload_with(**recipe, optimizer=optimizer)
    result = run_eval(payload, tmp_path, source)
    assert result.exit_code == 2 and result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert text in line and f"--set {remedy.partition('=')[0]}=N" in line
    mended = run_eval(payload, tmp_path, source, "--set", remedy)
    assert mended.exit_code == 0, mended.output


def test_a_batch_of_views_is_bounded(tmp_path: Path, source: Path) -> None:
    payload = labelled_with(batch=10**9)
    result = run_eval(payload, tmp_path, source)
    assert result.exit_code == 2
    assert "1,000,000,000 images in a step; no file may have more than 16,384" in result.stderr
    assert run_eval(payload, tmp_path, source, "--set", "batch=5").exit_code == 0


def test_a_batch_of_images_is_at_most_the_set(tmp_path: Path, source: Path) -> None:
    result = run_eval(payload_with(batch=10**9), tmp_path, source)
    assert result.exit_code == 0 and "4 of 12" in result.stdout


def test_steps_given_by_the_user_are_taken(tmp_path: Path, real: LabelledImages) -> None:
    file = tmp_path / "foreign.rud"
    bitstream.write(payload_with(steps=10**9), file)
    with pytest.raises(SettingError, match="1,000,000,000 steps"):
        evaluate(file, real, seeds=1, width=4)
    assert evaluate(file, real, seeds=1, width=4, steps=2).steps == 2
    recipe = Recipe((128,) * 3, (64,) * 3, steps=3)
    assert evaluate(file, real, seeds=1, width=4, recipe=recipe).steps == 3
    with pytest.raises(SettingError, match="1,000,000,000 steps"):
        load(file).batches()
    assert len(load(file).with_recipe(steps=2_000_000).batches()) == 2_000_000
    with pytest.raises(SettingError, match="1,000,000,000 steps"):
        load(file).with_recipe(lr=0.1).batches()


def test_seeds_of_views_are_bounded_before_any_training(tmp_path: Path, real: LabelledImages) -> None:
    file = tmp_path / "views.rud"
    bitstream.write(labelled_with(steps=2), file)
    called: list[str] = []
    with pytest.raises(SettingError, match="seeds"):
        evaluate(file, real, seeds=[0, MAX_SEED], width=4, progress=lambda stage, *_: called.append(stage))
    assert not called


def test_many_steps_of_many_pictures_are_too_many(tmp_path: Path, source: Path) -> None:
    payload = labelled_with(batch=1000, steps=200_000)
    result = run_eval(payload, tmp_path, source)
    assert result.exit_code == 2
    assert "200,000 steps of 1,000 images, 200,000,000 in all" in result.stderr.splitlines()[-1]
    assert run_eval(payload, tmp_path, source, "--steps", "2").exit_code == 0


def test_large_pictures_have_smaller_batches() -> None:
    """A step's pictures are bounded in bytes, too: 400 of 3 MiB are more than 1 GiB."""
    images = np.broadcast_to(np.zeros((1, 1024, 1024, 3), dtype=np.uint8), (400, 1024, 1024, 3))
    labels = np.arange(400, dtype=np.int64) % 3
    recipe = Recipe((128,) * 3, (64,) * 3, batch=400)
    large = SyntheticSet(images, labels, NAMES, 1000, recipe)
    real = LabelledImages(np.zeros((3, 1024, 1024, 3), dtype=np.uint8), np.arange(3), NAMES, "black")
    with pytest.raises(SettingError, match="1,258,291,200 bytes of images in a step"):
        evaluate(large, real, seeds=1, width=4)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("steps", "'steps' is not KEY=VALUE"),
        ("steps=1.5", "steps: '1.5' is not a whole number"),
        ("lr=fast", "lr: 'fast' is not a number"),
        ("optimizer=lion", "'lion' is not one of sgd, adamw, muon"),
        ("augment=blur", "'blur' is not one of color, "),
        (
            "mean=3",
            "no 'mean' to be changed, only steps, batch, lr, weight_decay, momentum, cutmix, optimizer, ",
        ),
        ("lr=-1", "lr must be above zero, not -1.0"),
        ("lr=inf", "lr must be finite, not inf"),
        ("batch=0", "batch must be above zero, not 0"),
        ("momentum=1", "momentum must be at least 0 and below 1, not 1.0"),
        ("weight_decay=-1", "weight_decay must be at least 0, not -1.0"),
    ],
)
@pytest.mark.parametrize("baseline", ["none", "avif"])
def test_changes_that_make_no_sense(
    change: str, text: str, baseline: str, tmp_path: Path, source: Path
) -> None:
    result = run_eval(payload_with(), tmp_path, source, "--set", change, "--baseline", baseline)
    assert result.exit_code == 2 and text in result.stderr.splitlines()[-1]


def test_changes_are_used(tmp_path: Path, source: Path) -> None:
    changes = [
        word for one in ("steps=2", "batch=5", "optimizer=sgd", "augment=flip") for word in ("--set", one)
    ]
    result = run_eval(payload_with(), tmp_path, source, *changes)
    assert result.exit_code == 0 and "2 of 5 " in result.stdout
