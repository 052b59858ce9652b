"""Several processes that share a run, started by torchrun."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import stripes

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402

import rudcodec  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (dist.is_available() and dist.is_gloo_available()), reason="needs torch's gloo"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

# A few steps of each kind; the state at the end, in float32 so that only the order of sums differs.
STEPS = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from rudcodec.data import load
from rudcodec.distill import Settings
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.selection import first_rows
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.pipeline import pipeline
from rudcodec.nets import speed
from rudcodec.runs import Journal, RunContext, joined_ranks

speed.has_fast_bf16 = lambda device: False
settings = Settings(
    bpc=13500, ipc=5, chunk=int(sys.argv[3]), warmup=5, joint=3, utility="mm", utility_images=10,
    labels="network", label_fraction=1 / 3, label_views=1280, share=sys.argv[4],
)
inputs = resolve_inputs(load(sys.argv[1], "train"), None, settings)
stages = {stage.name: stage for stage in pipeline(inputs)}


def run(name, stage):  # those before it that only one process runs, or that run for long, are left out
    return journal.run_stage(name, lambda: stage.run(encoding), stage.shared)


with joined_ranks() as ranks:
    journal = Journal(ranks=ranks)
    encoding = Encoding(inputs, RunContext("cpu", journal=journal))
    encoding.results["selection"] = {
        "rows": torch.from_numpy(first_rows(inputs.real, 5)),
        "clusters": torch.zeros(len(inputs.real), dtype=torch.int64),
    }
    labels = run("label network", stages["label network"])
    encoding.results["utility networks"] = run("utility networks", stages["utility networks"])
    run("warm-up 1", stages["warm-up 1"])
    utility = encoding.utility_term.utility
    recipe = utility.recipe
    utility.recipe = replace(recipe, augment=())  # each process draws one of its own for its classes
    run("joint", stages["joint"])
    state = {name: value.clone() for name, value in encoding.encoder.model.state_dict().items()}
    lmbda = encoding.encoder.control.lmbda
    utility.recipe = recipe
    run("joint again", stages["joint"])
    here = {**encoding.encoder.model.state_dict(), "generator": encoding.run.utility_generator.get_state()}
    first = ranks.broadcast(here)
    moved = torch.zeros(encoding.encoder.model.count)
    for shard in encoding.encoder.shards:
        moved[shard.index] += 1
    ranks.all_reduce([moved])
    assert torch.equal(moved, torch.ones_like(moved))  # each image's latents by one process
    assert all(torch.equal(here[name], first[name]) for name in first)  # all processes hold the same
    if ranks.is_first:
        weights = [value.round() for name, value in labels.items() if name.startswith("weights")]
        torch.save([state, lmbda, weights], sys.argv[2])
names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
assert not [name for name in names if "gloo" in name]  # threads that may abort a process that ends
"""


def kill_all(argument: str) -> None:
    """Kill the processes that have an argument: torchrun, and its workers, which have sessions of their
    own."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if argument.encode() in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's name resolves to."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, path = stripes(3), tmp_path_factory.mktemp("source") / "stripes.npz"
    np.savez(path, images=data.images, labels=data.labels, classes=np.array(data.classes))
    return path


@pytest.mark.parametrize(("chunk", "share"), [("7", "dataset"), ("1", "class")])
def test_two_processes_take_the_steps_of_one(source: Path, tmp_path: Path, chunk: str, share: str) -> None:
    """With a single image in a step, one process has none, and networks of a class without images rest."""
    script, one, two = tmp_path / "steps.py", tmp_path / "one.pt", tmp_path / "two.pt"
    script.write_text(STEPS)
    subprocess.run([sys.executable, script, source, one, chunk, share], check=True)
    subprocess.run([*TORCHRUN, script, source, two, chunk, share], check=True)
    (model, lmbda, weights), (its_model, its_lmbda, its_weights) = torch.load(one), torch.load(two)
    assert model.keys() == its_model.keys() and its_lmbda == pytest.approx(lmbda, rel=1e-3)
    for name, tensor in model.items():
        if name.startswith("networks"):
            assert torch.allclose(tensor, its_model[name], atol=2e-3), name
        else:  # steps are of 0.02 to 0.08; Adam makes such ones of slopes that only rounding keeps from zero
            assert (tensor - its_model[name]).abs().quantile(0.75) < 1e-3, name
    assert weights
    for weight, other in zip(weights, its_weights, strict=True):
        assert (weight != other).float().mean() < 0.02  # a rounding may go the other way


def test_a_shared_run_goes_on(source: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.rud", tmp_path / "out.rud"
    quick = ["--set", "warmup=60", "--set", "joint=0", "--set", "tune=2", "--set", "chunk=4"]
    options: list[str | Path] = [source, "--bpc", "3k", "--ipc", "3", "--checkpoint-every", "0.1", *quick]

    def command(target: Path, *more: str) -> list[str | Path]:
        return [*TORCHRUN, "-m", "rudcodec.cli", "compress", *options, target, *more]

    def finish(*args: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(args, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    done = finish(*command(whole))
    assert done.stdout.startswith(f"{whole}: ") and done.stdout.count("\n") == 1
    assert done.stderr.count("settings: ") == 1
    with subprocess.Popen(command(out), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("warm-up"))
        kill_all(str(out))
    assert {path.name for path in tmp_path.iterdir()} == {"whole.rud", "out.rud.run"}
    finish(*command(out, "--resume"))
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole.rud", "out.rud"}
    assert rudcodec.load(out).size <= 750
