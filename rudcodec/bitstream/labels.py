"""The LABELS section: how soft labels are quantized, or a label network with its parameters.

As elsewhere, one description serves both directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.container import Fields, Place
from rudcodec.bitstream.soft import code_scale
from rudcodec.bitstream.weights import code_tensor
from rudcodec.payload import (
    ImageShape,
    Kernel,
    LabelLayer,
    LabelNetwork,
    Norm,
    Pool,
    QLayer,
    QTensor,
    SoftScale,
)

SOFT, NETWORK = 1, 2  # kinds of labels
_KERNELS: tuple[Kernel, ...] = ("pointwise", "full", "depthwise")
_NORMS: tuple[Norm, ...] = get_args(Norm)
_POOLS: tuple[Pool | None, ...] = (None, *get_args(Pool))


class Shapes(NamedTuple):
    """The shapes of a layer's tensors; ``scale`` is None where there is none."""

    weight: tuple[int, ...]
    bias: tuple[int]
    scale: tuple[int] | None = None

    @property
    def parameters(self) -> int:
        """Values of all tensors."""
        return math.prod(self.weight) + self.bias[0] * (1 if self.scale is None else 2)


def code_labels(
    fields: Fields, size: ImageShape, classes: int, labels: SoftScale | LabelNetwork | None
) -> SoftScale | LabelNetwork:
    """Code all but a network's parameters, which are missing in the result, as views' recipe is.

    ``labels`` is None when reading.
    """
    kind = 0 if labels is None else SOFT if isinstance(labels, SoftScale) else NETWORK
    kind = fields.byte("kind of labels", kind, 0, 255)
    if kind == SOFT:
        return code_scale(fields, classes, labels if isinstance(labels, SoftScale) else None)
    if kind == NETWORK:
        return _code_network(fields, size, labels if isinstance(labels, LabelNetwork) else None)
    raise fields.fail(f"kind of labels is {kind}, must be {SOFT} or {NETWORK}")


def _code_network(fields: Fields, size: ImageShape, network: LabelNetwork | None) -> LabelNetwork:
    mirror = bool(fields.byte("flags of the label network", int(network.mirror) if network else 0, 0, 1))
    count = fields.byte("label layers", len(network.layers) if network else 0, 1, limits.LABEL_LAYERS)
    layers: list[LabelLayer] = []
    for i in range(count):
        input_size = inputs(layers, size)[-1]
        layers.append(_code_layer(fields, network.layers[i] if network else None, i, input_size))
    temperature = fields.byte("temperature", network.temperature if network else 0, 1, 255)
    return LabelNetwork(tuple(layers), (), temperature, None, mirror)


def _code_layer(fields: Fields, layer: LabelLayer | None, index: int, input_size: ImageShape) -> LabelLayer:
    name, in_channels = f"label layer {index}", input_size.channels
    shape = 0
    if layer:
        if layer.kernel not in _KERNELS or layer.norm not in _NORMS or layer.pool not in _POOLS:
            raise fields.fail(f"{name} is unknown: {layer}")
        shape = _KERNELS.index(layer.kernel) + 4 * _NORMS.index(layer.norm) + 8 * (not layer.linear)
        shape += 16 * _POOLS.index(layer.pool) + 64 * layer.residual
    shape = fields.byte(f"shape of {name}", shape, 0, 127)
    if shape & 3 == len(_KERNELS):
        raise fields.fail(f"kernel {shape & 3} of {name} is reserved")
    kernel, pool = _KERNELS[shape & 3], _POOLS[shape >> 4 & 3]
    if shape & 64 and not index:
        raise fields.fail(f"{name} can't be residual, it is the first")
    if not math.prod(_pooled(input_size, pool)):
        raise fields.fail(f"{name} pools images to nothing")
    out_channels = in_channels
    if kernel != "depthwise":
        out_channels = fields.number(
            f"channels of {name}", layer.out_channels if layer else 0, 1, limits.LABEL_WIDTH
        )
    elif layer and layer.out_channels != in_channels:
        raise fields.fail(f"{name} is depthwise, must have {in_channels} channels")
    if shape & 64 and out_channels != in_channels:
        raise fields.fail(f"{name} can't be residual, it changes the number of channels")
    return LabelLayer(
        out_channels,
        pool,
        bool(shape & 64),
        kernel,
        _NORMS[shape >> 2 & 1],
        not shape & 8,
    )


