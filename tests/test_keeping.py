"""Students of interrupted work: they go on where they were, and come to the same end."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import small_payload, stripes
from golden_labels import networks
from golden_soft import softly_labelled

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main
from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.files import write_bytes
from rudcodec.payload import Payload, Recipe
from rudcodec.runs import CheckpointFolder, Journal
from rudcodec.students import (
    StudentKeeper,
    StudentSpec,
    Trainer,
    TrainingSet,
    kept_students,
    students_in_cache,
    students_within,
)

STEPS = 12


class KilledError(Exception):
    """As a process would be: nothing is written any more."""


class Clock:
    """A progress function that counts calls, and kills at a step of one of the trainings that it sees."""

    def __init__(self, training: int = 0, step: int = 0) -> None:
        self.calls: list[int] = []
        self._training, self._step, self._trainings = training, step, 0

    def __call__(self, done: int, total: int) -> None:
        self.calls.append(done)
        self._trainings += done == 1
        if (self._trainings, done) == (self._training, self._step):
            raise KilledError


@pytest.fixture(autouse=True)
def _report_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudcodec.students.trainer._REPORT_EVERY", -1.0)


def payloads() -> dict[str, Payload]:
    return {
        "classes": small_payload(),
        "probabilities": softly_labelled()["soft-ten"],
        "views": networks()["labels-mirror"],
    }


def trainer_of(payload: Payload, **changes: object) -> Trainer:
    """Of small students of a file with more images than a batch."""
    data = rudcodec.load(bitstream.encode(payload))
    mean, std = (128,) * data.images.shape[3], (64,) * data.images.shape[3]
    values = {"optimizer": "muon", "steps": STEPS, "batch": 5, **changes}
    recipe = Recipe(mean, std, ("crop", "color"), **values)  # type: ignore[arg-type]
    return Trainer(TrainingSet.with_own_labels(data), recipe, StudentSpec(width=4))


def real_images(trainer: Trainer) -> LabelledImages:
    shape = (30, *trainer.data.images.shape[1:])
    images = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    classes = tuple(map(str, range(trainer.data.num_classes)))
    return LabelledImages(images, np.arange(30) % len(classes), classes, "noise")


def look_until_killed(folder: Path, trainer: Trainer, real: LabelledImages, clock: Clock) -> None:
    """As work of three students would."""
    with kept_students(folder, checkpoint_seconds=0) as keeper:
        assert not keeper.goes_on
        for seed in range(3):
            keeper.look(trainer, seed, real, clock)


@pytest.mark.parametrize("kind", ["classes", "probabilities", "views"])
@pytest.mark.parametrize("changes", [{}, {"optimizer": "adamw", "cutmix": 128}, {"optimizer": "sgd"}])
def test_a_training_goes_on(tmp_path: Path, kind: str, changes: dict[str, object]) -> None:
    """Weights are the same to the last bit, after a checkpoint that a file has held."""
    trainer = trainer_of(payloads()[kind], **changes)
    whole = trainer.train(3)
    with CheckpointFolder(tmp_path / "run") as folder:
        killed = Journal(folder, checkpoint_seconds=0)
        with pytest.raises(KilledError):
            killed.run_stage("student", lambda: trainer.train(3, Clock(1, 8), killed))
    with CheckpointFolder(tmp_path / "run") as folder:
        journal, seen = Journal(folder, resume=True), Clock()
        student = journal.run_stage("student", lambda: trainer.train(3, seen, journal))
    assert seen.calls == list(range(8, STEPS + 1))
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, student.state_dict()[name]), name


def test_done_students_are_not_trained_again(tmp_path: Path) -> None:
    trainer = trainer_of(small_payload())
    real, folder = real_images(trainer), tmp_path / "cache" / "work"
    expected = [StudentKeeper().look(trainer, seed, real).predicted for seed in range(3)]
    clock = Clock(2, 7)
    with pytest.raises(KilledError):
        look_until_killed(folder, trainer, real, clock)
    assert clock.calls == [*range(1, STEPS + 1), *range(1, 8)] and folder.is_dir()
    with kept_students(folder) as keeper:
        assert keeper.goes_on
        clock = Clock()
        looks = [keeper.look(trainer, seed, real, clock) for seed in range(3)]
        assert keeper.look(trainer, 1, real, clock) is looks[1]
    assert clock.calls == [*range(7, STEPS + 1), *range(1, STEPS + 1)]
    for look, classes in zip(looks, expected, strict=True):
        assert np.array_equal(look.predicted, classes) and look.predicted.dtype == np.int64
        assert look.seconds > 0
    assert not folder.exists()


def test_evaluate_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudcodec.evaluation.students_within", partial(students_within, checkpoint_seconds=0))
    trainer, folder = trainer_of(small_payload()), tmp_path / "work"
    data = rudcodec.load(bitstream.encode(small_payload()))
    real = dataclasses.replace(real_images(trainer), classes=data.classes)
    options: dict[str, Any] = {"recipe": trainer.recipe, "seeds": 2, "device": "cpu"}

    def accuracies(clock: Clock, width: int = 4, **more: Any) -> tuple[float, ...]:
        def follow(_stage: str, done: int, total: int) -> None:
            clock(done, total)

        return rudcodec.evaluate(data, real, progress=follow, width=width, **options, **more).accuracies

    expected = accuracies(Clock())
    with pytest.raises(KilledError):
        accuracies(Clock(1, STEPS + 3), checkpoints=folder)
    with pytest.raises(
        rudcodec.SettingError, match=r"work: the unfinished run there has network convnet of width 4"
    ):
        accuracies(Clock(), checkpoints=folder, width=5)
    seen = Clock()
    assert accuracies(seen, checkpoints=folder) == expected
    assert seen.calls == list(range(STEPS + 3, 2 * STEPS + 1)) and not folder.exists()
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(rudcodec.DataError, match="holds files that are not of a run"):
        accuracies(Clock(), checkpoints=tmp_path)


@pytest.mark.parametrize("what", ["recipe", "labels", "images", "judged on", "network"])
def test_students_of_something_else_are_trained(tmp_path: Path, what: str) -> None:
    payload = networks()["labels-mirror"] if what == "network" else small_payload()
    trainer = trainer_of(payload)
    real = real_images(trainer)
    with pytest.raises(KilledError):
        look_until_killed(tmp_path / "work", trainer, real, Clock(2, 2))
    data = trainer.data
    if what == "recipe":
        trainer = trainer_of(payload, lr=0.001)
    elif what == "labels":
        trainer.data = dataclasses.replace(data, labels=(data.labels + 1) % data.num_classes)
    elif what == "images":
        trainer.data = dataclasses.replace(data, images=255 - data.images)
    elif what == "network":
        assert data.network is not None
        other = dataclasses.replace(data.network, temperature=data.network.temperature + 1)
        trainer.data = dataclasses.replace(data, network=other)
    else:
        real = dataclasses.replace(real, images=255 - real.images)
    with kept_students(tmp_path / "work") as keeper:
        clock = Clock()
        keeper.look(trainer, 0, real, clock)
    assert clock.calls == list(range(1, STEPS + 1))


def test_work_goes_on_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which can't be made, is busy, isn't ours, is broken, or can't be written."""
    trainer = trainer_of(small_payload())
    real = real_images(trainer)
    expected = StudentKeeper().look(trainer, 0, real).predicted

    def assert_looks(folder: Path, warning: str = "") -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with kept_students(folder, checkpoint_seconds=0) as keeper:
                assert np.array_equal(keeper.look(trainer, 0, real).predicted, expected)
        texts = [str(one.message) for one in caught if one.category is RuntimeWarning]
        assert all(warning and warning in text and text.startswith("students aren't kept") for text in texts)
        assert bool(texts) == bool(warning)

    (tmp_path / "file").write_text("mine")
    assert_looks(tmp_path / "file" / "work", "File exists")
    with CheckpointFolder(tmp_path / "busy"):
        assert_looks(tmp_path / "busy", "another run is using this folder")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    assert_looks(theirs, "holds files that are not of a run")
    assert [path.name for path in theirs.iterdir()] == ["thesis.txt"]
    with CheckpointFolder(tmp_path / "broken") as folder:
        folder.save({"nothing": "of ours"})
    (tmp_path / "broken" / "checkpoint-1.safetensors").write_bytes(b"torn")
    assert_looks(tmp_path / "broken")

    def write_unless_full(data: bytes, path: Path) -> None:
        if path.suffix == ".safetensors":
            raise rudcodec.DataError(f"{path}: No space left on device")
        write_bytes(data, path)

    monkeypatch.setattr("rudcodec.runs.checkpoints.write_bytes", write_unless_full)
    assert_looks(tmp_path / "full", "No space left on device")


