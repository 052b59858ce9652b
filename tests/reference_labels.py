"""A label network of a .rud file in plain Python integers: section 10 of bitstream_spec.md.

Beside ``reference_decoder.py``, which decodes the images and finds the section.
"""

from __future__ import annotations

from math import isqrt, prod
from types import SimpleNamespace as Network
from typing import NamedTuple

from reference_decoder import Bytes, Head, Stream, clamp, make_tables, require, rshift

Plane = list[list[int]]


class Parameters(NamedTuple):
    weight: list[int]
    bias: list[int]
    fine: int  # the bias's exponent
    exponent: int  # the weight's


def read_labels(head: Head) -> Network:
    """The network of a file with this head; one without has hard labels, and none."""
    require(head.labelled, "no label network")
    body, tables = head.labels, make_tables()
    b, network = Bytes(body), Network()
    network.layers, before, work, count = [], head.channels, 0, 0
    height, width = head.height, head.width
    for i in range(b.byte(1, 16)):
        out, shape = b.number(1, 512), b.byte(0, 3)
        require(not shape & 2 or (i > 0 and out == before), "residual layer changes shape")
        network.layers.append((out, before, shape & 1, shape & 2))
        work += out * before * 9 * height * width
        count += out * before * 9 + out
        if shape & 1:
            height, width = height // 2, width // 2
        require(height * width > 0, "pooled to nothing")
        before = out
    count += (before * height * width + 1) * len(head.classes)
    require(count <= 1 << 20 and work <= 1 << 30, "label network too large")
    network.temperature = b.byte(1)
    low = b.byte(1, 127)
    network.views = [low, b.byte(low, 127), b.byte(0, 64), b.byte(), b.byte(0, 1), b.byte(), b.byte()]
    mixup, cutmix = b.byte(), b.byte()
    require(mixup + cutmix <= 256, "chances")
    network.views += [mixup, cutmix]
    stream = Stream(body[b.at :], tables)
    shapes = [(out, inputs, 9) for out, inputs, _, _ in network.layers] + [
        (len(head.classes), before, height * width)
    ]
    network.parameters = [
        read_parameters(stream, shape, i + 1 == len(shapes)) for i, shape in enumerate(shapes)
    ]
    stream.finish()
    return network


def read_parameters(stream: Stream, shape: tuple[int, ...], last: bool) -> Parameters:
    exponents, tensors = [], []
    for size in (prod(shape), shape[0]):
        exponents.append(stream.bits(4))
        row = 256 + stream.bits(6)
        tensors.append(stream.batch([row] * size))
        require(all(abs(w) <= 2047 for w in tensors[-1]), "weight out of range")
    (weight, bias), (coarse, fine) = tensors, exponents
    if not last:
        each = prod(shape[1:])
        rows = [weight[i : i + each] for i in range(0, len(weight), each)]
        require(coarse == 0, "exponent of a convolution")
        require(all(sum(map(abs, row)) <= 4096 for row in rows), "sum of a row")
    require(fine <= (4 + coarse if last else 4), "bias too fine")
    return Parameters(weight, bias, fine, coarse)


def logits(network: Network, view: list[list[list[int]]]) -> list[int]:
    """Logits in units of 2**-12 of a view: rows of pixels of channels, 0..255."""
    planes = [[[pixel[c] - 128 for pixel in row] for row in view] for c in range(len(view[0][0]))]
    for (_, _, pool, residual), parameters in zip(network.layers, network.parameters, strict=False):
        results = [activate(acc, b, parameters.fine) for acc, b in convolve(planes, parameters)]
        if residual:
            results = [
                [[min(a + b, 255) for a, b in zip(u, v, strict=True)] for u, v in zip(p, q, strict=True)]
                for p, q in zip(results, planes, strict=True)
            ]
        planes = [halve(plane) for plane in results] if pool else results
    last, seen = network.parameters[-1], [x for plane in planes for row in plane for x in row]
    total, found = 4 + last.exponent, []
    for k, bias in enumerate(last.bias):
        row = last.weight[k * len(seen) : (k + 1) * len(seen)]
        acc = sum(w * x for w, x in zip(row, seen, strict=True)) + (bias << (total - last.fine))
        found.append(rshift(acc, total - 12))
    return found


def convolve(planes: list[Plane], parameters: Parameters) -> list[tuple[Plane, int]]:
    """For each output the sums at all positions, and its bias."""
    h, w = len(planes[0]), len(planes[0][0])
    found = []
    for o, bias in enumerate(parameters.bias):
        acc = [[0] * w for _ in range(h)]
        for i, plane in enumerate(planes):
            for tap in range(9):
                weight = parameters.weight[(o * len(planes) + i) * 9 + tap]
                dy, dx = tap // 3 - 1, tap % 3 - 1
                for y in range(max(0, -dy), min(h, h - dy)) if weight else ():
                    for x in range(max(0, -dx), min(w, w - dx)):
                        acc[y][x] += weight * plane[y + dy][x + dx]
        found.append((acc, bias))
    return found


def activate(acc: Plane, bias: int, fine: int) -> Plane:
    n = len(acc) * len(acc[0])
    mean = (2 * sum(map(sum, acc)) + n) // (2 * n)
    variance = sum((a - mean) ** 2 for row in acc for a in row) // n
    reciprocal = (1 << 32) // max(1, isqrt(256 * variance))
    shift = bias << (4 - fine)
    return [
        [clamp((((a - mean) * reciprocal + (1 << 23)) >> 24) + shift, 0, 255) for a in row] for row in acc
    ]


def halve(plane: Plane) -> Plane:
    return [
        [
            (plane[y][x] + plane[y][x + 1] + plane[y + 1][x] + plane[y + 1][x + 1] + 2) >> 2
            for x in range(0, len(plane[0]) - 1, 2)
        ]
        for y in range(0, len(plane) - 1, 2)
    ]
