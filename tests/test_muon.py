"""Muon: what it does to a matrix, and which weights are its own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from rudcodec.nets import NETS, build  # noqa: E402
from rudcodec.nets.muon import Muon, orthogonal, split  # noqa: E402


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_singular_values_become_equal(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    along = (u.T @ found @ v.T).diagonal()  # same directions
    assert found.dtype == matrix.dtype and 0.6 < along.min() and along.max() < 1.3


def test_steps_are_as_large_as_the_learning_rate_says() -> None:
    weight = torch.nn.Parameter(torch.zeros(32, 16, 3, 3))
    optimizer = Muon([weight], lr=0.01)
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)) * 1e-4
    optimizer.step()
    assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.3)
    assert (weight.detach() * weight.grad).sum() < 0


@pytest.mark.parametrize("net", NETS.builtins)
def test_every_weight_has_one_optimizer(net: str) -> None:
    built = build(net, (32, 32, 3), 10, torch.Generator().manual_seed(0), width=16)
    inner, rest = split(built)
    assert sorted(map(id, [*inner, *rest])) == sorted(map(id, built.parameters()))
    assert inner and all(weight.ndim in (2, 4) for weight in inner)
    assert any(len(weight) == 10 and weight.ndim == 2 for weight in rest)  # the logits'
