"""The same code on a GPU: what it computes agrees with the CPU, and its files are whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import stripes

torch = pytest.importorskip("torch")

import rudcodec  # noqa: E402
from rudcodec.distill import Settings  # noqa: E402
from rudcodec.distill.encoding import Encoding  # noqa: E402
from rudcodec.distill.estimate import TimingJournal, timed_stages  # noqa: E402
from rudcodec.distill.inputs import resolve_inputs  # noqa: E402
from rudcodec.evaluation import evaluate  # noqa: E402
from rudcodec.label_network import ViewStream  # noqa: E402
from rudcodec.nets import speed  # noqa: E402
from rudcodec.runs import RunContext, Stateful  # noqa: E402
from rudcodec.students import default_recipe  # noqa: E402
from rudcodec.utility import make_utility  # noqa: E402
from rudcodec.utility.experts import ExpertRecipe, ExpertTrainer  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SHORT: dict[str, Any] = {"ipc": 4, "warmup": 4, "joint": 3, "tune": 2, "label_views": 40_000}


@pytest.fixture
def experts(tmp_path: Path) -> Path:
    short = ExpertRecipe(epochs=3, width=4, batch=8, lr=0.05)
    ExpertTrainer(stripes(3), short, torch.device("cuda")).fill(tmp_path / "experts", 1)
    return tmp_path / "experts"


@pytest.mark.parametrize("name", ["dm", "gm", "tm", "mm"])
def test_utilities_agree_with_the_cpu(name: str, experts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision."""
    monkeypatch.setattr(speed, "has_fast_bf16", lambda device: False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    data = stripes(3)
    recipe = replace(default_recipe(data), steps=3, batch=8)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])

    # mm's networks stay random: their training differs, by rounding
    own_options: dict[str, dict[str, Any]] = {"tm": {"tm.experts": str(experts)}, "mm": {"mm.steps": 0}}
    options = own_options.get(name, {})

    values, gradients = [], []
    for device in ("cpu", "cuda"):
        utility = make_utility(name, recipe, options)
        learned = utility.learn(data, RunContext(device))
        utility.prepare(data, torch.device(device), learned)
        x = images.to(device).requires_grad_()
        value = utility(x, labels.to(device), torch.Generator().manual_seed(5))
        gradients.append(torch.autograd.grad(value, x)[0].cpu())
        values.append(float(value.detach()))

    assert values[1] == pytest.approx(values[0], rel=1e-4)
    assert float((gradients[0] - gradients[1]).norm()) < 1e-3 * float(gradients[0].norm())


@pytest.mark.parametrize(
    "changes",
    [
        {"utility": "dm"},
        {"utility": "gm"},
        {"utility": "mm", "share": "class"},
        {"utility": "tm"},
        {"labels": "soft"},
        {"labels": "network", "bpc": 12_000},
    ],
    ids=str,
)
def test_files_are_whole(changes: dict[str, Any], experts: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.rud"
    if changes.get("utility") == "tm":
        changes = changes | {"utility_options": {"tm.experts": str(experts)}}
    settings = {"bpc": 4000, **SHORT, "device": "cuda", "labels": "hard"} | changes

    rudcodec.compress(stripes(3), path, checkpoints=tmp_path / "run", checkpoint_seconds=0.0, **settings)

    data = rudcodec.load(path)  # checks the digest of its pixels
    assert len(data) == 8
    result = evaluate(path, stripes(3), split="all", seeds=1, steps=20, width=8, device="cuda")
    assert result.device == "cuda"


class NonWaitingJournal(TimingJournal):
    """A few steps of each loop, in which waiting for the GPU is an error once compilers are done."""

    def steps(self, count: int, loop: Stateful | None = None) -> Iterator[int]:
        try:
            for step in super().steps(count, loop):
                torch.cuda.set_sync_debug_mode("error" if step >= self.WARM else "default")
                yield step
                torch.cuda.set_sync_debug_mode("default")
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"labels": "hard"}, ["utility networks", "warm-up 1", "warm-up 2", "joint", "tuning 1"]),
        (
            {"labels": "hard", "share": "class"},
            ["utility networks", "warm-up 1", "warm-up 2", "joint", "tuning 1"],
        ),
        (
            {"labels": "network", "bpc": 20_000, "label_views": 40_000},
            ["label network", "warm-up 1", "warm-up 2", "tuning 1"],
        ),
    ],
    ids=str,
)
def test_no_loop_waits_for_the_gpu(changes: dict[str, Any], stages: list[str]) -> None:
    settings = Settings(**{"bpc": 4000, "ipc": 4, "chunk": 3, "joint": 9, **changes})
    inputs = resolve_inputs(stripes(3), None, settings)
    run = RunContext("cuda", journal=NonWaitingJournal())
    assert list(timed_stages(Encoding(inputs, run))) == stages


def test_views_are_the_cpus(tmp_path: Path) -> None:
    path = tmp_path / "x.rud"
    rudcodec.compress(stripes(3), path, bpc=12_000, labels="network", device="cpu", **SHORT)
    data = rudcodec.load(path)
    assert data.network is not None

    here, there = (
        ViewStream(data.images, data.network, batch=64, device=device).at(3) for device in ("cpu", "cuda")
    )

    assert np.array_equal(here[0].numpy(), there[0].cpu().numpy())
    assert float((here[1] - there[1].cpu()).abs().max()) < 0.1
