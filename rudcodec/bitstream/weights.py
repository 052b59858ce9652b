"""Network parameters: one coder stream for all groups, with an exponent and a table scale for each tensor."""

from __future__ import annotations

import math

import numpy as np

from rudcodec.bitstream import limits, tables
from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.constants import SCALES
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.intnet import matmul
from rudcodec.payload import Architecture, Group, QLayer, QTensor

_CENTRED = tables.FRACTIONS // 2 * SCALES  # first of the table rows with location 0


def code_group(coder: Coder, architecture: Architecture, group: Group | None, place: Place) -> Group:
    """Code one group; ``group`` is None when decoding. FormatError for what the format can't express."""
    context, synthesis = limits.network_shapes(architecture)
    return Group(
        code_layers(coder, context, group.context if group else None, "context", place),
        code_layers(coder, synthesis, group.synthesis if group else None, "synthesis", place),
    )


def code_layers(
    coder: Coder,
    shapes: list[limits.LayerShape],
    layers: tuple[QLayer, ...] | None,
    network: str,
    place: Place,
) -> tuple[QLayer, ...]:
    """Code the layers of one network of one group; ``layers`` is None when decoding."""
    if layers is not None and len(layers) != len(shapes):
        raise place.error(f"{network} network has {len(layers)} layers, must have {len(shapes)}")
    coded = []
    for i, shape in enumerate(shapes):
        layer = layers[i] if layers is not None else None
        name = f"{network} layer {i}"
        w = code_tensor(coder, shape.weight, layer.weight if layer else None, f"weight of {name}", place)
        b = code_tensor(coder, shape.bias, layer.bias if layer else None, f"bias of {name}", place)
        max_exponent = shape.fraction + w.exponent
        if b.exponent > max_exponent:
            raise place.error(f"bias of {name} has exponent {b.exponent}, at most {max_exponent} is allowed")
        coded.append(QLayer(w, b))
    return tuple(coded)


def code_tensor(
    coder: Coder, shape: tuple[int, ...], tensor: QTensor | None, name: str, place: Place
) -> QTensor:
    """Code a tensor of a ``shape``, ``name`` in errors; ``tensor`` is None when decoding."""
    values = None
    if tensor is not None:
        values = tensor.values
        if values.shape != shape or values.dtype.kind not in "iu":
            raise place.error(f"{name} must be integers of shape {shape}, is {values.dtype} {values.shape}")
        if not 0 <= tensor.exponent <= limits.EXPONENT:
            raise place.error(f"exponent of {name} is {tensor.exponent}, must be 0..{limits.EXPONENT}")
        values = values.ravel()
        _check_range(values, name, place)
        values = values.astype(np.int32)
    exponent = coder.number(4, tensor.exponent if tensor else None)
    values = code_scaled(coder, math.prod(shape), values)
    _check_range(values, name, place)
    return QTensor(values.reshape(shape).astype(np.int32), exponent)


def code_scaled(coder: Coder, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code a table scale, then ``count`` values with it: int32; ``values`` is None when decoding."""
    scale = coder.number(6, None if values is None else best_scale(values))
    return coder.code(np.full(count, _CENTRED + scale, dtype=np.intp), values)


def _check_range(values: np.ndarray, name: str, place: Place) -> None:
    if int(values.min()) < -limits.WEIGHT or int(values.max()) > limits.WEIGHT:
        raise place.error(f"{name} has values beyond +-{limits.WEIGHT}")


def best_scale(values: np.ndarray) -> int:
    """Index of the table scale that codes the values with the fewest bits."""
    return int(_bits_by_scale(values).argmin())


def tensor_bits(values: np.ndarray) -> float:
    """Bits that the values of one tensor take, exponent and scale included."""
    return float(_bits_by_scale(values).min()) + 10


def _bits_by_scale(values: np.ndarray) -> np.ndarray:
    symbols = np.where(np.abs(values) > tables.REACH, tables.ESCAPE, values + tables.REACH)
    histogram = np.bincount(symbols.ravel(), minlength=tables.SYMBOLS)
    excess = np.abs(values[np.abs(values) > tables.REACH]) - tables.REACH
    tail = float((2 * np.frexp(excess)[1]).sum())  # class, sign, low bits
    return matmul(tables.code_lengths()[_CENTRED : _CENTRED + SCALES], histogram) + tail
