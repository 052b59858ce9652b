"""MM, moment matching: classes' means and deviations of features of ConvNets that know the real set.

After IDM (Zhao et al., "Improved Distribution Matching for Dataset Condensation", CVPR 2023), which matches
means of trained networks' features beside a classification loss, and M3D (Zhang et al., AAAI 2024), which
adds higher moments. Here the networks don't change, so that the real images' moments are computed once.
experiments/2026-11-utilities.md has the trials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.memory import images_at_once
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast, compiled, has_compiler
from rudcodec.payload import Recipe
from rudcodec.progress import activity
from rudcodec.runs import RunContext, State
from rudcodec.utility import Utility
from rudcodec.utility.network_pool import NetworkPool, pool_networks, train_network_pool
from rudcodec.utility.real_images import RealImages
from rudcodec.utility.room import require_memory
from rudcodec.utility_options import MMOptions

EPS = 1e-6
# Images of a call, whose number changes by a few, and real ones at once: the compiler runs anew for another.
BATCH_MULTIPLE, REAL_AT_ONCE = 16, 128
COMPILE_FROM = 32 * 32  # pixels of an image; with fewer a compiler gains little


@dataclass(frozen=True)
class Moments:
    """The moments of one block's output.

    Attributes:
        mean, deviation: of each class or cluster, (labels, h * w * C).
        variance: of all real images, a scalar: the unit of the distance.
    """

    mean: Tensor
    deviation: Tensor
    variance: Tensor


class MomentMatching(Utility):
    """For each class, or cluster of it: squared distances of means and of deviations, averaged over the
    features of a block and summed over blocks, plus the mean cross entropy; summed over classes.

    Every call draws one of the networks, and one operation of augmentation, with numbers for each image.
    """

    Options = MMOptions
    options: MMOptions
    sums_over_classes = True

    def __init__(self, recipe: Recipe, options: MMOptions | None = None) -> None:
        super().__init__(recipe, options)
        self.matches_clusters = self.options.clusters
        self._outputs: Callable[..., tuple[list[Tensor], Tensor]] = _outputs

    def pool(self, real: LabelledImages) -> NetworkPool:
        """The networks whose features are matched."""
        options = self.options
        return NetworkPool(options.runs, options.steps, options.snapshots, options.width).limited(real)

    def check(self, real: LabelledImages, device: torch.device, clusters: int) -> None:
        """Raises SettingError if the device has too little memory for the moments."""
        require_memory(
            device,
            self.memory(real, clusters),
            f"to keep the moments of {len(real.classes):,} classes",
            "fewer networks (mm.runs, mm.snapshots), narrower ones (mm.width) or whole classes "
            "(mm.clusters=false) take less",
        )

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        return train_network_pool(real, self.pool(real), self.recipe, run)

    def memory(self, real: LabelledImages, clusters: int) -> int:
        """About how many bytes the moments take: two numbers for each of so many ``clusters`` of each class
        and each feature of each network."""
        pool = self.pool(real)
        with torch.device("meta"):  # shapes alone
            net = ConvNet.as_published(real.channels, 2, (real.height, real.width), pool.width)
            blocks = net.blocks(torch.empty(1, real.channels, real.height, real.width))
        features = sum(block.numel() for block in blocks)
        return 4 * 2 * pool.runs * pool.snapshots * len(real.classes) * clusters * features

    def further_memory(self, real: LabelledImages) -> int:
        pool = self.pool(real)
        clusters = 1 if self.clusters is None else self.clusters.count
        return round(self.memory(real, clusters) * (1 - len(self.nets) / (pool.runs * pool.snapshots)))

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self.nets = pool_networks(real, self.options.width, learned, device)
        if real.height * real.width >= COMPILE_FROM and has_compiler(device):
            self._outputs = compiled(_outputs)
        sampler = RealImages(real, self.recipe, device, self.clusters)
        with activity("taking moments of real images"):
            self.moments = [self._moments(net, sampler, number) for number, net in enumerate(self.nets)]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        number = int(torch.randint(len(self.nets), (), generator=generator))
        views = self.views(images, generator)
        blocks, logits = self._seen(self.nets[number].to(images.dtype), views, BATCH_MULTIPLE)
        return self._distance(blocks, logits, labels, self.moments[number])

    def _seen(self, net: ConvNet, views: Tensor, multiple: int) -> tuple[list[Tensor], Tensor]:
        """The output of each block, whose last rows may be of nothing, for a batch of such a multiple; and
        logits."""
        padded = F.pad(views, (0, 0, 0, 0, 0, 0, 0, -len(views) % multiple))
        with autocast(views.device):  # not within what is compiled, which it would break apart
            blocks, logits = self._outputs(net, padded)
        return blocks, logits[: len(views)]

    def views(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images, augmented by a generator of their own: processes with other images of the same call
        draw the same number from ``generator``."""
        seed = int(torch.randint(2**62, (), generator=generator))
        return augment(images, self.recipe.augment, torch.Generator().manual_seed(seed))

    def _distance(self, blocks: list[Tensor], logits: Tensor, labels: Tensor, real: list[Moments]) -> Tensor:
        """The loss of images of these labels, int64 (n,)."""
        present, one_hot = _rows_of_labels(labels, len(real[0].mean))
        one_hot = one_hot.to(logits.dtype)
        count = one_hot.sum(1, keepdim=True)
        is_present = (count > 0).to(logits.dtype)
        weights = one_hot / count.clamp(min=1)
        total = logits.new_zeros(())
        for block, target in zip(blocks, real, strict=True):
            mean, deviation = _class_moments(block, weights, count)
            difference = (mean - target.mean[present]).square()
            if self.options.deviations:  # of one image there is none
                difference = difference + (count > 1) * (deviation - target.deviation[present]).square()
            total = total + (difference * is_present).mean(1).sum() / target.variance
        if self.options.classification:
            losses = F.cross_entropy(logits, self.classes_of(labels), reduction="none")
            total = total + self.options.classification * (weights @ losses).sum()
        return total

    def _moments(self, net: ConvNet, real: RealImages, seed: int) -> list[Moments]:
        """The moments of each block's output over the real images."""
        generator = torch.Generator().manual_seed(seed)
        moments_of_label: list[list[tuple[Tensor, Tensor]]] = []
        with torch.no_grad():
            for label in range(len(real.rows)):
                views = real.views(label, self.options.real_batch, seed, generator)
                count = torch.full((1, 1), len(views), device=real.device)
                moments_of_label.append([_as_moments(*one, count) for one in self._real_averages(net, views)])
        moments = []
        for block in zip(*moments_of_label, strict=True):
            mean, deviation = (torch.cat(rows) for rows in zip(*block, strict=True))
            variance = (deviation.square() + (mean - mean.mean(0)).square()).mean()
            moments.append(Moments(mean, deviation, variance))
        return moments

    def _real_averages(self, net: ConvNet, views: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Averages of each block's features, and of their squares, over all views of a label: (1, h * w * C)
        each."""
        parts = []
        at_once = min(REAL_AT_ONCE, images_at_once(*views.shape[2:]))
        for some in views.split(at_once):
            weights = torch.full((1, len(some)), 1 / len(views), device=views.device)
            blocks, _ = self._seen(net, some, at_once)
            parts.append([_averages(block, weights) for block in blocks])
        return [
            (torch.stack(means).sum(0), torch.stack(squares).sum(0))
            for means, squares in (zip(*block, strict=True) for block in zip(*parts, strict=True))
        ]


def _rows_of_labels(labels: Tensor, num_labels: int) -> tuple[Tensor | slice, Tensor]:
    """Rows for the labels of images: which label each row is of, and bool (rows, n), whether an image is of
    it."""
    if labels.device.type != "cpu":
        return rows_without_waiting(labels, num_labels)
    present = labels.unique()
    return present, present[:, None] == labels


def rows_without_waiting(labels: Tensor, num_labels: int) -> tuple[Tensor | slice, Tensor]:
    """Rows whose number doesn't depend on what the labels are, for which a GPU would have to be waited for.

    A row for each label there is, or, where there are fewer images, for each image: then the first one of a
    label has all images of it, and the others' rows are empty.
    """
    if len(labels) >= num_labels:
        return slice(None), torch.arange(num_labels, device=labels.device)[:, None] == labels
    first = (labels[:, None] == labels).int().argmax(1)
    return labels, torch.arange(len(labels), device=labels.device)[:, None] == first


def _class_moments(block: Tensor, weights: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature, (labels, h * w * C), over the images of each label: ``count`` of
    them (labels, 1); ``weights`` (labels, n): one over that."""
    return _as_moments(*_averages(block, weights), count)


def _averages(block: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of the features and of their squares, (labels, h * w * C); rows of the block without a weight don't
    count."""
    weights = F.pad(weights, (0, len(block) - weights.shape[1]))
    features = block.permute(0, 2, 3, 1).flatten(1)  # as they lie in memory, if a compiler has made them
    return weights @ features, weights @ features.square()


def _as_moments(mean: Tensor, mean_square: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation."""
    variance = (mean_square - mean.square()).clamp(min=0) * (count / (count - 1).clamp(min=1))
    return mean, (variance + EPS).sqrt()


def _outputs(net: ConvNet, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """The output of each block, and logits, in the images' number format."""
    blocks = net.blocks(images)
    logits = net.classifier(blocks[-1].flatten(1))
    return [block.to(images.dtype) for block in blocks], logits.to(images.dtype)
