"""Network parameters: one coder stream for all groups, with an exponent and a table scale for each tensor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from rudcodec.bitstream import limits, tables
from rudcodec.bitstream.coder import Coder
from rudcodec.errors import FormatError
from rudcodec.payload import Architecture, Group, QLayer, QTensor

_CENTRED = 4 * tables.SCALES  # first of the table rows with location 0


def code_group(
    coder: Coder, architecture: Architecture, given: Group | None, section: str, offset: int
) -> Group:
    """Code one group; ``given`` is None when decoding. FormatError for what the format can't express."""
    fail = partial(FormatError, section, offset)
    depth = len(architecture.context_hidden) + 1
    shapes = limits.layer_shapes(architecture)
    return Group(
        code_layers(coder, shapes[:depth], given.context if given else None, "context", fail),
        code_layers(coder, shapes[depth:], given.synthesis if given else None, "synthesis", fail),
    )


def code_layers(
    coder: Coder,
    shapes: list[limits.LayerShape],
    given: tuple[QLayer, ...] | None,
    network: str,
    fail: Callable[[str], FormatError],
) -> tuple[QLayer, ...]:
    """Code the layers of one network of one group."""
    if given is not None and len(given) != len(shapes):
        raise fail(f"{network} network has {len(given)} layers, must have {len(shapes)}")
    layers = []
    for i, shape in enumerate(shapes):
        layer = given[i] if given is not None else None
        name = f"{network} layer {i}"
        w = code_tensor(coder, shape.weight, layer.weight if layer else None, f"weight of {name}", fail)
        b = code_tensor(coder, shape.bias, layer.bias if layer else None, f"bias of {name}", fail)
        most = shape.fraction + w.exponent
        if b.exponent > most:
            raise fail(f"bias of {name} has exponent {b.exponent}, at most {most} is allowed")
        layers.append(QLayer(w, b))
    return tuple(layers)


def code_tensor(
    coder: Coder, shape: tuple[int, ...], given: QTensor | None, name: str, fail: Callable[[str], FormatError]
) -> QTensor:
    values = None
    if given is not None:
        if given.values.shape != shape or given.values.dtype.kind not in "iu":
            raise fail(
                f"{name} must be integers of shape {shape}, is {given.values.dtype} {given.values.shape}"
            )
        if not 0 <= given.exponent <= limits.EXPONENT:
            raise fail(f"exponent of {name} is {given.exponent}, must be 0..{limits.EXPONENT}")
        values = given.values.ravel()
        _check_range(values, name, fail)
        values = values.astype(np.int32)
    exponent = coder.number(4, given.exponent if given else None)
    values = code_scaled(coder, limits.product(shape), values)
    _check_range(values, name, fail)
    return QTensor(values.reshape(shape).astype(np.int32), exponent)


def code_scaled(coder: Coder, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code a table scale, then ``count`` values with it: int32; ``values`` is None when decoding."""
    scale = coder.number(6, None if values is None else best_scale(values))
    return coder.code(np.full(count, _CENTRED + scale, dtype=np.intp), values)


def _check_range(values: np.ndarray, name: str, fail: Callable[[str], FormatError]) -> None:
    if int(values.min()) < -limits.WEIGHT or int(values.max()) > limits.WEIGHT:
        raise fail(f"{name} has values beyond +-{limits.WEIGHT}")


def best_scale(values: np.ndarray) -> int:
    """Index of the table scale that codes the values with the fewest bits."""
    return int(_bits_by_scale(values).argmin())


def log2_width(scale: int) -> float:
    """Binary logarithm of the scale of the Laplace distribution that a table scale stands for."""
    return (scale - 32) / 8


def tensor_bits(values: np.ndarray) -> float:
    """Bits that the values of one tensor take, exponent and scale included."""
    return float(_bits_by_scale(values).min()) + 10


def _bits_by_scale(values: np.ndarray) -> np.ndarray:
    symbols = np.where(np.abs(values) > tables.REACH, tables.ESCAPE, values + tables.REACH)
    histogram = np.bincount(symbols.ravel(), minlength=tables.SYMBOLS)
    excess = np.abs(values[np.abs(values) > tables.REACH]) - tables.REACH
    tail = float((2 * np.frexp(excess)[1]).sum())  # class, sign, low bits
    return np.asarray(tables.code_lengths()[_CENTRED : _CENTRED + tables.SCALES] @ histogram + tail)
