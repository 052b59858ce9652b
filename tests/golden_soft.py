"""Golden files with soft labels: good ones, and those that break one rule of section 10."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from golden_payloads import join, layer, random_payload, random_soft, small_payload, split

from rudcodec import bitstream
from rudcodec.bitstream.coder import Encoder
from rudcodec.payload import Architecture, Payload, SoftLabels, SoftScale


def softly_labelled() -> dict[str, Payload]:
    pixel = Architecture(2, 3, 1, (1, 1), (), (layer(1, relu=False),))
    two = random_payload(pixel, [(2, 1), (0, 3)], seed=40)
    ten = random_payload(pixel, [(1,) * 10, (2,) * 10, (0,) * 9 + (1,)], seed=41)
    many = random_payload(pixel, [(1,) * 300], seed=42)
    sixteen = random_payload(pixel, [(1,) * 17], seed=43)
    edge = random_soft(random_payload(pixel, [(2, 1, 1)], seed=44), SoftScale(1, 255, 255), seed=44)
    (segment,) = edge.segments
    # an own class that is the least probable, ties, and the largest odds
    odds = np.array([[-2047, -2047], [0, 0], [-2047, 2047], [2047, 2047]], dtype=np.int32)
    others = np.array([[2], [1], [0], [1]], dtype=np.int32)
    return {
        "soft-two": random_soft(two, SoftScale(1, 16, 32), seed=40),
        "soft-ten": random_soft(ten, SoftScale(3, 32, 32), seed=41),
        "soft-all": random_soft(ten, SoftScale(9, 8, 16), seed=45, spread=9.0),
        "soft-300": random_soft(many, SoftScale(5, 64, 1), seed=42),
        # 17! / 1!, of 49 bits
        "soft-sixteen": random_soft(sixteen, SoftScale(16, 1, 32), seed=43),
        "soft-edge": replace(edge, segments=(replace(segment, soft=SoftLabels(others, odds)),)),
    }


def broken_soft() -> dict[str, bytes]:
    """Files that must be refused, one rule broken in each."""
    payload = random_soft(small_payload(), SoftScale(1, 32, 32), seed=46)
    whole = bitstream.encode(payload)
    head, *rest = split(whole)
    ten = softly_labelled()["soft-ten"]
    ten_head, weights, first, *others = split(bitstream.encode(ten))
    one = bitstream.encode(random_payload(payload.architecture, [(1,)], seed=47))
    one_head, *one_rest = split(one)

    def with_head(*last: int) -> bytes:
        return join([(1, head[1][: -len(last)] + bytes(last)), *rest])

    def with_stream(ranks: list[int], columns: list[list[int]]) -> bytes:
        """The first segment with labels that its encoder would refuse, and nothing behind them."""
        coder = Encoder()
        coder.numbers(9, len(ranks), np.array(ranks))
        for column in columns:
            coder.number(8, 0)
            coder.number(6, 40)
            coder.code(np.full(len(column), 256 + 40, dtype=np.intp), np.array(column, dtype=np.int32))
        return join([ten_head, weights, (4, first[1][:4] + coder.finish()), *others])

    fine, zeros = [0] * 10, [0] * 10
    return {
        "soft-one-class": join([(1, bytes([2]) + one_head[1][1:] + bytes([1, 32, 32])), *one_rest]),
        "soft-no-fields": join([(1, head[1][:-3]), *rest]),
        "soft-kept-0": with_head(0, 32, 32),
        "soft-kept-all": with_head(2, 32, 32),
        "soft-step-0": with_head(1, 0, 32),
        "soft-temperature-0": with_head(1, 32, 0),
        "soft-hard": join([(1, bytes([head[1][0] & 1]) + head[1][1:-3]), *rest]),
        "soft-rank": with_stream([0] * 9 + [504], [zeros] * 4),
        "soft-order": with_stream(fine, [zeros, zeros, [0] * 9 + [-1], zeros]),
        "soft-beyond": with_stream(fine, [zeros, zeros, [0] * 9 + [2048], zeros]),
        "soft-below": with_stream(fine, [[0] * 9 + [-2048], zeros, zeros, zeros]),
        "soft-too-many-ways": _too_many_ways(),
        "soft-too-many": _too_many(),
        "label-mode-3": join([(1, bytes([6]) + head[1][1:]), *rest]),
    }


def _too_many_ways() -> bytes:
    """Sixteen of 99 other classes."""
    payload = random_payload(Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),)), [(1,) * 100], seed=48)
    head, *rest = split(bitstream.encode(random_soft(payload, SoftScale(9, 32, 32), seed=48)))
    return join([(1, head[1][:-3] + bytes([16, 32, 32])), *rest])


def _too_many() -> bytes:
    """A head that asks for 2**24 + 2**12 probabilities: 4,097 images of 4,096 classes."""
    pixel = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
    names = tuple(f"{k:x}" for k in range(4096))
    payload = random_payload(pixel, [(1,) + (0,) * 4095], seed=49, classes=names)
    head, *rest = split(bitstream.encode(random_soft(payload, SoftScale(1, 32, 32), seed=49)))
    body = head[1]
    at = len(body) - 3 - 4096  # the counts
    assert body[at - 2 : at] == b"\1\0" and body[at] == 1
    return join([(1, body[:at] + b"\x81\x20" + body[at + 1 :]), *rest])
