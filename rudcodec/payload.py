"""The hand-over between encoder and bitstream: frozen dataclasses of integer numpy arrays, almost without
behaviour: a recipe makes what torch trains with.

Everything a decoder needs to reproduce the synthetic set bit for bit. Shapes and limits are stated here,
checked in :mod:`rudcodec.bitstream`, and specified in ``bitstream_spec.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from rudcodec.students import RecipeOptimizer, RecipeTransform

AUGMENTATIONS = ("color", "crop", "cutout", "flip", "scale", "rotate")
OPTIMIZERS = ("sgd", "adamw", "muon")


Share = Literal["dataset", "class"]
"""Which images share networks."""


class ImageShape(NamedTuple):
    """Shape of an image: ``height`` and ``width`` in pixels; ``channels``, 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int

    @property
    def colour(self) -> str:
        """``grey`` or ``colour``."""
        return "grey" if self.channels == 1 else "colour"

    @property
    def text(self) -> str:
        """Such as ``32x32 colour``."""
        return f"{self.width}x{self.height} {self.colour}"


@dataclass(frozen=True, eq=False)
class QTensor:
    """Integers with a power-of-two step: real value = ``values * 2**-exponent``.

    ``values``: int32, any shape, |value| <= 2047. ``exponent``: 0..15.
    """

    values: np.ndarray
    exponent: int


@dataclass(frozen=True, eq=False)
class QLayer:
    """One layer: ``weight`` (out, in) or (out, in, kernel, kernel); ``bias`` (out,).

    The first context layer has one bias row for each grid: (number of grids, out). ``scale`` (out,): of a
    label network's layer whose norm is ``"scale"``, else None.
    """

    weight: QTensor
    bias: QTensor
    scale: QTensor | None = None


@dataclass(frozen=True)
class SynthesisLayer:
    """One convolution: ``kernel`` 1 or 3 (zero padding, same size); ``residual`` adds the layer's input."""

    out_channels: int
    kernel: int
    relu: bool
    residual: bool


@dataclass(frozen=True)
class Architecture:
    """Sizes of images, latent grids and networks.

    Attributes:
        height, width, channels: of a decoded image, in pixels; ``channels`` is 1 or 3.
        grids: number of components of each level, coarse to fine, non-increasing; the last level has full
            resolution, each coarser one half of it (rounded up).
        context_hidden: widths of the context network's hidden layers; may be empty.
        synthesis: layers of the synthesis network; the last has ``out_channels == channels`` and no ReLU.
    """

    height: int
    width: int
    channels: int
    grids: tuple[int, ...]
    context_hidden: tuple[int, ...]
    synthesis: tuple[SynthesisLayer, ...]


