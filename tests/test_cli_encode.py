"""The commands that train: compress and eval, on a set that takes seconds."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import small_payload
from PIL import Image

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main

torch = pytest.importorskip("torch")
from rudcodec.distill import CompressResult, ProgressReport, Settings  # noqa: E402
from rudcodec.distill.inputs import Inputs  # noqa: E402
from rudcodec.run_files import RunFiles  # noqa: E402
from rudcodec.runs import CheckpointFolder, Journal, Reporter  # noqa: E402


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 8 x 8 grey images, ten each: stripes across, stripes down, discs; with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:8, :8]
    shapes = [y % 4 < 2, x % 4 < 2, (y - 3.5) ** 2 + (x - 3.5) ** 2 < 9]
    images = np.stack([60 + 120 * shape + rng.normal(0, 12, (10, 8, 8)) for shape in shapes])
    path = tmp_path_factory.mktemp("source") / "shapes.npz"
    np.savez(
        path,
        images=images.clip(0, 255).astype(np.uint8).reshape(30, 8, 8),
        labels=np.repeat(np.arange(3), 10),
        classes=np.array(["across", "disc", "down"]),
    )
    return path


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In place of the encoder, which takes minutes: writes a small file; the settings it got are listed."""
    calls: list[dict[str, Any]] = []

    def encode(
        inputs: Inputs, path: Path, files: RunFiles, report: Reporter, replaces: bool
    ) -> CompressResult:
        usual = asdict(Settings(bpc=1))
        changed = {name: value for name, value in asdict(inputs.settings).items() if value != usual[name]}
        sets = {"images": None if inputs.real is inputs.distilled else inputs.real}
        sets["distilled"] = inputs.distilled
        calls.append({**{name: len(one) for name, one in sets.items() if one is not None}, **changed})
        report(ProgressReport("selection", 1, 1, None, None, None, 0.0, 0.0))
        report(ProgressReport("warm-up", 1, 2, 5000.0, None, 31.5, 1.0, 62.0))
        report(ProgressReport("joint", 2, 2, 4000.0, 0.25, 30.0, 1.0, 0.0))
        size = bitstream.write(small_payload(), path)
        return CompressResult(path, size, 8 * size / 3, 4, 30.0, 31.5, 61.0)

    monkeypatch.setattr("rudcodec.distill.encode.encode", encode)
    return calls


HARD = {"labels": "hard", "utility": "mm"}
"""What settings of small budgets leave open is resolved to."""
AS_IT_IS = {"utility": "none", "warmup": 440, "joint": 0}
"""What they are for images that are coded as they are."""


def compress(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["compress", *map(str, args)])


def test_settings_reach_the_encoder(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    out: list[str | Path] = [tmp_path / "out.rud", "--force"]
    assert compress(source, *out, "--bytes", "1.5kB").exit_code == 0
    assert compress(source, *out, "--bpc", "5k", "--ipc", "3", "--seed", "7", "--no-flip").exit_code == 0
    assert compress(source, *out, "--bpc", "5k", "--split", "val").exit_code == 0
    unbounded = compress(source, *out, "--lmbda", "0.02", "--ipc", "3", "--log", tmp_path / "log")
    assert unbounded.exit_code == 0 and "budget" not in unbounded.stdout
    assert json.loads((tmp_path / "log").read_text().splitlines()[0])["settings"]["bpc"] > 0
    assert compress(source, *out, "--lmbda", "0.02", "--bpc", "5k").exit_code == 2
    assert encoder == [
        {"images": 27, "bpc": 4000.0, **HARD},
        {"images": 27, "bpc": 5000.0, "ipc": 3, "seed": 7, "flip": False, **HARD},
        {"images": 3, "bpc": 5000.0, **HARD},
        {"images": 27, "bpc": ANY, "lmbda": 0.02, "ipc": 3, **HARD},
    ]


def test_flags_choose_columns_and_say_how_floats_were_normalised(
    tmp_path: Path, encoder: list[dict[str, Any]]
) -> None:
    out, budget = tmp_path / "out.rud", ["--bpc", "5k", "--split", "all", "--force"]
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=(images / 255 - 0.1307) / 0.3081, labels=np.arange(6) % 2)
    refused = compress(tmp_path / "a.npz", out, *budget)
    assert refused.exit_code == 2 and "(--normalised cifar10)" in refused.stderr
    assert compress(tmp_path / "a.npz", out, *budget, "--normalised", "mnist").exit_code == 0
    wrong = compress(tmp_path / "a.npz", out, *budget, "--normalised", "foo")
    assert wrong.exit_code == 2 and "must be one of mnist, " in wrong.stderr
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(images[i]).save(folder / f"{i}.png")
    lines = ["a,b,c", *(f"{i}.png,{i % 2},{i % 3}" for i in range(6))]
    (folder / "labels.csv").write_text("\n".join(lines))
    refused = compress(folder, out, *budget)
    assert refused.exit_code == 2 and "(--image-column)" in refused.stderr
    chosen = compress(folder, out, *budget, "--image-column", "a", "--label-column", "c")
    assert chosen.exit_code == 0 and "6 images of 3 classes" in chosen.stderr
    assert "note: labels are those in labels.csv" in chosen.stderr
    assert len(encoder) == 2


