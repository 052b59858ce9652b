"""Fixtures shared by the tests: a small valid payload and the file made of it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

# small arrays: more threads only wait for each other (set before numpy and torch load, subprocesses too)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
from PIL import Image

from rudcodec import bitstream
from rudcodec.data import LabelledImages
from rudcodec.payload import (
    Architecture,
    Group,
    Model,
    Payload,
    QLayer,
    QTensor,
    Recipe,
    Segment,
    SynthesisLayer,
)

# how long an example takes is the machine's affair
hypothesis.settings.register_profile(
    "rudcodec", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("rudcodec")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The cache isn't the user's; each of several processes has one, for they run the same commands."""
    os.environ["RUDCODEC_CACHE"] = str(tmp_path_factory.mktemp("cache"))


class TestModule(pytest.Module):
    """A file of tests; one that needs torch is skipped where torch is missing."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return super().collect()
        except self.CollectError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name == "torch":
                pytest.skip("needs torch", allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    module: pytest.Module = TestModule.from_parent(parent, path=module_path)
    return module


def png(pixels: np.ndarray) -> bytes:
    """A picture of uint8 pixels (H, W) or (H, W, C), as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def stripes(channels: int = 1) -> LabelledImages:
    """Two classes of twelve 8 x 8 images: stripes across and down, with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:8, :8]
    shapes = np.repeat(np.stack([y % 4 < 2, x % 4 < 2]), 12, 0)[..., None]
    images = 60 + 120 * shapes + rng.normal(0, 12, (24, 8, 8, channels))
    labels = np.repeat(np.arange(2), 12)
    return LabelledImages(images.clip(0, 255).astype(np.uint8), labels, ("across", "down"), "stripes")


def _layer(rng: np.random.Generator, shape: tuple[int, ...], bias: tuple[int, ...], exponent: int) -> QLayer:
    return QLayer(
        QTensor(rng.integers(-12, 13, shape, dtype=np.int32), exponent),
        QTensor(rng.integers(-12, 13, bias, dtype=np.int32), 4),
    )


def small_payload(seed: int = 0, *, channels: int = 3, segments: int = 2, size: int = 8) -> Payload:
    """A random valid payload: three classes, ``size`` x ``size`` pixels, two images per class and segment."""
    rng = np.random.default_rng(seed)
    grids = (2, 1, 1)
    sides = [size // 4] * 2 + [size // 2, size]
    synthesis = (
        SynthesisLayer(5, 1, relu=True, residual=False),
        SynthesisLayer(channels, 1, relu=False, residual=False),
        SynthesisLayer(channels, 3, relu=False, residual=True),
    )
    group = Group(
        context=(_layer(rng, (4, 21), (4, 4), 6), _layer(rng, (2, 4), (2,), 6)),
        synthesis=(
            _layer(rng, (5, 4, 1, 1), (5,), 5),
            _layer(rng, (channels, 5, 1, 1), (channels,), 4),
            _layer(rng, (channels, channels, 3, 3), (channels,), 8),
        ),
    )
    parts = tuple(
        Segment(
            (2, 2, 2), tuple(np.rint(rng.laplace(0, 2, (6, side, side))).astype(np.int32) for side in sides)
        )
        for _ in range(segments)
    )
    return Payload(
        classes=("ant", "bee", "cicada"),
        models=(Model(Architecture(size, size, channels, grids, (4,), synthesis), (group,)),),
        segments=parts,
        recipe=Recipe(mean=(128,) * channels, std=(64,) * channels, steps=4, batch=8),
    )


hardly_trained = pytest.mark.filterwarnings("ignore:the file holds the images as they were selected")
"""For files of a few tiny images, which may lose what a utility has made of them."""


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few tiny images may miss their budgets: then there are no five more attempts at them."""
    pytest.importorskip("torch")
    monkeypatch.setattr("rudcodec.distill.meet_budget.ATTEMPTS", 1)


@pytest.fixture
def rud(tmp_path: Path) -> Path:
    """A valid .rud file of twelve 8 x 8 colour images in three classes."""
    path = tmp_path / "small.rud"
    bitstream.write(small_payload(), path)
    return path
