"""Utilities against plain transcriptions of their papers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import stripes

import rudcodec
from rudcodec import SettingError
from rudcodec.augment import augment
from rudcodec.data import LabelledImages, load
from rudcodec.nets import ConvNet
from rudcodec.plugins import UTILITIES
from rudcodec.runs import RunContext
from rudcodec.settings import Settings
from rudcodec.students import default_recipe
from rudcodec.utility import Utility, mm
from rudcodec.utility.clusters import Clusters
from rudcodec.utility.dm import DistributionMatching
from rudcodec.utility.mm import MomentMatching
from rudcodec.utility.real_images import RealImages
from rudcodec.utility_options import DMOptions, MMOptions


def test_dm_is_the_papers_equation_4() -> None:
    data = load("digits", "train")
    recipe = default_recipe(data)
    utility = DistributionMatching(recipe, DMOptions(real_batch=16, width=8))
    utility.prepare(data, torch.device("cpu"), None)
    images = torch.randn(30, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(30) % 3

    value = utility(images, labels, torch.Generator().manual_seed(5))
    (gradient,) = torch.autograd.grad(value, images)

    # The same draws: network, real images, augmentation.
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(5)))
    net = ConvNet(1, 10, 8, depth=3, width=8)
    net.reset(torch.Generator().manual_seed(seed))
    net.double()
    expected = torch.zeros((), dtype=torch.float64)
    for k in range(3):
        rng = np.random.default_rng((seed, k))
        rows = rng.choice(np.flatnonzero(data.labels == k), 16, replace=False)
        real = (
            torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2).float() - recipe.mean[0]
        ) / recipe.std[0]
        means = []
        for batch in (real.double(), images[labels == k]):
            generator = torch.Generator().manual_seed(seed)
            means.append(net.features(augment(batch, recipe.augment, generator, siamese=True)).mean(0))
        expected = expected + ((means[0] - means[1]) ** 2).sum()
    (expected_gradient,) = torch.autograd.grad(expected, images)

    value, expected = value.detach(), expected.detach()
    assert abs(float(value - expected)) < 1e-5 * float(expected)
    assert float((gradient - expected_gradient).abs().max()) < 1e-5 * float(expected_gradient.abs().max())


@pytest.mark.parametrize(("steps", "deviations", "count"), [(0, True, 30), (4, False, 30), (0, True, 9)])
@pytest.mark.parametrize("waits", [True, False])
def test_mm_is_what_it_says(
    steps: int, deviations: bool, count: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments of each block by class, in units of the real variance, and the classification term; of more
    images than there are classes, and of fewer; as on a CPU and as on a GPU."""
    if not waits:
        monkeypatch.setattr(mm, "_rows_of_labels", mm.rows_without_waiting)
    data = load("digits", "train")
    recipe = default_recipe(data)
    options = MMOptions(2, steps, 2, 8, real_batch=40, deviations=deviations, classification=0.3)
    utility = MomentMatching(recipe, options)
    utility.prepare(data, torch.device("cpu"), utility.learn(data, RunContext("cpu")))
    assert len(utility.nets) == (4 if steps else 2)
    images = torch.randn(count, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(count) % 3
    value = utility(images, labels, torch.Generator().manual_seed(5))
    (gradient,) = torch.autograd.grad(value, images)

    generator = torch.Generator().manual_seed(5)
    number = int(torch.randint(len(utility.nets), (), generator=generator))
    net, real = utility.nets[number], utility.moments[number]
    seed = int(torch.randint(2**62, (), generator=generator))
    x = augment(images, recipe.augment, torch.Generator().manual_seed(seed))
    expected = 0.3 * 3 * F.cross_entropy(net(x), labels)  # as many images of each class
    for conv, norm, its in zip(net.convs, net.norms, real, strict=True):
        x = F.avg_pool2d(F.relu(norm(conv(x))), 2)
        for k in range(3):
            mine = x[labels == k].permute(0, 2, 3, 1).flatten(1)
            gap = (mine.mean(0) - its.mean[k]) ** 2
            if deviations:
                gap = gap + ((mine.var(0) + 1e-6).sqrt() - its.deviation[k]) ** 2
            expected = expected + gap.mean() / its.variance
    (expected_gradient,) = torch.autograd.grad(expected, images)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-9)


