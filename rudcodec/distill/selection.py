"""Which real images encoding starts from: typical and diverse ones, as a briefly trained network sees them.

k-means in the features of each class, and the image nearest to each centre (as the prototypes of Sorscher et
al., NeurIPS 2022, and the initialisation of DREAM, Liu et al., ICCV 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from rudcodec.data import LabelledImages
from rudcodec.errors import DataError
from rudcodec.evaluation import normalise, train_student
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe

PROBE_STEPS = 300
PROBE_WIDTH = 32
DIMENSIONS = 64


def choose_images(
    data: LabelledImages,
    ipc: int,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:
    """Indices of ``ipc`` images of each class, ordered by class: int64 (classes * ipc,).

    Raises DataError if a class has fewer.
    """
    for name, count in zip(data.classes, data.ipc_counts(), strict=True):
        if count < ipc:
            raise DataError(f"{data.name}: class {name} has {count} training images, fewer than {ipc} per class")
    net = train_student(
        data.images,
        data.labels,
        len(data.classes),
        replace(recipe, steps=PROBE_STEPS),
        seed=seed,
        device=device,
        width=PROBE_WIDTH,
        progress=progress,
    )
    features = _features(net, data, recipe, device)
    # One thread: sums must come out the same every time.
    with threadpool_limits(1):
        dimensions = min(DIMENSIONS, *features.shape)
        points = PCA(dimensions, svd_solver="randomized", random_state=seed).fit_transform(features)
        chosen = [
            members[_prototypes(points[members], ipc, seed)]
            for members in (np.flatnonzero(data.labels == k) for k in range(len(data.classes)))
        ]
    return np.concatenate(chosen)


def _features(
    net: ConvNet, data: LabelledImages, recipe: Recipe, device: torch.device
) -> NDArray[np.float32]:
    parts = []
    with torch.inference_mode(), autocast(device):
        for images in np.array_split(data.images, -(-len(data) // 500)):
            x = normalise(torch.from_numpy(images).to(device), recipe)
            parts.append(net.features(x).float().cpu().numpy())
    return np.concatenate(parts)


def _prototypes(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of ``count`` different points, each near a centre of k-means."""
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(points)
    distance = means.transform(points)
    taken: list[int] = []
    free = np.ones(len(points), dtype=bool)
    for centre in range(count):
        index = int(np.where(free, distance[:, centre], np.inf).argmin())
        free[index] = False
        taken.append(index)
    return np.sort(np.array(taken, dtype=np.int64))
