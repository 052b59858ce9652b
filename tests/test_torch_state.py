"""What a program may have told torch changes neither files nor students, and stays as the program has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import hardly_trained, small_payload, stripes
from golden_payloads import random_labels

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402

import rudcodec  # noqa: E402
from rudcodec import SyntheticSet, bitstream  # noqa: E402
from rudcodec.data import LabelledImages  # noqa: E402
from rudcodec.payload import LabelLayer  # noqa: E402


@contextmanager
def of_all(set_default: Callable[[Any], None], value: Any, usual: Any) -> Iterator[None]:
    set_default(value)
    try:
        yield
    finally:
        set_default(usual)


STATES = {
    "autocast": lambda: torch.autocast("cpu"),
    "no autocast": lambda: torch.autocast("cpu", enabled=False),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "float64": lambda: of_all(torch.set_default_dtype, torch.float64, torch.float32),
    "another device": lambda: of_all(torch.set_default_device, "meta", None),
}


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Any]]:
    made: Callable[[], AbstractContextManager[Any]] = STATES[request.param]
    return made


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SyntheticSet:
    path = tmp_path_factory.mktemp("files") / "small.rud"
    bitstream.write(small_payload(), path)
    return rudcodec.load(path)


@pytest.fixture(scope="module")
def real(small: SyntheticSet) -> LabelledImages:
    images = np.random.default_rng(0).integers(0, 256, (12, *small.images.shape[1:]), dtype=np.uint8)
    return LabelledImages(images, np.arange(12) % len(small.classes), small.classes, "real")


def linear(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size[0] * size[1], classes))


@pytest.mark.parametrize("net", ["convnet", linear])
def test_students(
    net: Any, small: SyntheticSet, real: LabelledImages, state: Callable[[], AbstractContextManager[Any]]
) -> None:
    def predictions() -> Any:
        return rudcodec.evaluate(small, real, seeds=1, steps=20, width=4, net=net, device="cpu").confusion

    expected = predictions()
    with state():
        dtype, device = torch.get_default_dtype(), torch.get_default_device()
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        assert predictions() == expected
        assert (torch.get_default_dtype(), torch.get_default_device()) == (dtype, device)
        assert modes == (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )


@pytest.mark.parametrize("labels", ["hard", "network"])
def test_batches(labels: str, tmp_path: Path, state: Callable[[], AbstractContextManager[Any]]) -> None:
    payload = small_payload()
    if labels == "network":
        payload = random_labels(payload, (LabelLayer(4, "mean"),), seed=1)
    bitstream.write(payload, tmp_path / "a.rud")
    data = rudcodec.load(tmp_path / "a.rud")

    def first() -> list[Tensor]:
        torch.default_generator.manual_seed(0)
        transformed = data.recipe.train_transform()(data.images)
        return [*next(iter(data.batches())), data.torch()[0][0], transformed]

    expected = first()
    with state():
        found = first()
    for ours, others in zip(expected, found, strict=True):
        assert others.device.type == "cpu" and ours.dtype == others.dtype
        assert torch.equal(ours, others)


@pytest.mark.slow
@hardly_trained
@pytest.mark.parametrize("labels", ["hard", "network"])
def test_files(labels: str, tmp_path: Path) -> None:
    """All states at once: each alone takes as long."""
    settings: dict[str, Any] = {
        "bpc": 8000,
        "ipc": 2,
        "warmup": 4,
        "joint": 2,
        "tune": 2,
        "label_views": 1000,
    }
    if labels == "hard":
        settings["utility_options"] = {"mm.runs": 1, "mm.steps": 20, "mm.snapshots": 1}
    files = []
    for names in ((), ("float64", "another device", "autocast", "inference mode")):
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(STATES[name]())
            rudcodec.compress(stripes(), tmp_path / "a.rud", labels=labels, **settings)
        files.append((tmp_path / "a.rud").read_bytes())
    assert files[0] == files[1]


def test_students_whose_training_runs_away_are_named(small: SyntheticSet, real: LabelledImages) -> None:
    broken = small.with_recipe(lr=1e30, optimizer="sgd")
    with pytest.warns(RuntimeWarning, match="convnet of seed 0: its training ran away"):
        rudcodec.evaluate(broken, real, seeds=1, steps=20, width=4, device="cpu")
