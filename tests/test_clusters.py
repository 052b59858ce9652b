"""Clusters of classes, and in which turn a utility sees them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rudcodec.distill.chunks import calls, chunk_of_image, turn_of_image
from rudcodec.utility.clusters import (
    CLUSTER_IMAGES,
    cluster_bounds,
    cluster_of_each,
    clusters_per_class,
    divide,
)


@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 8), st.integers(0, 9))
def test_every_cluster_has_as_many_real_images_as_synthetic_ones_at_least(
    ipc: int, more: int, count: int, seed: int
) -> None:
    count = min(count, ipc)
    points = np.random.default_rng(seed).normal(size=(ipc + more, 3)).astype(np.float32)
    clusters = divide(points, cluster_bounds(ipc, count))
    real = np.bincount(clusters, minlength=count)
    synthetic = np.bincount(cluster_of_each(ipc, count), minlength=count)
    assert (real >= synthetic).all() and (synthetic > 0).all()
    assert np.abs(real - synthetic * len(points) / ipc).max() <= max(1, np.log2(count) + 1)


def test_clusters_are_points_that_are_alike() -> None:
    centres = np.array([[0, 0], [0, 5], [20, 0], [20, 5]])
    points = np.repeat(centres, 30, 0) + np.random.default_rng(0).normal(size=(120, 2))
    clusters = divide(points.astype(np.float32), cluster_bounds(40, 4))
    assert [len(set(own)) for own in clusters.reshape(4, 30)] == [1, 1, 1, 1]
    assert sorted(clusters[::30].tolist()) == [0, 1, 2, 3]


@given(st.integers(1, 130), st.integers(1, 30), st.integers(20, 500), st.integers(1, 100))
def test_calls_see_clusters_whole_and_all_images_in_turn(
    ipc: int, num_classes: int, in_call: int, chunk_size: int
) -> None:
    count = clusters_per_class(ipc)
    assert -(-ipc // count) <= CLUSTER_IMAGES
    labels = torch.arange(num_classes).repeat_interleave(ipc)
    clusters = torch.from_numpy(cluster_of_each(ipc, count)).repeat(num_classes)
    turns = turn_of_image(labels, clusters, in_call)
    chunks = chunk_of_image(turns, min(chunk_size, in_call))
    sizes = chunks.bincount().tolist()
    assert 0 < min(sizes) and max(sizes) <= min(chunk_size, in_call) and sum(sizes) == ipc * num_classes
    for turn in turns.unique():
        of_turn = chunks[turns == turn].unique(return_counts=True)[1]
        assert of_turn.max() - of_turn.min() <= 1
    seen = calls(chunks, turns, in_call)
    assert [chunk for call in seen for chunk in call] == [*range(len(sizes))]
    for call in seen:
        assert sum(sizes[chunk] for chunk in call) <= in_call
    if in_call >= CLUSTER_IMAGES:
        numbers = clusters * num_classes + labels
        for call in seen:
            inside = torch.isin(chunks, torch.tensor(call))
            assert not torch.isin(numbers[inside], numbers[~inside]).any()
