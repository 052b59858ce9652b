"""Which real images encoding starts from: typical and diverse ones, as a briefly trained network sees them.

Of each class the images the network is sure of, and at least the surest ``TYPICAL`` of them; k-means in its
features, and the image nearest to each centre (as the prototypes of Sorscher et al., NeurIPS 2022, and the
initialisation of DREAM, Liu et al., ICCV 2023). Taking the smoothest of the five nearest instead, to save
bits, made students worse.
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
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.students import StudentSpec, TrainingSet, train_student

PROBE_STEPS = 300  # at most
PROBE_PASSES = 40
# Where the set is hard for the network, the rest only confuses students (CIFAR-10, 50 a class, uncoded: the
# surest half 57.2 %, all 55.2). Where it is easy, students lack what it is least sure of (digits, 16 a class,
# uncoded, inner validation split: the surest 70 % 88.6 +- 0.9 %, all 92.3 +- 2.1, random ones 91.6 +- 0.9).
TYPICAL = 0.7
SURE = 0.5
PROBE_WIDTH = 32
PROBE_LR = 0.01  # of SGD
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

    Each class has as many.
    """
    steps = min(PROBE_STEPS, -(-PROBE_PASSES * len(data) // recipe.batch))
    net = train_student(
        TrainingSet.with_classes(data),
        replace(recipe, optimizer="sgd", lr=PROBE_LR, steps=steps),
        StudentSpec(width=PROBE_WIDTH, device=device),
        seed,
        progress,
    )
    features, confidence = _see(net, data, recipe, device)
    # One thread: sums must come out the same every time.
    with threadpool_limits(1):
        dimensions = min(DIMENSIONS, *features.shape)
        points = PCA(dimensions, svd_solver="randomized", random_state=seed).fit_transform(features)
        chosen = []
        for k in range(len(data.classes)):
            members = np.flatnonzero(data.labels == k)
            sure = int((confidence[members] > SURE).sum())
            kept = max(ipc, sure, round(TYPICAL * len(members)))
            surest = np.argsort(-confidence[members], kind="stable")[:kept]
            typical = members[np.sort(surest)]
            chosen.append(typical[_prototypes(points[typical], ipc, seed)])
    return np.concatenate(chosen)


def _see(
    net: ConvNet, data: LabelledImages, recipe: Recipe, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (N, D) of the images, and the network's probability (N,) of their true class."""
    features, confidence = [], []
    with torch.inference_mode(), autocast(device):
        for rows in np.array_split(np.arange(len(data)), -(-len(data) // 500)):
            x = normalise(torch.from_numpy(data.images[rows]).to(device), recipe.mean, recipe.std)
            seen = net.features(x)
            probability = net.classifier(seen).float().softmax(1).cpu().numpy()
            features.append(seen.float().cpu().numpy())
            confidence.append(probability[np.arange(len(rows)), data.labels[rows]])
    return np.concatenate(features), np.concatenate(confidence)


def _prototypes(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of ``count`` different points, each the nearest that is left to a centre of k-means."""
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(points)
    distance = means.transform(points)
    free = np.ones(len(points), dtype=bool)
    for centre in range(count):
        free[np.where(free, distance[:, centre], np.inf).argmin()] = False
    return np.flatnonzero(~free)
