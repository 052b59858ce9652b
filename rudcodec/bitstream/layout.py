"""The layout of a file: where its head, networks and segments lie."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.container import Place, Section
from rudcodec.bitstream.files import Source
from rudcodec.bitstream.header import Head, code_head


@dataclass(frozen=True)
class Layout:
    """The head of a file, and where weights, labels (if there are any) and (chosen) segments lie; these by
    number, in order."""

    head: Head
    weights: Section
    labels: Section | None
    segments: dict[int, Section]


def parse(data: Source, choose: Callable[[Head], Collection[int]] | None = None) -> Layout:
    """Head and places of weights and segments; limits, order and lengths are checked, nothing is decoded.

    Checksums are checked of head, weights and the segments that ``choose`` names; None: of all.
    """
    head, section = read_head(data)
    check_cost(head, head.counts, len(data), section)
    selected = choose(head) if choose else range(len(head.counts))
    weights, labels = locate_networks(data, head, section.end + 4)
    end = (labels or weights).end + 4
    segments = {}
    for i in range(len(head.counts)):
        name = f"segment {i}"
        section = container.frame(data, end, container.SEGMENT, name)
        if i in selected:
            container.check(data, section, name)
            segments[i] = section
        end = section.end + 4
    if end != len(data):
        raise Place("file", end).error(f"{len(data) - end} bytes behind the last section")
    return Layout(head, weights, labels, segments)


def head_of(data: Source, damaged: bool = False) -> Head:
    """The head of a file whose sections are in order; segments' checksums aren't looked at.

    Of a ``damaged`` file, nothing behind the head is looked at.
    """
    return read_head(data)[0] if damaged else parse(data, lambda head: ()).head


def read_head(data: Source) -> tuple[Head, Section]:
    """The head, without a look at what it asks for."""
    section = container.unpack(data, container.start(data), container.HEAD, "head")
    reader = container.Reader(data, "head", section.start, section.end)
    head = code_head(reader, None)
    reader.finish()
    return head, section


def locate_networks(data: Source, head: Head, offset: int) -> tuple[Section, Section | None]:
    """Weights, and labels if there are any, from ``offset`` on."""
    weights = container.unpack(data, offset, container.WEIGHTS, "weights")
    if head.labels != "network":
        return weights, None
    return weights, container.unpack(data, weights.end + 4, container.LABELS, "labels")


def check_cost(head: Head, counts: limits.Counts, size: int, section: Section) -> None:
    """Raise FormatError, at the head's ``section``, if segments with these counts are too much for a file of
    ``size`` bytes.
    """
    soft = head.soft is not None
    if reason := limits.excess(head.architecture, counts, head.share, size, soft):
        raise Place("head", section.start).error(reason)