def inputs(layers: Sequence[LabelLayer], size: ImageShape) -> list[ImageShape]:
    """The size of the input of each convolution, and of the linear layer at the end."""
    sizes = [size]
    for layer in layers:
        sizes.append(_pooled(sizes[-1], layer.pool)._replace(channels=layer.out_channels))
    return sizes


def _pooled(size: ImageShape, pool: Pool | None) -> ImageShape:
    height, width, channels = size
    if pool is None:
        return size
    return ImageShape(1, 1, channels) if pool == "global" else ImageShape(height // 2, width // 2, channels)


def shapes(layers: Sequence[LabelLayer], size: ImageShape, classes: int) -> list[Shapes]:
    """Shapes of the tensors of each layer, the linear one included."""
    *convolution_inputs, linear_input = inputs(layers, size)
    result = []
    for layer, (_, _, channels) in zip(layers, convolution_inputs, strict=True):
        side = 1 if layer.kernel == "pointwise" else 3
        fan_in = 1 if layer.kernel == "depthwise" else channels
        outs = (layer.out_channels,)
        weight = (layer.out_channels, fan_in, side, side)
        result.append(Shapes(weight, outs, outs if layer.norm == "scale" else None))
    return [*result, Shapes((classes, math.prod(linear_input)), (classes,))]


def label_parameters(layers: Sequence[LabelLayer], size: ImageShape, classes: int) -> int:
    """Weights, scales and biases of a label network."""
    return sum(shape.parameters for shape in shapes(layers, size, classes))


def network_excess(network: LabelNetwork, size: ImageShape, classes: int) -> str | None:
    """What a label network asks for beyond a limit; None if nothing."""
    return layers_excess(network.layers, network.mirror, size, classes)


def layers_excess(layers: Sequence[LabelLayer], mirror: bool, size: ImageShape, classes: int) -> str | None:
    """What a label network of these layers asks for beyond a limit; None if nothing."""
    layer_shapes, work, largest = shapes(layers, size, classes), 0, 0
    for shape, (height, width, _) in zip(layer_shapes[:-1], inputs(layers, size), strict=False):
        work += math.prod(shape.weight) * height * width
        largest = max(largest, shape.bias[0] * height * width)
    return limits.beyond(
        (
            "parameters of a label network",
            label_parameters(layers, size, classes),
            limits.LABEL_PARAMETERS,
        ),
        ("outputs of a layer of a label network", largest, limits.WIDEST),
        ("units of work for a label", work << mirror, limits.LABEL_WORK),
    )


def code_parameters(
    coder: Coder,
    layer_shapes: Sequence[Shapes],
    layers: tuple[QLayer, ...] | None,
    place: Place,
) -> tuple[QLayer, ...]:
    """Code the tensors of these :func:`shapes`; ``layers`` is None when decoding."""
    count = len(layer_shapes)
    if layers is not None and len(layers) != count:
        raise place.error(f"label network has {len(layers)} layers of parameters, must have {count}")
    coded = []
    for i, shape in enumerate(layer_shapes):
        layer = layers[i] if layers is not None else None
        name = f"label layer {i}"
        if layer and (layer.scale is None) != (shape.scale is None):
            raise place.error(f"{name} has a scale where it has none to have, or the other way round")
        w = code_tensor(coder, shape.weight, layer.weight if layer else None, f"weight of {name}", place)
        is_last = i == count - 1
        if not is_last:
            _check_convolution(w, name, place)
        s = None
        if shape.scale is not None:
            s = code_tensor(coder, shape.scale, layer.scale if layer else None, f"scale of {name}", place)
        b = code_tensor(coder, shape.bias, layer.bias if layer else None, f"bias of {name}", place)
        max_exponent = limits.LABEL_BIAS + (w.exponent if is_last else 0)
        if b.exponent > max_exponent:
            raise place.error(f"bias of {name} has exponent {b.exponent}, at most {max_exponent} is allowed")
        coded.append(QLayer(w, b, s))
    return tuple(coded)


def _check_convolution(weight: QTensor, name: str, place: Place) -> None:
    """Check the limits that keep the sums of a convolution within single precision."""
    if weight.exponent:
        raise place.error(f"weight of {name} has exponent {weight.exponent}, must be 0")
    row = int(np.abs(weight.values.astype(np.int64)).reshape(len(weight.values), -1).sum(1).max())
    if row > limits.LABEL_ROW:
        raise place.error(
            f"weights of an output of {name} sum to {row}, at most {limits.LABEL_ROW} are allowed"
        )
