"""Clusters of each class: real images that are alike, and the synthetic images that stand for them.

Synthetic images that all matched the whole class would all be told the same; by clusters each is told of a
part of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLUSTER_IMAGES = 25
"""Synthetic images of a cluster, at most: of fewer a deviation says little."""


@dataclass(frozen=True)
class Clusters:
    """Into which clusters the real images of each class are divided.

    Attributes:
        count: of each class.
        of_real: of each real image, 0..count - 1; int64 (real images,).
    """

    count: int
    of_real: NDArray[np.int64]

    def labels(self, classes: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
        """What utilities call these clusters of these classes, int64 (n,)."""
        return classes * self.count + clusters


def clusters_per_class(ipc: int) -> int:
    """Of ``ipc`` synthetic images of a class."""
    return -(-ipc // CLUSTER_IMAGES)


def cluster_bounds(ipc: int, count: int) -> list[int]:
    """Where each of ``count`` clusters begins among the synthetic images of a class, and where the last one
    ends."""
    return [ipc * cluster // count for cluster in range(count + 1)]


def cluster_of_each(ipc: int, count: int) -> NDArray[np.int64]:
    """The cluster of each of the synthetic images of a class, ascending: int64 (ipc,)."""
    return np.repeat(np.arange(count), np.diff(cluster_bounds(ipc, count)))


def divide(points: NDArray[np.float32], bounds: list[int]) -> NDArray[np.int64]:
    """The cluster of each of the points (n, d) of a class: int64 (n,).

    Halves along the direction in which points differ most, halves of these, and so on; so that a cluster has
    as large a part of the real images as of the synthetic ones, whose ``bounds`` these are.
    """
    cluster = np.zeros(len(points), np.int64)
    if len(bounds) <= 2:
        return cluster
    middle = len(bounds) // 2
    first, cut, last = bounds[0], bounds[middle], bounds[-1]
    centred = points.astype(np.float64) - points.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(centred @ directions[:, -1], kind="stable")
    num_left = len(points) * (cut - first) // (last - first)
    left, right = np.sort(order[:num_left]), np.sort(order[num_left:])
    cluster[left] = divide(points[left], bounds[: middle + 1])
    cluster[right] = middle + divide(points[right], bounds[middle:])
    return cluster
