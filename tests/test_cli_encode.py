"""The commands that train: compress and eval, on a set that takes seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import small_payload
from PIL import Image

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main
from rudcodec.data import LabelledImages

pytest.importorskip("torch")
from rudcodec.distill import CompressResult, Progress  # noqa: E402
from rudcodec.distill.training import Report  # noqa: E402


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

    def compress(data: LabelledImages, path: Path, *, report: Report, **settings: Any) -> CompressResult:
        calls.append({"images": len(data), **settings})
        report(Progress("selection", 1, 1, None, None, None, 0.0, 0.0))
        report(Progress("warm-up", 1, 2, 5000.0, None, 31.5, 1.0, 62.0))
        report(Progress("joint", 2, 2, 4000.0, 0.25, 30.0, 1.0, 0.0))
        size = bitstream.write(small_payload(), path)
        return CompressResult(path, size, 8 * size / 3, 4, 61.0)

    monkeypatch.setattr(rudcodec, "compress", compress, raising=False)
    return calls


def compress(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["compress", *map(str, args)])


def test_settings_reach_the_encoder(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    out = tmp_path / "out.rud"
    assert compress(source, out, "--bytes", "1.5kB").exit_code == 0
    assert compress(source, out, "--bpc", "5k", "--ipc", "3", "--seed", "7", "--no-flip").exit_code == 0
    assert compress(source, out, "--bpc", "5k", "--split", "val").exit_code == 0
    assert encoder == [
        {"images": 27, "bpc": 4000.0},
        {"images": 27, "bpc": 5000.0, "ipc": 3, "seed": 7, "flip": False},
        {"images": 3, "bpc": 5000.0},
    ]


def test_compress_reports(source: Path, tmp_path: Path, encoder: list[dict[str, Any]]) -> None:
    out, log, sheet = tmp_path / "out.rud", tmp_path / "log.jsonl", tmp_path / "sheet.png"
    result = compress(source, out, "--bpc", "5k", "--log", log, "--preview", sheet)
    assert result.exit_code == 0, result.output
    size = out.stat().st_size
    assert result.stdout.startswith(f"{out}: {size:,} bytes, {8 * size / 3:,.0f} bpc")
    assert "estimate 4,000" in result.stdout and result.stdout.count("\n") == 1
    assert "warm-up 1/2  5k bpc  31.50 dB  1:02 left" in result.stderr.splitlines()
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["stage"] for record in records] == ["selection", "warm-up", "joint"]
    assert [record["bpc"] for record in records] == [None, 5000.0, 4000.0]
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 66 + 2, 3 * 66 + 2)


def test_dash_is_standard_output(source: Path, encoder: list[dict[str, Any]]) -> None:
    result = compress(source, "-", "--bpc", "5k")
    assert result.exit_code == 0
    assert result.stdout_bytes == bitstream.encode(small_payload())
    assert "bytes" in result.stderr


@pytest.fixture(scope="module")
def encoded(source: Path) -> Path:
    """A file made of ``source`` by the encoder itself, in a hurry."""
    out = source.with_name("shapes.rud")
    hurry = ["--ipc", "2", "--warmup", "4", "--joint", "0", "--tune", "2", "--device", "cpu"]
    result = compress(source, out, "--bytes", "1kB", *hurry)
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
    assert len(mine["result"]["accuracies"]) == 2 and mine["result"]["steps"] == 3
    assert mine["bytes"] == found["bytes"] and other["bytes"] <= found["bytes"]
    assert other["codec"] == "jpeg" and 0 <= other["accuracy"] == other["result"]["mean"] <= 1
    table = CliRunner().invoke(main, ["eval", str(encoded), "--real", str(source), *quick]).stdout
    assert "jpeg" in table and "points over real images" in table


def test_eval_says_what_does_not_fit(rud: Path, source: Path) -> None:
    result = CliRunner().invoke(main, ["eval", str(rud), "--real", str(source)])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("rudcodec: ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_killed_compress_leaves_nothing(
    source: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out.rud"
    # a suite that runs in the background ignores SIGINT, and so would its children
    script = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("rudcodec.cli", run_name="__main__")
"""
    command = [sys.executable, "-c", script, "compress", str(source), str(out), "--bpc", "3k", "--ipc", "2"]
    with subprocess.Popen([*command, "--warmup", "1000000"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [next(line for line in process.stderr if not line.startswith("reading"))]
        process.send_signal(number)
        lines += process.stderr
    assert process.returncode == code
    if number == signal.SIGINT:
        assert lines[-1] == "rudcodec: interrupted\n" and "Traceback" not in "".join(lines)
    assert list(tmp_path.iterdir()) == []
