"""The LABELS section: a label network's sizes, how views are drawn, and its parameters.

As elsewhere, one description serves both directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.constants import LABEL_KERNEL
from rudcodec.bitstream.container import Fields, Place
from rudcodec.bitstream.weights import code_tensor
from rudcodec.payload import LabelLayer, LabelNetwork, QLayer, QTensor, ViewRecipe

Size = tuple[int, int, int]
"""Height, width, channels of the images."""

Shapes = tuple[tuple[int, ...], tuple[int]]
"""The shapes of a layer's weight and bias."""


def code_fields(fields: Fields, size: Size, classes: int, network: LabelNetwork | None) -> LabelNetwork:
    """Code all but the parameters, which are missing in the result; ``network`` is None when reading."""
    fields.mark("label network")
    count = fields.byte("label layers", len(network.layers) if network else 0, 1, limits.LABEL_LAYERS)
    layers: list[LabelLayer] = []
    in_channels = 0
    for i in range(count):
        layer = network.layers[i] if network else None
        layers.append(_code_layer(fields, layer, i, in_channels))
        in_channels = layers[-1].out_channels
    _check_cost(fields, tuple(layers), size, classes)
    temperature = fields.byte("temperature", network.temperature if network else 0, 1, 255)
    fields.mark("views")
    views = _code_views(fields, network.views if network else None)
    return LabelNetwork(tuple(layers), (), temperature, views)


def _code_layer(fields: Fields, layer: LabelLayer | None, index: int, in_channels: int) -> LabelLayer:
    name = f"label layer {index}"
    out_channels = fields.number(
        f"channels of {name}", layer.out_channels if layer else 0, 1, limits.LABEL_WIDTH
    )
    shape = fields.byte(f"shape of {name}", layer.pool + 2 * layer.residual if layer else 0, 0, 3)
    if shape & 2 and out_channels != in_channels:
        raise fields.fail(f"{name} can't be residual: it is the first, or changes the number of channels")
    return LabelLayer(out_channels, bool(shape & 1), bool(shape & 2))


def _code_views(fields: Fields, recipe: ViewRecipe | None) -> ViewRecipe:
    recipe = recipe or ViewRecipe()
    zoom_min = fields.byte("smallest zoom", recipe.zoom_min, 1, 127)
    views = ViewRecipe(
        zoom_min=zoom_min,
        zoom_max=fields.byte("largest zoom", recipe.zoom_max, zoom_min, 127),
        shift=fields.byte("shift", recipe.shift, 0, 64),
        rotate=fields.byte("rotation", recipe.rotate, 0, 255),
        flip=bool(fields.byte("flip", int(recipe.flip), 0, 1)),
        contrast=fields.byte("contrast", recipe.contrast, 0, 255),
        brightness=fields.byte("brightness", recipe.brightness, 0, 255),
        mixup=fields.byte("chance of mixup", recipe.mixup, 0, 255),
        cutmix=fields.byte("chance of cutmix", recipe.cutmix, 0, 255),
    )
    if views.mixup + views.cutmix > 256:
        raise fields.fail("chances of mixup and cutmix exceed 256 together")
    return views


def inputs(layers: Sequence[LabelLayer], size: Size) -> list[Size]:
    """The size of the input of each convolution, and of the linear layer at the end."""
    height, width, _ = size
    sizes = [size]
    for layer in layers:
        if layer.pool:
            height, width = height // 2, width // 2
        sizes.append((height, width, layer.out_channels))
    return sizes


def shapes(layers: Sequence[LabelLayer], size: Size, classes: int) -> list[Shapes]:
    """Shapes of weight and bias of each convolution, and of the linear layer at the end."""
    *convolution_inputs, linear_input = inputs(layers, size)
    convolutions: list[Shapes] = [
        ((layer.out_channels, channels, LABEL_KERNEL, LABEL_KERNEL), (layer.out_channels,))
        for layer, (_, _, channels) in zip(layers, convolution_inputs, strict=True)
    ]
    return [*convolutions, ((classes, limits.product(linear_input)), (classes,))]


def label_parameters(layers: Sequence[LabelLayer], size: Size, classes: int) -> int:
    """Weights and biases of a label network."""
    return sum(limits.product(weight) + bias[0] for weight, bias in shapes(layers, size, classes))


def _check_cost(fields: Fields, layers: Sequence[LabelLayer], size: Size, classes: int) -> None:
    """Check the limits on parameters and on the work of a view, and that pooling leaves at least a pixel."""
    *convolution_inputs, linear_input = inputs(layers, size)
    if not limits.product(linear_input):
        raise fields.fail("label network pools images to nothing")
    *convolutions, _ = shapes(layers, size, classes)
    work = sum(
        limits.product(weight) * height * width
        for (weight, _), (height, width, _) in zip(convolutions, convolution_inputs, strict=True)
    )
    parameters = label_parameters(layers, size, classes)
    if parameters > limits.LABEL_PARAMETERS:
        raise fields.fail(
            f"label network has {parameters} parameters, at most {limits.LABEL_PARAMETERS} are allowed"
        )
    if work > limits.LABEL_WORK:
        raise fields.fail(f"a label takes {work} units of work, at most {limits.LABEL_WORK} are allowed")


def code_parameters(
    coder: Coder,
    layer_shapes: Sequence[Shapes],
    layers: tuple[QLayer, ...] | None,
    place: Place,
) -> tuple[QLayer, ...]:
    """Code weights and biases of these :func:`shapes`; ``layers`` is None when decoding."""
    count = len(layer_shapes)
    if layers is not None and len(layers) != count:
        raise place.error(f"label network has {len(layers)} layers of parameters, must have {count}")
    coded = []
    for i, (weight, bias) in enumerate(layer_shapes):
        layer = layers[i] if layers is not None else None
        name = f"label layer {i}"
        w = code_tensor(coder, weight, layer.weight if layer else None, f"weight of {name}", place)
        b = code_tensor(coder, bias, layer.bias if layer else None, f"bias of {name}", place)
        is_last = i == count - 1
        if not is_last:
            _check_convolution(w, name, place)
        max_exponent = limits.LABEL_BIAS + (w.exponent if is_last else 0)
        if b.exponent > max_exponent:
            raise place.error(f"bias of {name} has exponent {b.exponent}, at most {max_exponent} is allowed")
        coded.append(QLayer(w, b))
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
