"""Utilities, label modes and students from other packages: the one in examples/plugin, installed and run."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import rudcodec
from rudcodec.errors import SettingError
from rudcodec.plugins import Registry

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
    subprocess.run([*pip, "--target", str(folder), str(source)], check=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


def rudcodec_(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rudcodec.cli", *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env)


@pytest.mark.slow
def test_the_example_runs(installed: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.rud"
    short = [word for name in ("warmup=4", "joint=3", "tune=2") for word in ("--set", name)]
    quick = ["--bpc", "4k", "--ipc", "4", "--labels", "smoothed", "--device", "cpu", *short]
    made = rudcodec_(
        "compress", "digits", out, *quick, "--utility", "moments", "--set", "moments.square=2", env=installed
    )
    assert made.returncode == 0, made.stderr
    data = rudcodec.load(out)
    assert "joint 3/3" in made.stderr and data.bpc <= 4000
    assert data.probs is not None
    assert data.probs.max(1) == pytest.approx(math.e**2 / (math.e**2 + 9))
    assert (data.probs.argmax(1) == data.labels).all()
    how = ["--real", "digits", "--nets", "tiny", "--steps", "30", "--seeds", "1", "--json"]
    judged = rudcodec_("eval", out, *how, env=installed)
    assert judged.returncode == 0, judged.stderr
    (result,) = json.loads(judged.stdout)["rows"][0]["results"]
    assert result["net"] == "tiny" and result["mean"] > 0.1


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"utility: 'moments' is none of auto, none, mm, dm, gm, tm"):
        Settings(bpc=1000, utility="moments")
    refused = rudcodec_("compress", "digits", tmp_path / "out.rud", "--bpc", "4k", "--utility", "moments")
    assert (
        refused.returncode == 2 and "is none of auto, none, mm, dm, gm, tm" in refused.stderr.splitlines()[-1]
    )
    images = rudcodec.data.load("digits", "val")
    with pytest.raises(SettingError, match=r"'tiny' is none of convnet, .*vit .*rudcodec\.nets"):
        rudcodec.evaluate(images, images, recipe=rudcodec.payload.Recipe((128,), (64,)), net="tiny", seeds=1)


def test_installed_names_follow_the_builtin_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package can add a name, but not replace one; one that fails to import is a line of its own."""
    package = tmp_path / "other-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    points = "zebra = math:tau\nant = math:e\ntwo = other_module:two\nbroken = other_module:none\n"
    (package / "entry_points.txt").write_text(f"[rudcodec.trials]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("rudcodec.trials", {"two": "math:pi", "one": "collections:abc.Mapping"})
    assert registry.names() == ("two", "one", "ant", "broken", "zebra")
    assert registry.load("two") == math.pi and registry.load("one") is Mapping
    assert registry.load("zebra") == math.tau
    reason = r"broken: other_module:none can't be loaded \(ModuleNotFoundError"
    with pytest.raises(SettingError, match=reason):
        registry.load("broken")
    with pytest.raises(SettingError, match="'three' is none of two, one, ant, broken, zebra"):
        registry.load("three")


def test_the_code_of_a_name_has_a_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that results of a network that was changed since aren't taken for those of today's."""
    module = tmp_path / "changing_nets.py"
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("rudcodec.scripts", {"pi": "math:pi"})
    registry.add("mine", "changing_nets:mine")
    module.write_text("def mine(): return 1\n")
    before = registry.origin("mine")
    module.write_text("def mine(): return 22\n")
    assert len(before) == 16 and registry.origin("mine") not in ("", before)
    assert registry.origin("pi") == ""


def test_a_script_adds_names_of_its_own() -> None:
    registry = Registry("rudcodec.scripts", {"two": "math:pi"})
    registry.add("own", "math:e")
    registry.add("two", "math:tau")
    assert registry.names() == ("two", "own")
    assert registry.load("own") == math.e and registry.load("two") == math.pi
    assert Registry("rudcodec.scripts").names() == ()


def test_listing_networks_imports_none_of_them() -> None:
    code = (
        "import sys; from rudcodec.nets import NETS; "
        "print('vit' in NETS.names(), 'rudcodec.nets.vit' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "False"]
