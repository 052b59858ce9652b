"""Synthesis: latents to pixels, by upsampling and a small convolutional network in exact integers.

Arrays are (channels, y, x, images): a neighbour in y or x is a fixed distance along the flattened rest, and
images lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rudcodec.bitstream.constants import (
    ACTIVATION_BITS,
    ACTIVATION_LIMIT,
    LARGEST_PIXEL,
    LATENT_BITS,
    MID_GREY,
    PIXEL_SHIFT,
)
from rudcodec.bitstream.intnet import Folded, carrier, fold, multiply
from rudcodec.bitstream.limits import level_sizes
from rudcodec.payload import Architecture, Group, SynthesisLayer

_CHUNK = 8192  # columns the network takes at once: what fits the cache
_TAPS = 1 << 20  # products of all taps kept at once
_BATCH = 4 * _CHUNK  # columns upsampled at once: enough images for long inner loops
_FEW = 8  # images that are not enough, so that single ones are quicker


class Synthesis:
    """One group's synthesis network, ready to run."""

    def __init__(self, architecture: Architecture, group: Group, ymax: int) -> None:
        self._architecture = architecture
        size = architecture.height * architecture.width
        self.batch = _BATCH // size if _BATCH // size >= _FEW else 1  # images
        self._chunk = max(1, _CHUNK // size)
        fraction, largest = LATENT_BITS, max(ymax, 1) << LATENT_BITS
        # 16 times a latent occurs within the bilinear sum
        self._input_type = carrier(largest << 4)
        self._layers: list[_Layer] = []
        for shape, layer in zip(architecture.synthesis, group.synthesis, strict=True):
            folded = fold(layer, fraction, ACTIVATION_BITS, largest)
            self._layers.append(_Layer(shape, folded, architecture.height, architecture.width))
            fraction, largest = ACTIVATION_BITS, ACTIVATION_LIMIT + 1

    def run(self, latents: Sequence[np.ndarray]) -> np.ndarray:
        """Pixels, uint8 (images, height, width, channels), of int32 latents (images, h, w), one array per
        grid.
        """
        a = self._architecture
        images = len(latents[0])
        result = np.empty((images, a.height, a.width, a.channels), dtype=np.uint8)
        for i in range(0, images, self.batch):
            stack = _stack([grid[i : i + self.batch] for grid in latents], a, self._input_type)
            target = result[i : i + self.batch]
            for j in range(0, len(target), self._chunk):
                chunk = np.ascontiguousarray(stack[..., j : j + self._chunk])
                target[j : j + self._chunk] = self._pixels(chunk)
        return result

    def _pixels(self, data: np.ndarray) -> np.ndarray:
        for layer in self._layers:
            data = layer.run(data)
        pixels = np.floor(data * 2.0**-PIXEL_SHIFT + 0.5) + MID_GREY
        return np.clip(pixels, 0, LARGEST_PIXEL).astype(np.uint8).transpose(3, 1, 2, 0)


class _Layer:
    """A convolution, its parameters as the product wants them, in a type that is exact.

    Taps that lie outside a picture of this size wherever they are put are left out. A layer that gathers,
    weight (out, taps * in), takes the product of shifted copies of its input; one that scatters, weight
    (taps * out, in), adds up shifted products: whichever has fewer rows to shift.
    """

    def __init__(self, shape: SynthesisLayer, folded: Folded, height: int, width: int) -> None:
        self._type = carrier(folded.bound)
        self._out, inputs, kernel, _ = folded.weight.shape
        down, across = min(kernel // 2, height - 1), min(kernel // 2, width - 1)
        taps = [(dy, dx) for dy in range(-down, down + 1) for dx in range(-across, across + 1)]
        self._taps = sorted(taps, key=lambda tap: tap != (0, 0))  # the centre first
        self._reach = down
        self._residual = shape.residual
        self._floor = 0 if shape.relu else -ACTIVATION_LIMIT - 1
        self._gathers = inputs < self._out or len(taps) == 1
        weight = np.stack([folded.weight[:, :, dy + kernel // 2, dx + kernel // 2] for dy, dx in self._taps])
        weight = weight.swapaxes(0, 1).reshape(self._out, -1) if self._gathers else weight.reshape(-1, inputs)
        self._weight = np.ascontiguousarray(weight, dtype=self._type)
        self._bias = folded.bias.astype(self._type)[:, None]

    def run(self, x: np.ndarray) -> np.ndarray:
        """The layer's output, with its shift, residual and clamp: (in, h, w, n) to (out, h, w, n)."""
        x = x.astype(self._type, copy=False)
        _, height, width, images = x.shape
        y = np.empty((self._out, height, width, images), self._type)
        block = min(_CHUNK, _TAPS // max(self._weight.shape)) // (width * images)
        block = max(4 * self._reach, 1, block)
        for top in range(0, height, block):
            bottom = min(top + block, height)
            z = y[:, top:bottom]
            if self._gathers:
                self._gather(x, top, z)
            else:
                self._scatter(x, top, z)
            np.floor(z, out=z)
            if self._residual:
                np.add(z, x[:, top:bottom], out=z)
            np.clip(z, self._floor, ACTIVATION_LIMIT, out=z)
        return y

    def _gather(self, x: np.ndarray, top: int, z: np.ndarray) -> None:
        """Sums of the lines of ``x`` from ``top`` on into ``z``, by one product."""
        lines = z.shape[1]
        if len(self._taps) == 1:
            taps = x[:, None, top : top + lines]
        else:
            taps = np.zeros((len(self._taps), len(x), lines, *x.shape[2:]), self._type)
            for tap, (dy, dx) in zip(taps, self._taps, strict=True):
                y0, y1 = max(top, -dy), min(top + lines, x.shape[1] - dy)
                x0, x1 = max(0, -dx), min(x.shape[2], x.shape[2] - dx)
                tap[:, y0 - top : y1 - top, x0:x1] = x[:, y0 + dy : y1 + dy, x0 + dx : x1 + dx]
        sums = z.reshape(len(z), -1)
        multiply(self._weight, taps.reshape(self._weight.shape[1], -1), sums)
        np.add(sums, self._bias, out=sums)

    def _scatter(self, x: np.ndarray, top: int, z: np.ndarray) -> None:
        """The same sums by products of each line with all taps, which are added up where the taps lie."""
        height, width = x.shape[1:3]
        bottom = top + z.shape[1]
        first, last = max(0, top - self._reach), min(height, bottom + self._reach)
        lines = x[:, first:last]
        products = np.empty((len(self._weight), lines[0].size), self._type)
        multiply(self._weight, lines.reshape(len(x), -1), products)
        taps = products.reshape(len(self._taps), self._out, *lines.shape[1:])
        np.add(taps[0][:, top - first : bottom - first], self._bias[..., None, None], out=z)
        for tap, (dy, dx) in zip(taps[1:], self._taps[1:], strict=True):
            y0, y1 = max(top, -dy), min(bottom, height - dy)
            x0, x1 = max(0, -dx), min(width, width - dx)
            z[:, y0 - top : y1 - top, x0:x1] += tap[:, y0 + dy - first : y1 + dy - first, x0 + dx : x1 + dx]


def _stack(latents: list[np.ndarray], architecture: Architecture, dtype: type) -> np.ndarray:
    """All grids at full resolution, (channels, h, w, images), with 6 fractional bits."""
    stack = None
    next_grid = 0
    for (h, w), count in zip(level_sizes(architecture), architecture.grids, strict=True):
        grids = [grid.transpose(1, 2, 0) for grid in latents[next_grid : next_grid + count]]
        level: np.ndarray = np.stack(grids).astype(dtype)
        level *= 1 << LATENT_BITS
        stack = level if stack is None else np.concatenate([_upsample(stack)[:, :h, :w], level])
        next_grid += count
    assert stack is not None
    return stack


def _upsample(x: np.ndarray) -> np.ndarray:
    """Bilinear upsampling by two in y and x, edges replicated: floor((9a + 3b + 3c + d + 8) / 16)."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        near = x * 3
        out = np.empty((2 * len(x), *x.shape[1:]), x.dtype)
        np.add(near[:1], x[:1], out=out[:1])
        np.add(near[1:], x[:-1], out=out[2::2])
        np.add(near[:-1], x[1:], out=out[1:-1:2])
        np.add(near[-1:], x[-1:], out=out[-1:])
        x = np.moveaxis(out, 0, axis)
    x += 8
    x *= 1 / 16
    return np.floor(x, out=x)
