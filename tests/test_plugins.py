"""Utilities and students from other packages: the one in examples/plugin, installed and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rudcodec
from rudcodec.errors import SettingError

pytest.importorskip("torch")
from rudcodec.distill import Settings

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes that find the example."""
    folder, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source")
    for file in PLUGIN.iterdir():  # building leaves things beside the source
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(source)], check=True, timeout=200)
    return {**os.environ, "PYTHONPATH": str(folder)}


def rudcodec_(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rudcodec.cli", *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=200)


@pytest.mark.slow
def test_the_example_runs(installed: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.rud"
    short = [word for name in ("warmup=4", "joint=3", "tune=2") for word in ("--set", name)]
    quick = ["--bpc", "4k", "--ipc", "4", "--labels", "hard", "--device", "cpu", *short]
    made = rudcodec_("compress", "digits", out, *quick, "--utility", "moments", env=installed)
    assert made.returncode == 0, made.stderr
    assert "joint 3/3" in made.stderr and rudcodec.load(out).bpc <= 4000
    how = ["--real", "digits", "--nets", "tiny", "--steps", "30", "--seeds", "1", "--json"]
    judged = rudcodec_("eval", out, *how, env=installed)
    assert judged.returncode == 0, judged.stderr
    (result,) = json.loads(judged.stdout)["rows"][0]["results"]
    assert result["net"] == "tiny" and result["mean"] > 0.1


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"utility: 'moments' is none of mm, dm, gm, tm"):
        Settings(bpc=1000, utility="moments")
    refused = rudcodec_("compress", "digits", tmp_path / "out.rud", "--bpc", "4k", "--utility", "moments")
    assert refused.returncode == 2 and "is none of mm, dm, gm, tm" in refused.stderr.splitlines()[-1]
    images = rudcodec.data.load("digits", "val")
    with pytest.raises(SettingError, match=r"'tiny' is no entry point of rudcodec\.nets"):
        rudcodec.evaluate(images, images, recipe=rudcodec.payload.Recipe((128,), (64,)), net="tiny", seeds=1)
