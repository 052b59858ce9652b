"""A label network in exact integers: views to logits. ``bitstream_spec.md`` states the arithmetic.

Convolutions are matrix products in float32, exact because the format bounds every partial sum below 2**20.
"""

from __future__ import annotations

import numpy as np

from rudcodec.bitstream.constants import (
    LABEL_BITS,
    LABEL_CEILING,
    LABEL_KERNEL,
    LOGIT_BITS,
    MID_GREY,
    TEMPERATURE_BITS,
)
from rudcodec.bitstream.labels import inputs
from rudcodec.payload import LabelNetwork, QLayer

_BATCH = 64  # views at once, at most: what fits the cache
_ACTIVATIONS = 1 << 22  # of a layer's input and output, beyond what one view needs
_ELEMENTS = 1 << 24  # of a convolution's matrix, beyond what a row of a view needs


def logits(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """Logits, int64 (n, classes) in units of 2**-12, of views, uint8 (n, H, W, C)."""
    height, width, channels = views.shape[1:]
    sizes = inputs(network.layers, (height, width, channels))
    largest = max(
        h * w * (in_channels + layer.out_channels)
        for (h, w, in_channels), layer in zip(sizes, network.layers, strict=False)
    )
    batch = max(1, min(_BATCH, _ACTIVATIONS // largest))
    batches = [_logits(network, views[i : i + batch]) for i in range(0, len(views), batch)]
    classes = len(network.parameters[-1].weight.values)
    return np.concatenate([np.empty((0, classes), np.int64), *batches])


def probabilities(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """Softmax of the logits at the network's temperature: float64 (n, classes)."""
    scaled = logits(network, views) * (2**TEMPERATURE_BITS / (network.temperature * 2.0**LOGIT_BITS))
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _logits(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    x = views.astype(np.float32) - MID_GREY
    for layer, parameters in zip(network.layers, network.parameters, strict=False):
        y = _convolve(x, parameters)
        if layer.residual:
            y = np.minimum(y + x, LABEL_CEILING)
        if layer.pool:
            y = _pool(y)
        x = y
    return _linear(x, network.parameters[-1])


def _convolve(x: np.ndarray, layer: QLayer) -> np.ndarray:
    """Convolution (zeros outside), norm, bias, ReLU: float32 (n, h, w, in) to (n, h, w, out), integers."""
    n, h, w, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    matrix = layer.weight.values.transpose(2, 3, 1, 0).reshape(LABEL_KERNEL * LABEL_KERNEL * channels, -1)
    matrix = matrix.astype(np.float32)
    y = np.empty((n, h, w, matrix.shape[1]), np.float32)
    rows = max(1, _ELEMENTS // (n * w * len(matrix)))
    for top in range(0, h, rows):
        bottom = min(h, top + rows)
        taps = np.empty((n, bottom - top, w, LABEL_KERNEL, LABEL_KERNEL, channels), np.float32)
        for j in range(LABEL_KERNEL):
            for i in range(LABEL_KERNEL):
                taps[:, :, :, j, i] = padded[:, top + j : bottom + j, i : i + w]
        y[:, top:bottom] = (taps.reshape(-1, len(matrix)) @ matrix).reshape(n, bottom - top, w, -1)
    # a norm is its channel's own affair: some at a time, since int64 takes room
    step = max(1, _ELEMENTS // (4 * n * h * w))
    for start in range(0, y.shape[3], step):
        channel_slice = slice(start, start + step)
        sums, bias = y[..., channel_slice].astype(np.int64), layer.bias.values[channel_slice]
        y[..., channel_slice] = _activate(sums, bias, layer.bias.exponent)
    return y


def _activate(sums: np.ndarray, bias: np.ndarray, exponent: int) -> np.ndarray:
    """Instance norm, bias, ReLU: float32 (n, h, w, out), integers 0..255 in units of 2**-4."""
    count = sums.shape[1] * sums.shape[2]
    total = sums.sum((1, 2), keepdims=True)
    centred = sums - (2 * total + count) // (2 * count)
    variance = np.square(centred).sum((1, 2), keepdims=True) // count
    # below 2**51, where the rounded root of a double is that of the integer
    deviation = np.maximum(np.floor(np.sqrt((variance << 8).astype(np.float64))).astype(np.int64), 1)
    scaled = (centred * ((1 << 32) // deviation) + (1 << 23)) >> 24
    scaled += bias.astype(np.int64) << (LABEL_BITS - exponent)
    return scaled.clip(0, LABEL_CEILING).astype(np.float32)


def _pool(x: np.ndarray) -> np.ndarray:
    """Rounded means of 2x2; an odd last row or column is left out."""
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :h, :w]
    four = x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]
    return np.asarray(np.floor((four + 2) * np.float32(0.25)))


def _linear(x: np.ndarray, layer: QLayer) -> np.ndarray:
    """The linear layer on channels, rows and columns, in this order."""
    flat = x.transpose(0, 3, 1, 2).reshape(len(x), -1).astype(np.int64)
    fraction = LABEL_BITS + layer.weight.exponent
    sums = flat @ layer.weight.values.astype(np.int64).T
    sums += layer.bias.values.astype(np.int64) << (fraction - layer.bias.exponent)
    shift = fraction - LOGIT_BITS
    return np.asarray((sums + (1 << shift >> 1)) >> shift if shift > 0 else sums << -shift)
