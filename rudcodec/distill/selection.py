"""Which real images encoding starts from: typical, diverse and cheap ones.

Typical and diverse: k-means in the features of each class, as a briefly trained network sees them, and images
near the centres (as the prototypes of Sorscher et al., NeurIPS 2022, and the initialisation of DREAM, Liu et
al., ICCV 2023). Cheap: of the few nearest to a centre the smoothest, for a rough background takes bits.
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
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.student import normalise, train_student

PROBE_STEPS = 300  # at most
PROBE_PASSES = 40
NEAREST = 5
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
            raise DataError(
                f"{data.name}: class {name} has {count} training images, fewer than {ipc} per class"
            )
    net = train_student(
        data.images,
        data.labels,
        len(data.classes),
        replace(recipe, steps=min(PROBE_STEPS, -(-PROBE_PASSES * len(data) // recipe.batch))),
        seed=seed,
        device=device,
        width=PROBE_WIDTH,
        progress=progress,
    )
    features = _features(net, data, recipe, device)
    roughness = _roughness(data.images)
    # One thread: sums must come out the same every time.
    with threadpool_limits(1):
        dimensions = min(DIMENSIONS, *features.shape)
        points = PCA(dimensions, svd_solver="randomized", random_state=seed).fit_transform(features)
        chosen = [
            members[_prototypes(points[members], roughness[members], ipc, seed)]
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


def _roughness(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean absolute difference between neighbouring pixels: about proportional to the bits an image takes."""
    grey = images.mean(3, dtype=np.float32)
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    return np.asarray(across.mean((1, 2)) + down.mean((1, 2)), dtype=np.float32)


def _prototypes(
    points: NDArray[np.float32], roughness: NDArray[np.float32], count: int, seed: int
) -> NDArray[np.int64]:
    """Sorted indices of ``count`` points: of those nearest to each centre of k-means the smoothest."""
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(points)
    distance = means.transform(points)
    # Where there is no choice, all are taken; a small set offers fewer neighbours.
    nearest = max(1, min(NEAREST, len(points) // count))
    free = np.ones(len(points), dtype=bool)
    for centre in range(count):
        order = np.argsort(np.where(free, distance[:, centre], np.inf), kind="stable")[:nearest]
        order = order[free[order]]
        free[order[roughness[order].argmin()]] = False
    return np.flatnonzero(~free)