@dataclass(frozen=True, eq=False)
class Group:
    """Networks shared by a group of images: context layers (hidden, then output) and synthesis layers."""

    context: tuple[QLayer, ...]
    synthesis: tuple[QLayer, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """The networks that some segments are decoded with.

    Attributes:
        architecture: of all groups; height, width and channels are the same in all models of a set.
        groups: of networks.
        classes: the class of each group's images; None: there is one group, for the images of all classes.
    """

    architecture: Architecture
    groups: tuple[Group, ...]
    classes: tuple[int, ...] | None = None


def grouped_classes(share: str, num_classes: int) -> tuple[int, ...] | None:
    """``classes`` of a :class:`Model` whose groups are those of all classes, or one of the whole set."""
    return tuple(range(num_classes)) if share == "class" else None


@dataclass(frozen=True)
class Recipe:
    """How a student should be trained on the set: what the encoder itself evaluated with.

    Attributes:
        mean, std: one entry per channel, units of 1/255 (0..255; std at least 1).
        augment: DSA operations, a subset of :data:`AUGMENTATIONS` in that order.
        optimizer: one of :data:`OPTIMIZERS`.
        steps, batch: optimizer steps and images per step.
        lr, weight_decay: multiples of one millionth, up to 1000. ``momentum``: a multiple of one thousandth,
            0..1; it is SGD's, and AdamW takes it as its first beta. ``"muon"`` is Muon for inner weights and
            AdamW for the rest (:mod:`rudcodec.nets.muon`).
        cutmix: chance, in 1/256, that a batch of images has boxes of one another; 0..255. Views have mixtures
            of their own.
    """

    mean: tuple[int, ...]
    std: tuple[int, ...]
    augment: tuple[str, ...] = AUGMENTATIONS
    optimizer: str = "sgd"
    steps: int = 1000
    batch: int = 256
    lr: float = 0.01
    weight_decay: float = 0.0005
    momentum: float = 0.9
    cutmix: int = 0

    def train_transform(self) -> RecipeTransform:
        """What turns a PIL image or a uint8 array (H, W, C), or a batch of arrays, into normalised and
        augmented float32 tensors; float tensors, which are normalised already, it only augments. Needs torch.
        """
        from rudcodec.students.transforms import RecipeTransform

        return RecipeTransform(self, train=True)

    def test_transform(self) -> RecipeTransform:
        """The same without augmentation, for images to test a network on. Needs torch."""
        from rudcodec.students.transforms import RecipeTransform

        return RecipeTransform(self, train=False)

    def make_optimizer(self, net: nn.Module, anneal: bool = True) -> RecipeOptimizer:
        """The recipe's torch optimizer of a network. Needs torch.

        By itself its learning rate falls to 0 on a cosine over ``steps`` steps and then stays 0; it is
        constant, for a scheduler of your own, with ``anneal=False``.
        """
        from rudcodec.students.optimizers import RecipeOptimizer

        return RecipeOptimizer(net, self, anneal)


@dataclass(frozen=True)
class ViewRecipe:
    """How views of the images are drawn for the label network to label: see :mod:`rudcodec.views`.

    Attributes:
        zoom_min, zoom_max: side of the window a view looks through, in 1/64 of the image's side; 1..127.
        shift: how far the window may lie beyond the image, in 1/64 of the side; 0..64.
        rotate: largest sine of a turn, in 1/256; 0..255.
        flip: mirror every second view.
        contrast: largest change of the gain about mid grey, in 1/256; 0..255.
        brightness: largest change, in grey levels; 0..255.
        mixup, cutmix: chances, in 1/256, that a view is a blend of two, or has a box of another in it;
            together at most 256, each at most 255.
        sharpen: how much sharper than the file's images those are that views show, in 1/64; 0..255.
    """

    zoom_min: int = 45
    zoom_max: int = 77
    shift: int = 8
    rotate: int = 32
    flip: bool = True
    contrast: int = 60
    brightness: int = 25
    mixup: int = 40
    cutmix: int = 40
    sharpen: int = 0


Kernel = Literal["full", "depthwise", "pointwise"]
"""Of a label network's convolution: 3x3, 3x3 on each channel by itself, or 1x1."""

Norm = Literal["instance", "scale"]
"""Of a label network's layer: over the positions of an image, or a stored scale for each channel."""

Pool = Literal["mean", "max", "global"]
"""Behind a label network's layer: mean or maximum of 2x2 positions, or the mean of all of them."""


@dataclass(frozen=True)
class LabelLayer:
    """A convolution, ``norm``, bias and, unless it is ``linear``, a ReLU; then ``residual`` adds the layer's
    input, and ``pool`` takes fewer positions. A depthwise layer has as many outputs as inputs."""

    out_channels: int
    pool: Pool | None = None
    residual: bool = False
    kernel: Kernel = "full"
    norm: Norm = "instance"
    linear: bool = False


@dataclass(frozen=True, eq=False)
class LabelNetwork:
    """A quantized classifier that labels any view of the images.

    Attributes:
        layers: the convolutions; behind the last one comes a linear layer that sees all its positions.
        parameters: weight, scale and bias of each of ``layers``, then of the linear one (classes, channels *
            height * width). The norm takes convolutions' scale away: their weights have exponent 0.
        temperature: of the softmax that makes probabilities of logits, in 1/16; 1..255.
        views: how those are drawn that students train on; None: the file doesn't say.
        mirror: a view's logits are the mean of its own and its mirror image's.
    """

    layers: tuple[LabelLayer, ...]
    parameters: tuple[QLayer, ...]
    temperature: int
    views: ViewRecipe | None
    mirror: bool = False

    @property
    def softmax_temperature(self) -> float:
        """The temperature as a number."""
        return self.temperature / 16


@dataclass(frozen=True)
class SoftScale:
    """How soft labels of images are quantized.

    Attributes:
        kept: other classes with odds of their own, the most probable ones; at least 1, less than all.
        step: of the odds' logarithm, in 1/64; 1..255.
        temperature: of the softmax that the probabilities come from, in 1/16; 1..255.
    """

    kept: int
    step: int
    temperature: int

    @property
    def softmax_temperature(self) -> float:
        """The temperature as a number."""
        return self.temperature / 16


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Of a segment's images: probabilities in proportion to exp(-step / 64 * odds), odds 0 for the own class.

    Attributes:
        others: int32 (images, kept): the most probable classes besides the own one, in that order.
        odds: int32 (images, kept), and behind them one column, where classes are left, for each of those;
            ascending, |odds| <= 2047.
    """

    others: np.ndarray
    odds: np.ndarray


@dataclass(frozen=True, eq=False)
class Segment:
    """A balanced subset of the images, ordered by class, in a coder stream of its own.

    Attributes:
        counts: images of each class (length: number of classes).
        latents: one int32 array (images, h, w) per grid in coding order: coarse level first, components
            ascending.
        soft: the images' labels, where the set has soft ones.
        model: number of the model it is decoded with.
        order: the classes that have images, in the order in which these lie; None: ascending.
    """

    counts: tuple[int, ...]
    latents: tuple[np.ndarray, ...]
    soft: SoftLabels | None = None
    model: int = 0
    order: tuple[int, ...] | None = None

    @property
    def labels(self) -> np.ndarray:
        """The class of each image, int64 (images,)."""
        return image_classes(self.counts, self.order)

    def with_images(self, keep: np.ndarray) -> Segment:
        """The segment with some of its images only; ``keep``: bool (images,)."""
        counts = np.bincount(self.labels[keep], minlength=len(self.counts)).tolist()
        order = None if self.order is None else tuple(k for k in self.order if counts[k])
        soft = self.soft and SoftLabels(self.soft.others[keep], self.soft.odds[keep])
        return Segment(tuple(counts), tuple(grid[keep] for grid in self.latents), soft, self.model, order)


def image_classes(counts: tuple[int, ...], order: tuple[int, ...] | None = None) -> np.ndarray:
    """Class of each image, int64 (n,): those of a class together, classes ascending or in a given order."""
    classes = np.arange(len(counts)) if order is None else np.array(order, dtype=np.int64)
    return np.repeat(classes, np.array(counts, dtype=np.int64)[classes])


@dataclass(frozen=True, eq=False)
class Payload:
    """A whole set.

    Attributes:
        classes: their names.
        models: networks; a segment names the one it is decoded with.
        segments: the images.
        recipe: for students; None: the file has none, or none that is understood.
        labels: a label network; ``soft``: how images' soft labels are quantized; neither: images have their
            class for a label.
        metadata: what the file says of itself, in words.
    """

    classes: tuple[str, ...]
    models: tuple[Model, ...]
    segments: tuple[Segment, ...]
    recipe: Recipe | None = None
    labels: LabelNetwork | None = None
    soft: SoftScale | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @cached_property
    def image_shape(self) -> ImageShape:
        """Of every image."""
        architecture = self.models[0].architecture
        return ImageShape(architecture.height, architecture.width, architecture.channels)