def test_work_goes_on_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise SettingError("the cache has no folder")

    monkeypatch.setattr("rudcodec.students.keeping.cache_folder", no_home)
    with pytest.warns(RuntimeWarning, match="students aren't kept.*no folder"), students_in_cache("work"):
        pass


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="rudcodec")


# a suite that runs in the background ignores SIGINT, and so would its children
_COMMAND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("rudcodec.cli", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("command", ["eval", "compare"])
def test_interrupted_commands_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("RUDCODEC_CACHE", str(cache))
    data = stripes()
    rows = [0, 1, 2, 12, 13, 14]
    np.savez(tmp_path / "set.npz", images=data.images, labels=data.labels, classes=np.array(data.classes))
    few = LabelledImages(data.images[rows], data.labels[rows], data.classes, "few")
    file = tmp_path / "few.rud"
    rudcodec.compress(few, file, bpc=4000, labels="hard", warmup=20, joint=2, tune=2, report=lambda _: None)
    words = [command, str(file), *([str(file)] if command == "compare" else [])]
    words += ["--real", str(tmp_path / "set.npz"), "--split", "all", "--seeds", "2", "--steps", "400"]
    words += ["--width", "8", "--json"]
    whole = run(*words)
    assert whole.exit_code == 0, whole.output
    assert not list((cache / "students").iterdir())
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = [next(line for line in process.stderr if "2 students" in line)]
        process.send_signal(signal.SIGINT)
        lines += process.stderr
    assert process.returncode == 130
    assert lines[-1] == "rudcodec: interrupted; the same command goes on\n"
    kept = json.loads(run("cache", "--json").stdout)["entries"]
    assert [entry["source"] for entry in kept] == ["students of an interrupted command"]
    again = run(*words)
    assert "this was interrupted before: going on from there" in again.stderr
    assert _accuracies(again) == _accuracies(whole)
    assert not list((cache / "students").iterdir())


def _accuracies(result: Result) -> list[object]:
    assert result.exit_code == 0, result.stderr
    return [(row.get("accuracy"), row.get("a"), row.get("b")) for row in json.loads(result.stdout)["rows"]]


def test_kept_students_are_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUDCODEC_CACHE", str(tmp_path / "cache"))
    students = tmp_path / "cache" / "students"
    students.mkdir(parents=True)
    (students / "notes").mkdir()
    (students / "notes" / "thesis.txt").write_text("mine")
    with CheckpointFolder(students / "one") as folder:
        folder.save([1])
    with CheckpointFolder(students / "two") as folder:
        folder.save([2])
        (listed,) = [line for line in run("cache").stdout.splitlines() if str(tmp_path) in line]
        facts = json.loads(run("cache", "--json").stdout)["entries"]
        assert {Path(entry["folder"]).name for entry in facts} == {"one", "two"}
        assert f"{sum(entry['bytes'] for entry in facts):,}" in listed
        cleared = run("cache", "--clear")
        assert "left, since another process is at work on them: two" in cleared.stderr
    assert {path.name for path in students.iterdir()} == {"notes", "two"}
    assert run("cache", "--clear").exit_code == 0
    assert [path.name for path in students.iterdir()] == ["notes"]
