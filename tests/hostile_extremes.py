"""Valid files that ask for as much as the format's limits allow, each in another respect."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from golden_payloads import layer, random_payload

from rudcodec import bitstream
from rudcodec.bitstream import limits
from rudcodec.payload import Architecture, Group, Payload, QLayer, QTensor

Counts = tuple[tuple[int, ...], ...]


def wide(height: int, width: int) -> Architecture:
    """The largest synthesis network."""
    layers = (*[layer(256, 3)] * 7, layer(1, 3, False))
    return Architecture(height, width, 1, (1,), (), layers)


def plain(height: int, width: int, grids: tuple[int, ...], hidden: tuple[int, ...] = ()) -> Architecture:
    """Next to no synthesis."""
    return Architecture(height, width, 1, grids, hidden, (layer(1, 1, False),))


def most(architecture: Architecture, make: Callable[[int], Counts], share: str = "dataset") -> Counts:
    """The largest counts that the limits of a small file allow."""
    low, high = 1, 1 << 21
    while low < high:
        middle = (low + high + 1) // 2
        counts = make(middle)
        segments, classes = len(counts), len(counts[0])
        allowed = segments <= limits.SEGMENTS and segments * classes <= limits.COUNTS
        if allowed and limits.excess(architecture, counts, share) is None:
            low = middle
        else:
            high = middle - 1
    return make(low)


def silent(tensor: QTensor) -> QTensor:
    return QTensor(np.zeros_like(tensor.values), tensor.exponent)


def loud(tensor: QTensor) -> QTensor:
    """As few weights as make the sums of a layer need double precision."""
    values = np.zeros_like(tensor.values)
    values[0, :, 0, 0] = 2047
    return QTensor(values, 15)


def payload_of(
    architecture: Architecture, counts: Counts, share: str = "dataset", double: bool = False
) -> Payload:
    """Zeros, which take few bytes."""
    payload = random_payload(architecture, list(counts), seed=1, share=share, latents=0)

    def zero(layers: tuple[QLayer, ...]) -> tuple[QLayer, ...]:
        return tuple(QLayer(silent(one.weight), silent(one.bias)) for one in layers)

    groups = []
    for group in payload.groups:
        synthesis = zero(group.synthesis)
        if double:
            synthesis = tuple(replace(one, weight=loud(one.weight)) for one in synthesis)
        groups.append(Group(zero(group.context), synthesis))
    return replace(payload, groups=tuple(groups))


def wide_networks(rng: random.Random) -> Payload:
    """Padding of small pictures, and sums in double precision."""
    architecture = wide(*rng.choice([(1, 1), (1, 2), (2, 2), (3, 3), (8, 8), (64, 64), (1, 1024), (1024, 1)]))
    return payload_of(architecture, most(architecture, lambda n: ((n,),)), double=rng.random() < 0.5)


def many_segments(rng: random.Random) -> Payload:
    """Networks for each segment, or as many segments as there may be."""
    if rng.random() < 0.5:
        return payload_of(wide(1, 1), most(wide(1, 1), lambda n: ((1,),) * min(n, limits.SEGMENTS)))
    return payload_of(plain(1, 1, (1,)), ((1,),) * limits.SEGMENTS)


def many_groups(rng: random.Random) -> Payload:
    """A class and group for each segment, or one class with all the images."""
    architecture = plain(1, 1, (1,), (rng.choice([8, 32]),))
    classes = rng.choice([100, 1000])
    alone = tuple(tuple(int(k == i) for k in range(classes)) for i in range(classes))
    if rng.random() < 0.5:
        return payload_of(architecture, alone, "class")
    uneven = most(architecture, lambda n: ((n, *[1] * (classes - 1)),), "class")
    return payload_of(architecture, uneven, "class")


def many_latents(rng: random.Random) -> Payload:
    """Context networks at their widest, or as many steps as there may be."""
    architecture = rng.choice(
        [
            plain(1, 1, (8,) * 12, (128,) * 8),
            plain(32, 32, (8,) * 6),
            plain(1024, 1024, (2,) * 11),
            plain(341, 2, (8,) * 9),
        ]
    )
    return payload_of(architecture, most(architecture, lambda n: ((n,),)))


def extreme(rng: random.Random) -> bytes:
    """One of them."""
    return bitstream.encode(rng.choice([wide_networks, many_segments, many_groups, many_latents])(rng))
