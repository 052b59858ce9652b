"""Soft labels of a .rud file in plain Python: section 10 of bitstream_spec.md, label mode 1.

Beside ``reference_decoder.py``, which reads the rest.
"""

from __future__ import annotations

from math import exp, perm
from types import SimpleNamespace as Head
from typing import Protocol


class Bytes(Protocol):
    def byte(self, low: int = 0, high: int = 255) -> int: ...


class Stream(Protocol):
    def bits(self, count: int) -> int: ...
    def batch(self, rows: list[int]) -> list[int]: ...


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def read_soft_fields(b: Bytes, head: Head) -> None:
    """The head's last fields, in label mode 1."""
    k = len(head.classes)
    require(k > 1, "soft labels of one class")
    head.kept, head.step, head.temperature = b.byte(1, min(16, k - 1)), b.byte(1), b.byte(1)


def read_soft_labels(stream: Stream, head: Head, own: list[int]) -> list[list[float]]:
    """Probabilities of each image of a segment, whose classes are ``own``."""
    k, count = len(head.classes), len(own)
    ways = perm(k - 1, head.kept)
    require(ways <= 1 << 60, "too many classes to name")
    ranks = [stream.bits((ways - 1).bit_length()) for _ in own]
    require(max(ranks) < ways, "rank out of range")
    odds: list[list[int]] = []
    for column in range(head.kept + (head.kept < k - 1)):
        m, row = stream.bits(8), 256 + stream.bits(6)
        values = [m + d for d in stream.batch([row] * count)]
        require(column == 0 or min(values) >= 0, "odds fall")
        odds.append([a + b for a, b in zip(values, odds[-1], strict=True)] if column else values)
    require(all(abs(a) <= 2047 for column in odds for a in column), "odds out of range")
    return [
        probabilities(head, own[i], named(k, own[i], head.kept, ranks[i]), [column[i] for column in odds])
        for i in range(count)
    ]


def named(k: int, own: int, kept: int, rank: int) -> list[int]:
    """The classes that an image names."""
    digits = []
    for j in reversed(range(kept)):
        rank, digit = divmod(rank, k - 1 - j)
        digits.append(digit)
    left = [c for c in range(k) if c != own]
    return [left.pop(digit) for digit in reversed(digits)]


def probabilities(head: Head, own: int, others: list[int], odds: list[int]) -> list[float]:
    mine = [odds[-1]] * len(head.classes)
    mine[own] = 0
    for c, value in zip(others, odds, strict=False):
        mine[c] = value
    powers = [exp(-head.step * (a - min(mine)) / 64) for a in mine]
    return [p / sum(powers) for p in powers]
