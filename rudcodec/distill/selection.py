"""Which real images encoding starts from: typical and diverse ones, as a briefly trained network sees them.

Of each class the images the network is sure of, and at least ``TYPICAL_FRACTION`` of all, the surest; k-means
in its features, and the image nearest to each centre (as the prototypes of Sorscher et al., NeurIPS 2022, and
the initialisation of DREAM, Liu et al., ICCV 2023).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from rudcodec.data import LabelledImages
from rudcodec.data.mapped import take
from rudcodec.memory import images_at_once
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.runs import RunContext
from rudcodec.seeds import seed_of
from rudcodec.students import StudentSpec, TrainingSet, train_student
from rudcodec.utility.clusters import cluster_bounds, divide

PROBE_STEPS = 300  # at most
PROBE_EPOCHS = 40
PROBE_BATCH = 256
# Where the set is hard for the network, the rest only confuses students. Where it is easy, students lack what
# it is least sure of.
TYPICAL_FRACTION = 0.7
CONFIDENT = 0.5
PROBE_WIDTH = 32
PROBE_LR = 0.01  # of SGD
PCA_DIMENSIONS = 64
PCA_IMAGES = 1 << 16  # of a larger set, principal components are those of as many images


def select_images(
    real: LabelledImages, ipc: int, recipe: Recipe, run: RunContext, clusters: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some images of each class, and clusters of all, by the features of a briefly trained network.

    Args:
        real: each class has ``ipc`` images at least.
        ipc: how many of each class are selected.
        recipe: by which the network is trained.
        run: device, seed, journal.
        clusters: of each class.

    Returns:
        Indices of the selected images, int64 (classes * ipc,), ordered by class and by cluster, of which each
        has as many; and the cluster of each real image within its class, int64 (real images,).
    """
    steps = min(PROBE_STEPS, -(-PROBE_EPOCHS * len(real) // PROBE_BATCH))
    net = train_student(
        TrainingSet.with_classes(real),
        replace(recipe, optimizer="sgd", lr=PROBE_LR, steps=steps, batch=PROBE_BATCH, cutmix=0),
        StudentSpec(width=PROBE_WIDTH, device=run.device),
        seed_of("selection", run.seed),
        run.stage_report("selection"),
    )
    points, confidence = _points_and_confidence(net, real, recipe, run)
    bounds = cluster_bounds(ipc, clusters)
    cluster_of_real = np.zeros(len(real), np.int64)
    selected = []
    with _one_thread():
        for label in range(len(real.classes)):
            rows = np.flatnonzero(real.labels == label)
            cluster_of_real[rows] = divide(points[rows], bounds)
            for cluster, count in enumerate(np.diff(bounds).tolist()):
                own = rows[cluster_of_real[rows] == cluster]
                selected.append(own[_typical_prototypes(points[own], confidence[own], count, run.seed)])
    return np.concatenate(selected), cluster_of_real


def first_rows(images: LabelledImages, ipc: int) -> NDArray[np.intp]:
    """Indices of the first ``ipc`` images of each class, ordered by class."""
    rows = [np.flatnonzero(images.labels == label)[:ipc] for label in range(len(images.classes))]
    return np.concatenate(rows)


def _points_and_confidence(
    net: ConvNet, real: LabelledImages, recipe: Recipe, run: RunContext
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Principal components (N, d) of the images' features, and the network's probability (N,) of their true
    class."""

    def seen(rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return _features_and_confidence(net, real, rows, recipe, run.device)

    count = min(len(real), PCA_IMAGES)
    sample = np.linspace(0, len(real) - 1, count).round().astype(np.int64)
    features, confidence = seen(sample)
    components = PCA(min(PCA_DIMENSIONS, *features.shape), svd_solver="randomized", random_state=run.seed)
    with _one_thread(), np.errstate(invalid="ignore"):  # of equal images: components' parts of no variance
        points = components.fit_transform(features)
    if count == len(real):
        return points, confidence
    confidence, points = np.empty(len(real), np.float32), np.empty((len(real), points.shape[1]), np.float32)
    for rows in np.array_split(np.arange(len(real)), -(-len(real) // PCA_IMAGES)):
        features, confidence[rows] = seen(rows)
        with _one_thread():
            points[rows] = components.transform(features)
    return points, confidence


def _one_thread() -> threadpool_limits:
    """One thread of numpy's: sums must come out the same every time."""
    return threadpool_limits(1)


def _features_and_confidence(
    net: ConvNet, real: LabelledImages, rows: NDArray[np.int64], recipe: Recipe, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (n, D) of these images, and the network's probability (n,) of their true class."""
    features, confidence = [], []
    with torch.inference_mode(), autocast(device):
        for some in np.array_split(rows, -(-len(rows) // images_at_once(real.height, real.width))):
            x = normalise(torch.from_numpy(take(real.images, some)).to(device), recipe.mean, recipe.std)
            batch_features = net.features(x)
            probability = net.classifier(batch_features).float().softmax(1).cpu().numpy()
            features.append(batch_features.float().cpu().numpy())
            confidence.append(probability[np.arange(len(some)), real.labels[some]])
    return np.concatenate(features), np.concatenate(confidence)


def _typical_prototypes(
    points: NDArray[np.float32], confidence: NDArray[np.float32], count: int, seed: int
) -> NDArray[np.int64]:
    """Sorted indices of ``count`` different points, prototypes of those that the network is surest of."""
    num_confident = int((confidence > CONFIDENT).sum())
    num_typical = max(count, num_confident, round(TYPICAL_FRACTION * len(points)))
    typical = np.sort(np.argsort(-confidence, kind="stable")[:num_typical])
    return typical[_prototypes(points[typical], count, seed)]


def _prototypes(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of ``count`` different points, each the nearest that is left to a centre of k-means."""
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(points)
    distance = means.transform(points)
    available = np.ones(len(points), dtype=bool)
    for centre in range(count):
        available[np.where(available, distance[:, centre], np.inf).argmin()] = False
    return np.flatnonzero(~available)
