"""Networks that an encode trains don't begin as the students do that judge the file."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import stripes

torch = pytest.importorskip("torch")

from rudcodec.nets import build  # noqa: E402
from rudcodec.runs import RunContext  # noqa: E402
from rudcodec.seeds import seed_of  # noqa: E402
from rudcodec.students import default_recipe  # noqa: E402
from rudcodec.utility.network_pool import NetworkPool, train_network_pool  # noqa: E402


def test_utility_networks_begin_elsewhere() -> None:
    data = stripes()
    pool = NetworkPool(runs=3, steps=0, snapshots=1, width=16)
    networks = train_network_pool(data, pool, default_recipe(data), RunContext("cpu"))
    first = [network["convs.0.weight"].numpy() for network in networks]
    for seed in range(3):
        student = build("convnet", (8, 8, 1), 2, torch.Generator().manual_seed(seed), 16)
        weights = student.state_dict()["convs.0.weight"].numpy()
        assert not any(np.array_equal(weights, one) for one in first)


def test_seeds_of_purposes_are_far_from_those_of_students() -> None:
    seeds = {seed_of(purpose, number) for purpose in ("a", "b") for number in range(100)}
    assert len(seeds) == 200 and min(seeds) > 10**9 and max(seeds) < 2**62
