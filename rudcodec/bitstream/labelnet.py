"""A label network in exact integers: views to logits. ``bitstream_spec.md`` states the arithmetic.

Convolutions are matrix products in float32, exact because the format bounds every partial sum below 2**20.
"""

from __future__ import annotations

import numpy as np

from rudcodec.bitstream.constants import (
    LABEL_BITS,
    LABEL_CEILING,
    LABEL_FLOOR,
    LOGIT_BITS,
    MID_GREY,
    TEMPERATURE_BITS,
)
from rudcodec.bitstream.intnet import matmul
from rudcodec.bitstream.labels import inputs
from rudcodec.payload import ImageShape, LabelLayer, LabelNetwork, QLayer

_BATCH = 64  # views at once, at most: what fits the cache
_ACTIVATIONS = 1 << 22  # of a layer's input and output, beyond what one view needs
_ELEMENTS = 1 << 24  # of a convolution's matrix, beyond what a row of a view needs


def logits(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """Logits, int64 (n, classes) in units of 2**-12, of views, uint8 (n, H, W, C)."""
    sizes = inputs(network.layers, ImageShape(*views.shape[1:]))
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
    own = _one_way(network, views)
    if not network.mirror:
        return own
    return (own + _one_way(network, views[:, :, ::-1]) + 1) >> 1


def _one_way(network: LabelNetwork, views: np.ndarray) -> np.ndarray:
    """The logits of the views as they are."""
    x = views.astype(np.float32) - MID_GREY
    for layer, parameters in zip(network.layers, network.parameters, strict=False):
        floor = LABEL_FLOOR if layer.linear else 0
        y = _normalised(_convolve(x, layer, parameters), parameters, floor)
        if layer.residual:
            y = np.clip(y + x, floor, LABEL_CEILING)
        x = _pool(y, layer)
    return _linear(x, network.parameters[-1])


def _convolve(x: np.ndarray, layer: LabelLayer, parameters: QLayer) -> np.ndarray:
    """Sums of a convolution (zeros outside): float32 (n, h, w, in) to (n, h, w, out), integers."""
    weight = parameters.weight.values.astype(np.float32)
    if layer.kernel == "pointwise":
        return matmul(x, weight[:, :, 0, 0].T)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return _depthwise(padded, weight) if layer.kernel == "depthwise" else _full(padded, weight)


def _depthwise(padded: np.ndarray, weight: np.ndarray) -> np.ndarray:
    h, w = padded.shape[1] - 2, padded.shape[2] - 2
    y = np.zeros((len(padded), h, w, padded.shape[3]), np.float32)
    for j in range(3):
        for i in range(3):
            y += padded[:, j : j + h, i : i + w] * weight[:, 0, j, i]
    return y


def _full(padded: np.ndarray, weight: np.ndarray) -> np.ndarray:
    n, h, w, channels = len(padded), padded.shape[1] - 2, padded.shape[2] - 2, padded.shape[3]
    matrix = weight.transpose(2, 3, 1, 0).reshape(9 * channels, -1)
    y = np.empty((n, h, w, matrix.shape[1]), np.float32)
    rows = max(1, _ELEMENTS // (n * w * len(matrix)))
    for top in range(0, h, rows):
        bottom = min(h, top + rows)
        taps = np.empty((n, bottom - top, w, 3, 3, channels), np.float32)
        for j in range(3):
            for i in range(3):
                taps[:, :, :, j, i] = padded[:, top + j : bottom + j, i : i + w]
        y[:, top:bottom] = matmul(taps.reshape(-1, len(matrix)), matrix).reshape(n, bottom - top, w, -1)
    return y


def _normalised(sums: np.ndarray, layer: QLayer, floor: int) -> np.ndarray:
    """Norm, bias, clamp: float32 (n, h, w, out), integers from ``floor`` to 255 in units of 2**-4."""
    # a norm is its channel's own affair: some at a time, since int64 takes room
    step = max(1, _ELEMENTS // (4 * sums[..., 0].size))
    shift = LABEL_BITS - layer.bias.exponent
    for start in range(0, sums.shape[3], step):
        channels = slice(start, start + step)
        y = sums[..., channels].astype(np.int64)
        if layer.scale is None:
            y = _instance_norm(y)
        else:
            y = y * layer.scale.values[channels]
            y = (y + (1 << layer.scale.exponent >> 1)) >> layer.scale.exponent
        y += layer.bias.values[channels].astype(np.int64) << shift
        sums[..., channels] = y.clip(floor, LABEL_CEILING)
    return sums


def _instance_norm(sums: np.ndarray) -> np.ndarray:
    count = sums.shape[1] * sums.shape[2]
    total = sums.sum((1, 2), keepdims=True)
    centred = sums - (2 * total + count) // (2 * count)
    variance, rest = np.divmod(np.square(centred).sum((1, 2), keepdims=True), count)
    variance = (variance << 8) + (rest << 8) // count  # in 1/256: of nearly flat channels it is below 1
    # below 2**51, where the rounded root of a double is that of the integer
    deviation = np.maximum(np.floor(np.sqrt(variance.astype(np.float64))).astype(np.int64), 1)
    return np.asarray((centred * ((1 << 32) // deviation) + (1 << 23)) >> 24)


def _pool(x: np.ndarray, layer: LabelLayer) -> np.ndarray:
    """Means or maxima of 2x2, an odd last row or column left out, or means of all positions."""
    if layer.pool is None:
        return x
    if layer.pool == "global":
        count = x.shape[1] * x.shape[2]
        total = x.sum((1, 2), dtype=np.float64, keepdims=True).astype(np.int64)
        return ((2 * total + count) // (2 * count)).astype(np.float32)
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    four = x[:, :h:2, :w:2], x[:, 1:h:2, :w:2], x[:, :h:2, 1:w:2], x[:, 1:h:2, 1:w:2]
    if layer.pool == "max":
        return np.asarray(np.maximum.reduce(four))
    return np.asarray(np.floor((four[0] + four[1] + four[2] + four[3] + 2) * np.float32(0.25)))


def _linear(x: np.ndarray, layer: QLayer) -> np.ndarray:
    """The linear layer on channels, rows and columns, in this order."""
    flat = x.transpose(0, 3, 1, 2).reshape(len(x), -1).astype(np.int64)
    fraction = LABEL_BITS + layer.weight.exponent
    sums = flat @ layer.weight.values.astype(np.int64).T
    sums += layer.bias.values.astype(np.int64) << (fraction - layer.bias.exponent)
    shift = fraction - LOGIT_BITS
    return np.asarray((sums + (1 << shift >> 1)) >> shift if shift > 0 else sums << -shift)
