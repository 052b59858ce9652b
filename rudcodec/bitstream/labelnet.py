"""A label network in exact integers: views to logits. ``bitstream_spec.md`` states the arithmetic.

Convolutions are matrix products in float32, exact because the format bounds every partial sum below 2**20.
"""

from __future__ import annotations

import numpy as np

from rudcodec.bitstream.labels import KERNEL
from rudcodec.payload import LabelNetwork, QLayer, QTensor

FRACTION = 4  # fractional bits of an activation
CEILING = 255
LOGIT_FRACTION = 12
_BATCH = 64  # views at once: what fits the cache


def logits(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """Logits, int64 (n, classes) in units of 2**-12, of views, uint8 (n, H, W, C)."""
    parts = [_logits(network, views[i : i + _BATCH]) for i in range(0, len(views), _BATCH)]
    classes = len(network.parameters[-1].weight.values)
    return np.concatenate([np.empty((0, classes), np.int64), *parts])


def probabilities(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """Softmax of the logits at the network's temperature: float64 (n, classes)."""
    scaled = logits(network, views) * (16 / (network.temperature * 2.0**LOGIT_FRACTION))
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _logits(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    x = views.astype(np.float32) - 128
    for layer, parameters in zip(network.layers, network.parameters, strict=False):
        y = _activate(_convolve(x, parameters.weight.values), parameters.bias)
        if layer.residual:
            y = np.minimum(y + x, CEILING)
        if layer.pool:
            y = _pool(y)
        x = y
    return _linear(x, network.parameters[-1])


def _convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sums, int64 (n, h, w, out), of float32 (n, h, w, in) and integers (out, in, 3, 3); zeros outside."""
    n, h, w, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    columns = np.empty((n, h, w, KERNEL, KERNEL, channels), np.float32)
    for j in range(KERNEL):
        for i in range(KERNEL):
            columns[:, :, :, j, i] = padded[:, j : j + h, i : i + w]
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)).astype(np.float32)
    sums = columns.reshape(n * h * w, -1) @ matrix
    return sums.astype(np.int64).reshape(n, h, w, -1)


def _activate(sums: np.ndarray, bias: QTensor) -> np.ndarray:
    """Instance norm, bias, ReLU: float32 (n, h, w, out), integers 0..255 in units of 2**-4."""
    count = sums.shape[1] * sums.shape[2]
    total = sums.sum((1, 2), keepdims=True)
    centred = sums - (2 * total + count) // (2 * count)
    variance = np.square(centred).sum((1, 2), keepdims=True) // count
    # below 2**51, where the rounded root of a double is that of the integer
    deviation = np.maximum(np.floor(np.sqrt((variance << 8).astype(np.float64))).astype(np.int64), 1)
    scaled = (centred * ((1 << 32) // deviation) + (1 << 23)) >> 24
    scaled += bias.values.astype(np.int64) << (FRACTION - bias.exponent)
    return scaled.clip(0, CEILING).astype(np.float32)


def _pool(x: np.ndarray) -> np.ndarray:
    """Rounded means of 2x2; an odd last row or column is left out."""
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :h, :w]
    four = x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]
    return np.asarray(np.floor((four + 2) * np.float32(0.25)))


def _linear(x: np.ndarray, layer: QLayer) -> np.ndarray:
    """The linear layer on channels, rows and columns, in this order."""
    seen = x.transpose(0, 3, 1, 2).reshape(len(x), -1).astype(np.int64)
    fraction = FRACTION + layer.weight.exponent
    sums = seen @ layer.weight.values.astype(np.int64).T
    sums += layer.bias.values.astype(np.int64) << (fraction - layer.bias.exponent)
    shift = fraction - LOGIT_FRACTION
    return np.asarray((sums + (1 << shift >> 1)) >> shift if shift > 0 else sums << -shift)