def test_mm_matches_clusters_of_classes() -> None:
    """The moments of a label are those of the real images of that cluster; images count for their class."""
    data = load("digits", "train")
    recipe = replace(default_recipe(data), augment=())
    clusters = Clusters(2, (data.images.reshape(len(data), -1).mean(1) > 78).astype(np.int64))
    utility = MomentMatching(recipe, MMOptions(1, 0, 1, 8, real_batch=len(data), classification=0.3))
    utility.clusters = clusters
    utility.prepare(data, torch.device("cpu"), utility.learn(data, RunContext("cpu")))
    labels = clusters.labels(data.labels, clusters.of_real)
    assert 20 == len(np.unique(labels)) == len(utility.moments[0][0].mean)

    def loss(label: int, of: int) -> float:
        rows = np.flatnonzero(labels == of)
        x = RealImages(data.take(rows), recipe, torch.device("cpu")).sample([of // 2], len(rows), 0)[0]
        told = torch.full((len(x),), label)
        value = utility(x, told, torch.Generator().manual_seed(0))
        crossed = F.cross_entropy(utility.nets[0](x), torch.full((len(x),), label // 2))
        return float(value - 0.3 * crossed)

    assert abs(loss(6, of=6)) < 0.01 < loss(7, of=6)


def test_mm_looks_at_as_many_real_images_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """At all of a class, some at a time, if need be."""
    data = load("digits", "train")
    recipe = replace(default_recipe(data), augment=())
    monkeypatch.setattr("rudcodec.utility.mm.images_at_once", lambda height, width: 50)
    means = []
    for count in (40, len(data)):
        utility = MomentMatching(recipe, MMOptions(1, 0, 1, 8, real_batch=count))
        utility.prepare(data, torch.device("cpu"), utility.learn(data, RunContext("cpu")))
        means.append(utility.moments[0][0].mean[3])
    x, _ = RealImages(data, recipe, torch.device("cpu")).sample([3], len(data), 0)
    with torch.no_grad():
        expected = utility.nets[0].blocks(x)[0].permute(0, 2, 3, 1).flatten(1).mean(0)
    assert float((means[1] - expected).abs().max()) < 0.01  # bfloat16
    assert float((means[0] - expected).abs().max()) > 0.05


def test_mm_prefers_real_images() -> None:
    """Real images of a class are nearer to its moments than noise, or another class's, are."""
    data = load("digits", "train")
    utility = MomentMatching(default_recipe(data), MMOptions(1, 30, 1, 8, real_batch=100))
    utility.prepare(data, torch.device("cpu"), utility.learn(data, RunContext("cpu")))
    real, _ = RealImages(data, utility.recipe, torch.device("cpu")).sample(range(10), 20, 1)
    labels = torch.arange(10).repeat_interleave(20)

    def loss(images: torch.Tensor, classes: torch.Tensor) -> float:
        return float(utility(images, classes, torch.Generator().manual_seed(0)))

    own = loss(real, labels)
    assert own < 0.5 * loss(real, (labels + 1) % 10)
    assert own < 0.5 * loss(torch.randn(real.shape, generator=torch.Generator().manual_seed(0)), labels)


class OfOthers(Utility):
    """One that another package brings."""

    value: Callable[[torch.Tensor], Any]

    def prepare(self, real: LabelledImages, device: torch.device, learned: Any) -> None:
        pass

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator) -> Any:
        return type(self).value(images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda images: images.mean() * math.nan, "OfOthers gives no finite loss"),
        (lambda images: images.mean((1, 2, 3)), "must return a tensor of one number, with a gradient"),
        (lambda images: torch.zeros(()), "must return a tensor of one number, with a gradient"),
        (lambda images: 3.0, "must return a tensor of one number, with a gradient"),
    ],
)
def test_losses_that_can_not_be_minimised(
    value: Callable[[torch.Tensor], Any], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OfOthers, "value", staticmethod(value), raising=False)
    monkeypatch.setitem(UTILITIES._added, "of others", "test_utility:OfOthers")  # noqa: SLF001  (only here)
    short: dict[str, Any] = {"bpc": 3000, "ipc": 2, "labels": "hard", "warmup": 4, "joint": 3, "tune": 2}
    with pytest.raises(SettingError, match=text):
        rudcodec.compress(stripes(), tmp_path / "out.rud", utility="of others", device="cpu", **short)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_ends_as_no_number_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def value(images: torch.Tensor) -> torch.Tensor:
        return images.square().mean() * (1.0 if next(calls) < 3 else math.nan)

    monkeypatch.setattr(OfOthers, "value", staticmethod(value), raising=False)
    monkeypatch.setitem(UTILITIES._added, "of others", "test_utility:OfOthers")  # noqa: SLF001  (only here)
    short: dict[str, Any] = {"bpc": 3000, "ipc": 2, "labels": "hard", "warmup": 4, "joint": 100, "tune": 2}
    with pytest.raises(SettingError, match="joint: the latents are no numbers any more"):
        rudcodec.compress(stripes(), tmp_path / "out.rud", utility="of others", device="cpu", **short)
    assert not list(tmp_path.iterdir()) and next(calls) < 50


def test_names_that_are_no_utilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, target in (("abstract", "rudcodec.utility:Utility"), ("number", "math:pi")):
        monkeypatch.setitem(UTILITIES._added, name, target)  # noqa: SLF001  (only here)
        with pytest.raises(SettingError, match=r"must be a whole subclass of rudcodec\.utility\.Utility"):
            rudcodec.compress("digits", tmp_path / "out.rud", bpc=3000, ipc=2, utility=name, labels="hard")


def test_options_are_finite() -> None:
    with pytest.raises(SettingError, match=r"balance: inf; it must be below 1e\+30"):
        Settings(balance=math.inf)
    with pytest.raises(SettingError, match="classification: inf; it must be finite"):
        Settings(bpc=1000, utility="mm", utility_options={"mm.classification": math.inf})


def test_a_dry_run_counts_the_moments_of_all_networks() -> None:
    data = stripes()
    utility = MomentMatching(default_recipe(data), MMOptions(runs=3, snapshots=2, steps=4, width=8))
    whole = utility.memory(data, 1)
    utility.nets = [ConvNet(3, len(data.classes), 8, depth=1, width=8)]
    assert utility.further_memory(data) == round(whole * 5 / 6)
    utility.nets *= 6
    assert utility.further_memory(data) == 0