def test_a_distilled_set_is_coded_as_it_is(
    source: Path, tmp_path: Path, encoder: list[dict[str, Any]]
) -> None:
    out, budget = tmp_path / "out.rud", ["--from-tensors", "--bpc", "5k", "--force"]
    assert compress(source, out, *budget).exit_code == 0
    assert compress(source, out, *budget, "--real", source, "--labels", "network").exit_code == 0
    assert compress(source, out, *budget, "--real", source, "--utility", "gm").exit_code == 0
    assert encoder == [
        {"distilled": 30, "bpc": 5000.0, "ipc": 10, "labels": "hard", **AS_IT_IS},
        {"images": 27, "distilled": 30, "bpc": 5000.0, "ipc": 10, "labels": "network", **AS_IT_IS},
        {"images": 27, "distilled": 30, "bpc": 5000.0, "ipc": 10, "labels": "hard", "utility": "gm"},
    ]
    refused = compress(source, out, *budget, "--split", "val")
    assert refused.exit_code == 2 and "--split is of --real" in refused.stderr
    for wrong in ([*budget, "--utility", "dm"], ["--bpc", "5k", "--real", source]):
        refused = compress(source, out, *wrong)
        assert refused.exit_code == 2 and "--real" in refused.stderr
    refused = compress(source, out, *budget, "--set", "joint=5")
    assert refused.exit_code == 2 and "--utility says what such epochs" in refused.stderr


def test_compress_reports(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    out, log, sheet = tmp_path / "out.rud", tmp_path / "log.jsonl", tmp_path / "sheet.png"
    result = compress(source, out, "--bpc", "5k", "--log", log, "--preview", sheet)
    assert result.exit_code == 0, result.output
    size = out.stat().st_size
    assert result.stdout.startswith(f"{out}: {size:,} bytes, {8 * size / 3:,.0f} bpc")
    assert f" bpc ({8 * size / 3 / 50:.1f} % of the budget), 4 images per class" in result.stdout
    assert result.stdout.count("\n") == 1
    assert "warm-up 1/2  5k bpc  31.50 dB  1:02 left" in result.stderr.splitlines()
    first, *records, last = [json.loads(line) for line in log.read_text().splitlines()]
    assert last["result"]["psnr"] == 30.0 and "30.0 dB (31.5 dB to those of the joint phase)" in result.stdout
    assert first["settings"]["bpc"] == 5000 and first["settings"]["warmup"] == 200
    assert [record["stage"] for record in records] == ["selection", "warm-up", "joint"]
    assert [record["bpc"] for record in records] == [None, 5000.0, 4000.0]
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 66 + 2, 3 * 66 + 2)


