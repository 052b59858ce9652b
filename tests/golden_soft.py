"""Golden files with soft labels: good ones, and those that break one rule for these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from golden_payloads import Victim, layer, random_payload, random_soft, small_payload

from rudcodec import bitstream
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.container import LABELS, SEGMENT
from rudcodec.payload import Architecture, Payload, SoftLabels, SoftScale

PIXEL = Architecture(2, 3, 1, (1, 1), (), (layer(1, relu=False),))


def softly_labelled() -> dict[str, Payload]:
    two = random_payload(PIXEL, [(2, 1), (0, 3)], seed=40)
    ten = random_payload(PIXEL, [(1,) * 10, (2,) * 10, (0,) * 9 + (1,)], seed=41)
    many = random_payload(PIXEL, [(1,) * 300], seed=42)
    sixteen = random_payload(PIXEL, [(1,) * 17], seed=43)
    edge = random_soft(random_payload(PIXEL, [(2, 1, 1)], seed=44), SoftScale(1, 255, 255), seed=44)
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
    soft = random_soft(small_payload(), SoftScale(1, 32, 32), seed=46)
    victim = Victim(bitstream.encode(soft))
    ten = Victim(bitstream.encode(softly_labelled()["soft-ten"]))
    hundred = random_payload(PIXEL, [(1,) * 100], seed=48)
    ways = Victim(bitstream.encode(random_soft(hundred, SoftScale(9, 32, 32), seed=48)))
    one = Victim(bitstream.encode(random_payload(soft.models[0].architecture, [(1,)], seed=47)))
    (head, *between, segment) = one.sections

    def with_labels(*body: int) -> bytes:
        return victim.with_body(LABELS, bytes(body))

    def with_stream(ranks: list[int], columns: list[list[int]]) -> bytes:
        """The first segment with labels that its encoder would refuse, and nothing behind them."""
        coder = Encoder()
        coder.numbers(9, len(ranks), np.array(ranks))
        for column in columns:
            coder.number(8, 0)
            coder.number(6, 40)
            coder.code(np.full(len(column), 256 + 40, dtype=np.intp), np.array(column, dtype=np.int32))
        # one image of each class, and the digest
        return ten.with_body(SEGMENT, ten.body(SEGMENT)[:5] + coder.finish())

    fine, zeros = [0] * 10, [0] * 10
    one.sections = [head, *between, (LABELS, bytes([1, 1, 32, 32])), segment]
    return {
        "soft-one-class": one.edited(LABELS, 1, 1, 1),
        "soft-cut": with_labels(1, 1, 32),
        "soft-long": with_labels(1, 1, 32, 32, 0),
        "soft-kept-0": with_labels(1, 0, 32, 32),
        "soft-kept-all": with_labels(1, 2, 32, 32),
        "soft-step-0": with_labels(1, 1, 0, 32),
        "soft-temperature-0": with_labels(1, 1, 32, 0),
        "soft-rank": with_stream([0] * 9 + [504], [zeros] * 4),
        "soft-order": with_stream(fine, [zeros, zeros, [0] * 9 + [-1], zeros]),
        "soft-beyond": with_stream(fine, [zeros, zeros, [0] * 9 + [2048], zeros]),
        "soft-below": with_stream(fine, [[0] * 9 + [-2048], zeros, zeros, zeros]),
        # sixteen of 99 other classes
        "soft-too-many-ways": ways.edited(LABELS, 1, 1, 16),
    }
