"""Synthesis: latents to pixels, by upsampling and a small convolutional network in exact integers.

Arrays are (channels, y, x, images) with one column of zeros behind every line and one line of zeros behind
every picture, so that a neighbour in y or x is a fixed distance along the flattened rest, and images lie side
by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rudcodec.bitstream.intnet import ACTIVATION_BITS, CEILING, Folded, carrier, fold, multiply
from rudcodec.bitstream.limits import level_sizes
from rudcodec.payload import Architecture, Group, SynthesisLayer

_CHUNK = 8192  # columns the network takes at once: what fits the cache
_TAPS = 1 << 20  # products of all taps kept at once
_BATCH = 4 * _CHUNK  # columns upsampled at once: enough images for long inner loops
LATENT_BITS = 6


class Synthesis:
    """One group's synthesis network, ready to run."""

    def __init__(self, architecture: Architecture, group: Group, ymax: int) -> None:
        self._architecture = architecture
        fraction, largest = LATENT_BITS, max(ymax, 1) << LATENT_BITS
        # 16 times a latent occurs within the bilinear sum
        self._input_type = carrier(largest << 4)
        self._layers: list[_Layer] = []
        for shape, layer in zip(architecture.synthesis, group.synthesis, strict=True):
            self._layers.append(_Layer(shape, fold(layer, fraction, ACTIVATION_BITS, largest)))
            fraction, largest = ACTIVATION_BITS, int(CEILING) + 1

    def run(self, latents: Sequence[np.ndarray]) -> np.ndarray:
        """Pixels, uint8 (images, height, width, channels), of int32 latents (images, h, w), one array per
        grid.
        """
        a = self._architecture
        images = len(latents[0])
        result = np.empty((images, a.height, a.width, a.channels), dtype=np.uint8)
        size = (a.height + 1) * (a.width + 1)
        batch, chunk = max(1, _BATCH // size), max(1, _CHUNK // size)
        for i in range(0, images, batch):
            stack = _stack([grid[i : i + batch] for grid in latents], a, self._input_type)
            target = result[i : i + batch]
            for j in range(0, len(target), chunk):
                target[j : j + chunk] = self._pixels(stack[..., j : j + chunk])
        return result

    def _pixels(self, stack: np.ndarray) -> np.ndarray:
        channels, height, width, images = stack.shape
        plane = _Plane(height, width, images)
        data = plane.empty(channels, self._input_type)
        plane.inside(data)[...] = stack
        plane.clear_margins(data)
        for layer in self._layers:
            data = plane.convolve(data, layer)
        pixels = np.floor(plane.inside(data) * 0.5 + 0.5) + 128
        return np.clip(pixels, 0, 255).astype(np.uint8).transpose(3, 1, 2, 0)


class _Layer:
    """A layer's parameters as the product wants them, in a type that is exact.

    With ``gathers``, (out, taps * in): the product is taken of shifted copies of the input. Else
    (taps * out, in): shifted products are added up. Whichever has fewer rows to shift.
    """

    def __init__(self, shape: SynthesisLayer, folded: Folded) -> None:
        self.type = carrier(folded.bound)
        self.out, inputs, kernel, _ = folded.weight.shape
        self.reach = kernel // 2
        self.residual = shape.residual
        self.floor = 0.0 if shape.relu else -CEILING - 1
        self.gathers = inputs < self.out or kernel == 1
        weight = folded.weight.transpose((0, 2, 3, 1) if self.gathers else (2, 3, 0, 1))
        weight = weight.reshape((self.out, -1) if self.gathers else (-1, inputs))
        self.weight = np.ascontiguousarray(weight, dtype=self.type)
        self.bias = folded.bias.astype(self.type)[:, None]

    @property
    def rows(self) -> int:
        """Rows of the largest intermediate array."""
        return max(self.weight.shape)


def _stack(latents: list[np.ndarray], architecture: Architecture, kind: type) -> np.ndarray:
    """All grids at full resolution, (channels, h, w, images), with 6 fractional bits."""
    stack = None
    taken = 0
    for (h, w), count in zip(level_sizes(architecture), architecture.grids, strict=True):
        mine = [grid.transpose(1, 2, 0) for grid in latents[taken : taken + count]]
        level: np.ndarray = np.stack(mine).astype(kind)
        level *= 1 << LATENT_BITS
        stack = level if stack is None else np.concatenate([_double(stack)[:, :h, :w], level])
        taken += count
    assert stack is not None
    return stack


def _double(x: np.ndarray) -> np.ndarray:
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


class _Plane:
    """Geometry of one chunk: flattened columns with margins of zeros before, between and behind."""

    def __init__(self, height: int, width: int, images: int) -> None:
        self._shape = (height + 1, width + 1, images)
        self._line = (width + 1) * images
        self._lead = self._line + images
        self._columns = (height + 1) * self._line
        self._images = images

    def empty(self, channels: int, kind: type) -> np.ndarray:
        return np.empty((channels, self._columns + 2 * self._lead), kind)

    def inside(self, data: np.ndarray) -> np.ndarray:
        """The pictures, (channels, height, width, images)."""
        return self._body(data)[:, :-1, :-1]

    def clear_margins(self, data: np.ndarray) -> None:
        data[:, : self._lead] = 0
        data[:, -self._lead :] = 0
        body = self._body(data)
        body[:, -1] = 0
        body[:, :, -1] = 0

    def _body(self, data: np.ndarray) -> np.ndarray:
        return data[:, self._lead : -self._lead].reshape(len(data), *self._shape)

    def convolve(self, x: np.ndarray, layer: _Layer) -> np.ndarray:
        """One convolution with its bias, shift, residual and clamp."""
        x = x.astype(layer.type, copy=False)
        around = range(-layer.reach, layer.reach + 1)
        offsets = [dy * self._line + dx * self._images for dy in around for dx in around]
        halo = layer.reach * self._lead
        y = self.empty(layer.out, layer.type)
        block = max(4 * halo, min(_CHUNK, _TAPS // layer.rows))
        end = self._lead + self._columns
        for start in range(self._lead, end, block):
            stop = min(start + block, end)
            z = y[:, start:stop]
            if layer.gathers:
                taps = [x[:, start + offset : stop + offset] for offset in offsets]
                multiply(layer.weight, np.concatenate(taps) if len(taps) > 1 else taps[0], z)
                np.add(z, layer.bias, out=z)
            else:
                products = np.empty((len(layer.weight), stop - start + 2 * halo), layer.type)
                multiply(layer.weight, x[:, start - halo : stop + halo], products)
                total: np.ndarray = layer.bias
                for tap, offset in zip(np.split(products, len(offsets)), offsets, strict=True):
                    total = np.add(total, tap[:, halo + offset : halo + offset + stop - start], out=z)
            np.floor(z, out=z)
            if layer.residual:
                np.add(z, x[:, start:stop], out=z)
            np.clip(z, layer.floor, CEILING, out=z)
        self.clear_margins(y)
        return y