def test_a_process_that_is_alone_is_the_first(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a scheduler has left in the environment: it asks before it overwrites."""
    monkeypatch.setenv("RANK", "1")
    (tmp_path / "out.rud").write_text("precious")
    result = compress(source, tmp_path / "out.rud", "--bpc", "8k")
    assert result.exit_code == 2 and "exists already" in result.stderr


def test_a_file_of_settings(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    """The command line stands above it; what --log has written gives the same settings again."""
    out, file, log = tmp_path / "out.rud", tmp_path / "run.toml", tmp_path / "run.log"
    file.write_text('bpc = "4k"\nseed = 3\nipc = 2\n[mm]\nruns = 2\nwidth = 8\n')
    changes = ["--bytes", "1.5kB", "--set", "mm.width=16", "--ipc", "1"]
    assert compress(source, out, "--config", file, *changes, "--log", log).exit_code == 0
    assert compress(source, out, "--config", log, "--force").exit_code == 0
    assert encoder[0] == {
        "images": 27,
        "bpc": 4000.0,
        "seed": 3,
        "ipc": 1,
        "utility_options": {"mm.runs": 2, "mm.width": "16"},
        **HARD,
    }
    assert encoder[1] == encoder[0]


def test_dash_is_standard_output(source: Path, encoder: list[dict[str, Any]]) -> None:
    result = compress(source, "-", "--bpc", "5k")
    assert result.exit_code == 0
    assert result.stdout_bytes == bitstream.encode(small_payload())
    assert "bytes" in result.stderr
    refused = compress(source, "-", "--bpc", "5k", "--checkpoint-every", "60")
    assert "--checkpoint-every needs a file as OUT" in refused.stderr


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize("broken", ["preview_png", "Metrics.result"])
def test_standard_output_gets_the_file_whatever_else_fails(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise rudcodec.DataError("no space left on device")

    monkeypatch.setattr(f"rudcodec.cli.compress.{broken}", fail)
    result = compress(source, "-", "--bpc", "5k", "--preview", tmp_path / "a.png", "--log", tmp_path / "log")
    assert result.exit_code == 2 and result.stderr.endswith("rudcodec: no space left on device\n")
    assert result.stdout_bytes == bitstream.encode(small_payload())


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "full"), 2),
        (BrokenPipeError(errno.EPIPE, "pipe"), 141),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_file_that_standard_output_does_not_take_is_kept(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("rudcodec.cli.outputs.shutil.copyfileobj", fail)
    result = compress(source, "-", "--bpc", "5k", "-q")
    assert result.exit_code == code
    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".rud" and kept.read_bytes() == bitstream.encode(small_payload())
    assert f"it is kept as {kept}\n" in result.stderr


@pytest.fixture(scope="module")
def encoded(source: Path) -> Path:
    """A file made of ``source`` by the encoder itself, in a hurry."""
    out = source.with_name("shapes.rud")
    hurry = ["--set", "warmup=4", "--set", "joint=0", "--set", "tune=2"]
    result = compress(source, out, "--bytes", "1kB", "--ipc", "2", "--device", "cpu", *hurry)
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.slow
def test_compress_keeps_the_budget(encoded: Path) -> None:
    data = rudcodec.load(encoded)
    assert data.size <= 1000
    assert data.classes == ("across", "disc", "down")
    assert (data.images.shape, data.counts) == ((6, 8, 8, 1), (2, 2, 2))


@pytest.mark.slow
def test_eval_beside_a_baseline(source: Path, encoded: Path) -> None:
    quick = ["--steps", "3", "--seeds", "2", "--width", "8", "--device", "cpu", "--baseline", "jpeg"]
    result = CliRunner().invoke(main, ["eval", str(encoded), "--real", str(source), *quick, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["bytes"] == encoded.stat().st_size
    mine, other = found["rows"]
    assert len(mine["results"][0]["accuracies"]) == 2 and mine["results"][0]["steps"] == 3
    assert mine["bytes"] == found["bytes"] and other["bytes"] <= found["bytes"]
    assert other["codec"] == "jpeg" and 0 <= other["accuracy"] == other["results"][0]["mean"] <= 1
    table = CliRunner().invoke(main, ["eval", str(encoded), "--real", str(source), *quick]).stdout
    assert "jpeg" in table and "points over real images" in table


def test_eval_says_what_does_not_fit(rud: Path, source: Path) -> None:
    result = CliRunner().invoke(main, ["eval", str(rud), "--real", str(source)])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("rudcodec: ")


# a suite that runs in the background ignores SIGINT, and so would its children
_COMMAND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("rudcodec.cli", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_killed_compress_goes_on(source: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    whole, out = tmp_path / "whole.rud", tmp_path / "out.rud"
    quick = ["--set", "warmup=100", "--set", "joint=0", "--set", "tune=2", "--checkpoint-every", "0"]
    options = [str(source), "--bpc", "3k", "--ipc", "2", *quick]
    assert compress(*options, whole).exit_code == 0
    command = [sys.executable, "-c", _COMMAND, "compress", *options, str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [next(line for line in process.stderr if line.startswith("warm-up"))]
        process.send_signal(number)
        lines += process.stderr
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert lines[-1] == "rudcodec: interrupted; with --resume it goes on\n"
        assert "Traceback" not in "".join(lines)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.rud", "out.rud.run"}
    again = compress(*options, out)
    assert again.exit_code == 2 and again.stderr.endswith("remove that folder\n")
    foreign = tmp_path / "photo.png"
    foreign.write_bytes(b"a photograph")
    refused = compress(*options, out, "--resume", "--preview", foreign)
    assert refused.exit_code == 2 and "photo.png: exists already" in refused.stderr
    assert foreign.read_bytes() == b"a photograph"
    foreign.unlink()
    assert compress(*options, out, "--resume").exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole.rud", "out.rud"}


def test_a_class_of_few_images_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On the command line and in Python; that more of its images are there for validation is no riddle."""

    def stop(*_: object) -> None:
        raise rudcodec.DataError("that is all")

    monkeypatch.setattr("rudcodec.distill.encode.encode", stop)
    path, images = tmp_path / "few.npz", np.random.default_rng(0).integers(0, 256, (22, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(22) // 20, classes=np.array(["many", "few"]))
    note = "1 image per class, since class few has 1 for training, those for validation apart"
    assert f"note: {note}" in compress(path, tmp_path / "out.rud", "--bpc", "9k").stderr.splitlines()
    with pytest.raises(rudcodec.DataError, match="that is all"):
        rudcodec.compress(path, tmp_path / "out.rud", bpc=9000)
    assert ("rudcodec", logging.WARNING, f"few: {note}") in caplog.record_tuples
    whole = compress(path, tmp_path / "out.rud", "--bpc", "9k", "--split", "all")
    assert "note: 2 images per class, since class few has no more" in whole.stderr.splitlines()


@pytest.mark.usefixtures("encoder")
def test_a_log_stays_as_it_is_where_a_run_can_not_go_on(source: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "out.rud", tmp_path / "log.jsonl"
    log.write_text('{"settings": {"seed": 1}}\n{"stage": "warm-up"}\n')
    before = log.read_bytes()
    with CheckpointFolder(tmp_path / "out.rud.run") as folder:
        Journal(folder, {"seed": 1}).run_stage("selection", lambda: None, saved=True)
    refused = compress(source, out, "--bpc", "5k", "--resume", "--log", log)
    assert refused.exit_code == 2 and "the unfinished run there has seed 1, not 0" in refused.stderr
    assert "going on" not in refused.stderr and log.read_bytes() == before


@pytest.mark.parametrize("is_there", [False, True])
def test_an_interruption_before_anything_is_kept_says_so(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """Also where the user has made the folder."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rudcodec.distill.pipeline.select_images", interrupted)
    folder = tmp_path / "out.rud.run"
    if is_there:
        folder.mkdir()
    result = compress(source, tmp_path / "out.rud", "--bpc", "5k")
    assert result.exit_code == 130
    assert result.stderr.endswith("rudcodec: interrupted before there was anything to go on from\n")
    assert list(tmp_path.iterdir()) == [folder] * is_there


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("warmup", "'warmup' is not KEY=VALUE"),
        ("warmups=3", "there is no setting 'warmups'; is it 'warmup'?"),
        ("warmup=2.5", "warmup: '2.5' is not a whole number"),
        ("warmup=many", "'many' is not a number"),
        ("share=both", "share: 'both' is none of dataset, class"),
        ("flip=maybe", "flip: 'maybe' is neither true nor false"),
        ("warmup=1", "warmup: 1; it must be at least 2"),
        ("seed=-1", "seed: -1; it must be at least 0"),
    ],
)
def test_settings_are_checked(source: Path, tmp_path: Path, text: str, complaint: str) -> None:
    result = compress(source, tmp_path / "out.rud", "--bpc", "5k", "--set", text)
    assert result.exit_code == 2
    assert complaint in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_a_name(tmp_path: Path) -> None:
    """As of a shell's variable that isn't set."""
    result = compress("", tmp_path / "out.rud", "--bpc", "5k")
    assert result.exit_code == 2 and result.stderr == "rudcodec: the name of the image set is empty\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_nothing_stays_of_a_command_that_is_ended(source: Path, tmp_path: Path) -> None:
    """With - for OUT there are no checkpoints, but a temporary folder."""
    command = [
        sys.executable,
        "-m",
        "rudcodec.cli",
        "compress",
        str(source),
        "-",
        "--bpc",
        "3k",
        "--ipc",
        "2",
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("warm-up"))
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 143 and rest.splitlines()[-1] == "rudcodec: interrupted"
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("torch")] == []


def test_presets_and_changes(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    options = ["--preset", "fast", "--set", "tune=9", "--set", "balance=1.5", "--set", "flip=false"]
    result = compress(source, tmp_path / "out.rud", "--bpc", "5k", *options)
    assert result.exit_code == 0 and "tune=9" in result.stderr
    found = encoder[0]
    assert (found["tune"], found["balance"], found["flip"]) == (9, 1.5, False)
    assert found["warmup"] < 200 and found["label_views"] < 3_000_000


@pytest.mark.parametrize("labels", ["hard", "soft", "network"])
def test_dry_run_says_what_it_would_take(source: Path, tmp_path: Path, labels: str) -> None:
    options = ["--labels", labels, "--ipc", "2", "--device", "cpu", "--set", "label_views=2000"]
    options += ["--log", str(tmp_path / "log.jsonl")]  # of a real run
    result = compress(source, tmp_path / "out.rud", "--bpc", "8k", "--dry-run", *options)
    assert result.exit_code == 0, result.output
    name = "teacher" if labels == "soft" else "label network"
    width = 2 + len(name)
    rows = {line[:width].strip(): line[width:] for line in result.stdout.splitlines()[1:]}
    assert rows["images"] == "6 (2 per class), from 27"
    assert rows["latents"] == f"{6 * (64 + 16 + 4 + 1)}"
    assert ("weights" in rows[name]) == (labels != "hard")
    assert (f"{name} 0:" in rows["time"]) == (labels != "hard")
    assert ("utility networks 0:" in rows["time"]) == (labels != "network")
    assert "warm-up 1 0:" in rows["time"] and list(tmp_path.iterdir()) == []


def test_the_first_of_several_processes_does_the_dry_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        outputs.append(compress(source, tmp_path / "out.rud", "--bpc", "8k", "--dry-run").output)
    assert "latents" in outputs[0] and outputs[1] == ""


def test_dry_run_says_what_is_the_least(source: Path, tmp_path: Path) -> None:
    result = compress(source, tmp_path / "out.rud", "--bpc", "300", "--ipc", "9", "--dry-run")
    assert result.exit_code == 2
    assert "bpc: 300 is too small for 9 images per class; at least" in result.stderr


def test_a_budget_that_no_file_has_is_refused(source: Path, tmp_path: Path) -> None:
    result = compress(source, tmp_path / "out.rud", "--bpc", "1e99")
    assert result.exit_code == 2
    assert "bpc: 1e+99 is more than any file has; at most" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0.\nDefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
)
def test_out_of_memory_is_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("rudcodec.distill.encode.encode", fail)
    result = compress(source, tmp_path / "out.rud", "--bpc", "5k")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "rudcodec: out of memory"


def test_tensorboard_or_how_to_get_it(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    result = compress(source, tmp_path / "out.rud", "--bpc", "5k", "--tensorboard", tmp_path / "board")
    if find_spec("tensorboard") is None:
        assert result.exit_code == 2
        assert "tensorboard is missing, which --tensorboard needs" in result.stderr.splitlines()[-1]
    else:
        assert result.exit_code == 0 and list((tmp_path / "board").iterdir())
