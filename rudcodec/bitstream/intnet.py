"""Exact integer layers on floating-point matrix products.

A product of integers whose partial sums stay below 2**24 is exact in float32 (2**53: float64) in whatever
order it is summed. A layer's right shift by ``s`` is folded into its parameters: they are scaled by 2**-s,
which is exact, and one half is added to the bias, so that ``floor`` of the product is the shifted, rounded
accumulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.constants import (
    ACTIVATION_BITS,
    ACTIVATION_LIMIT,
    INPUT_LIMIT,
    INPUTS,
    LOCATION_BITS,
    LOCATION_RANGE,
    SCALES,
    UNIT_SCALE,
)
from rudcodec.payload import QLayer

_SMALL = 1 << 18  # multiply-accumulates


@dataclass(frozen=True)
class Folded:
    """A layer's parameters, scaled so that the accumulator comes out in units of the result.

    ``weight``: as the layer's, float64; ``bias``: the rounding half included; ``bound``: of the magnitude of
        every partial sum, in units of the accumulator's last place.
    """

    weight: np.ndarray
    bias: np.ndarray
    bound: int


def fold(layer: QLayer, fraction: int, result: int, largest: int) -> Folded:
    """Fold the shift of ``layer``: inputs |x| <= largest with ``fraction`` bits, results with ``result``
    bits.
    """
    total = fraction + layer.weight.exponent
    weight = layer.weight.values.astype(np.int64)
    bias = layer.bias.values.astype(np.int64) << (total - layer.bias.exponent)
    shift = total - result
    half = 1 << (shift - 1) if shift > 0 else 0
    sums = np.abs(weight).reshape(len(weight), -1).sum(axis=1) * largest
    bound = int((sums + np.abs(bias).reshape(-1, len(weight))).max()) + half
    assert bound < limits.ACCUMULATOR
    step = 2.0**-shift
    return Folded(weight * step, (bias + half) * step, bound)


def carrier(bound: int) -> type[np.float32 | np.float64]:
    """The smallest type that is exact for partial sums up to ``bound``."""
    return np.float32 if bound < 1 << 24 else np.float64


def matmul(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """``left @ right``, of numbers that can't overflow, without warnings.

    BLAS libraries compute with unused lanes of registers, too (OpenBLAS on x86, Accelerate on Apple's M4), so
    that numpy warns now and then of infinities that are in no result.
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.matmul(left, right, out=out))


def multiply(weight: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """``out = weight @ x``, arrays (..., rows, columns) with the columns of ``x`` and ``out`` side by side.

    Where the matrix is small, the product is taken in blocks of columns: BLAS has a quick way for small
    products, and divides larger ones among threads, which on a busy machine wait for each other far longer
    than they work.
    """
    columns = x.shape[-1]
    block = min(columns, _SMALL // (weight.shape[-2] * weight.shape[-1]))
    if block < 32:
        matmul(weight, x, out=out)
        return
    in_blocks = columns - columns % block

    def blocks(array: np.ndarray) -> np.ndarray:
        return array[..., :in_blocks].reshape(*array.shape[:-1], -1, block).swapaxes(-2, -3)

    matmul(weight[..., None, :, :], blocks(x), out=blocks(out))
    if in_blocks < columns:
        matmul(weight, x[..., in_blocks:], out=out[..., in_blocks:])


class ContextNet:
    """The context networks of some groups, evaluated side by side.

    ``layers``: of each group, as :func:`fold_context` returns them.
    """

    def __init__(self, layers: Sequence[Sequence[Folded]]) -> None:
        self.dtype = carrier(max(layer.bound for group in layers for layer in group))
        first, *rest = zip(*layers, strict=True)
        self._first = np.stack([layer.weight for layer in first])
        self._biases = np.stack([layer.bias for layer in first])  # (groups, grids, out)
        self._rest = [
            self._matrix(np.stack([n.weight for n in layer]), np.stack([n.bias for n in layer]))
            for layer in rest
        ]
        self._buffers: list[np.ndarray] = [np.empty(0, self.dtype) for _ in range(len(rest) + 1)]

    def _matrix(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """(groups, out, in + 1) with the bias as last column."""
        return np.concatenate([weight, bias[:, :, None]], axis=2).astype(self.dtype)

    def matrices(self, grid: int) -> list[np.ndarray]:
        """The matrices that :meth:`predict` takes for a grid: (groups, out, in + 1) for each layer."""
        return [self._matrix(self._first, self._biases[:, grid]), *self._rest]

    def inputs(self, groups: int, columns: int) -> np.ndarray:
        """A fresh input block, (groups, 22, columns), with its last row of ones set."""
        block = np.empty((groups, INPUTS + 1, columns), self.dtype)
        block[:, INPUTS] = 1
        return block

    def predict(self, block: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Location in 1/8 and scale index, int32 (groups, 2, columns), for a block of :meth:`inputs`;
        ``matrices``: of the block's groups.
        """
        groups, _, columns = block.shape
        x = block
        for i, matrix in enumerate(matrices):
            out = matrix.shape[1]
            last = i == len(matrices) - 1
            y = self._buffer(i, groups, out + (not last), columns)
            z = y if last else y[:, :out]
            multiply(matrix, x, z)
            np.floor(z, out=z)
            if last:
                np.clip(z[:, 0], *LOCATION_RANGE, out=z[:, 0])
                np.clip(z[:, 1] + UNIT_SCALE, 0, SCALES - 1, out=z[:, 1])
            else:
                np.clip(z, 0, ACTIVATION_LIMIT, out=z)
                y[:, out] = 1
            x = y
        return x.astype(np.int32)

    def _buffer(self, index: int, *shape: int) -> np.ndarray:
        size = shape[0] * shape[1] * shape[2]
        if self._buffers[index].size < size:
            self._buffers[index] = np.empty(size, self.dtype)
        return self._buffers[index][:size].reshape(shape)


def fold_context(layers: Sequence[QLayer]) -> list[Folded]:
    """The layers of one group's context network."""
    last = len(layers) - 1
    return [
        fold(
            layer,
            ACTIVATION_BITS if i else 0,
            LOCATION_BITS if i == last else ACTIVATION_BITS,
            ACTIVATION_LIMIT if i else INPUT_LIMIT,
        )
        for i, layer in enumerate(layers)
    ]
