"""Encoding a payload into bytes, and synthesizing its pixels."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable

import numpy as np

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_fields, code_parameters, shapes
from rudcodec.bitstream.latents import SegmentCoder, code_latents
from rudcodec.bitstream.networks import Networks, largest_latent, networks_of
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.files import write_bytes
from rudcodec.payload import Architecture, LabelNetwork, Payload


def encode(payload: Payload) -> bytes:
    """The ``.rud`` file of a payload. Raises FormatError when the format can't express it."""
    return _file(payload, with_digests=True)


def encoded_size(payload: Payload) -> int:
    """Bytes of the file of a payload, without making its images for that. Raises as :func:`encode`."""
    return len(_file(payload, with_digests=False))


def _file(payload: Payload, with_digests: bool) -> bytes:
    """The file; without digests of its images it has zeros there, which are as long."""
    head = _head_of(payload)
    writer = container.Writer("head")
    code_head(writer, head)
    _check_segments(payload)
    groups, weights = limits.group_count(head.share, len(head.classes)), Encoder()
    if len(payload.groups) != groups:
        raise FormatError("weights", -1, f"{len(payload.groups)} groups, must be {groups}")
    for group in payload.groups:
        code_group(weights, head.architecture, group, Place("weights"))
    networks = Networks(head.architecture, payload.groups, head.share, head.ymax)
    coders = [Encoder() for _ in payload.segments]
    segments = []
    for i, (coder, segment) in enumerate(zip(coders, payload.segments, strict=True)):
        place = Place(f"segment {i}")
        if payload.soft is not None:
            code_soft(coder, payload.soft, segment.counts, segment.soft, place)
        segments.append(SegmentCoder(coder, segment.counts, place, segment.latents))
    code_latents(networks, segments)
    sections = [container.MAGIC + bytes([container.VERSION])]
    sections.append(container.pack(container.HEAD, bytes(writer.data)))
    sections.append(container.pack(container.WEIGHTS, weights.finish()))
    if payload.labels is not None:
        sections.append(_labels_section(payload.labels, image_size(head.architecture), len(head.classes)))
    checksums = [0] * len(coders)
    if with_digests:
        checksums = digests(head.counts, networks.images(payload.segments))
    for coder, digest in zip(coders, checksums, strict=True):
        sections.append(container.pack(container.SEGMENT, digest.to_bytes(4, "little") + coder.finish()))
    data = b"".join(sections)
    check_limits(head.architecture, head.counts, head.share, len(data), head.soft is not None)
    return data


def synthesize(payload: Payload) -> np.ndarray:
    """Images, uint8 (N, H, W, C): segment after segment, in each class after class."""
    return networks_of(payload).images(payload.segments)


def hard_labels(payload: Payload) -> np.ndarray:
    """Class index of each image of :func:`synthesize`, int64 (N,)."""
    classes = np.arange(len(payload.classes))
    labels = [np.repeat(classes, segment.counts) for segment in payload.segments]
    return np.concatenate([classes[:0], *labels]).astype(np.int64)


def write(payload: Payload, path: str | os.PathLike[str]) -> int:
    """Encode into a file that is either complete or not there; returns its size in bytes.

    Raises FormatError when the format can't express the payload, DataError when the file can't be written.
    """
    data = encode(payload)
    write_bytes(data, path)
    return len(data)


def check_limits(
    architecture: Architecture, counts: limits.Counts, share: str, size: int = 1, soft: bool = False
) -> None:
    """Raise FormatError if a file of ``size`` bytes may not ask for as much as this; an encoder's early
    warning.

    ``counts``: per segment, images of each class; ``soft``: with soft labels.
    """
    if reason := limits.excess(architecture, counts, share, size, soft):
        raise FormatError("head", -1, reason)


def image_size(architecture: Architecture) -> tuple[int, int, int]:
    """Height, width and channels of the images."""
    return architecture.height, architecture.width, architecture.channels


def _head_of(payload: Payload) -> Head:
    if payload.share not in ("dataset", "class"):
        raise FormatError("head", -1, f"share is {payload.share!r}, must be 'dataset' or 'class'")
    counts = tuple(tuple(int(n) for n in segment.counts) for segment in payload.segments)
    ymax = largest_latent(payload.segments)
    return Head(
        payload.architecture,
        payload.recipe,
        payload.classes,
        payload.share,
        ymax,
        counts,
        "network" if payload.labels is not None else "hard" if payload.soft is None else "soft",
        payload.soft,
    )


def labels_size(network: LabelNetwork, size: tuple[int, int, int], classes: int) -> int:
    """Bytes that a label network takes in a file; ``size``: height, width, channels. Raises FormatError."""
    return len(_labels_section(network, size, classes))


def _labels_section(network: LabelNetwork, size: tuple[int, int, int], classes: int) -> bytes:
    writer = container.Writer("labels")
    code_fields(writer, size, classes, network)
    coder = Encoder()
    code_parameters(coder, shapes(network.layers, size, classes), network.parameters, Place("labels"))
    return container.pack(container.LABELS, bytes(writer.data) + coder.finish())


def _check_segments(payload: Payload) -> None:
    """Check that latents are integers of the shapes that architecture and counts ask for."""
    levels = zip(limits.level_sizes(payload.architecture), payload.architecture.grids, strict=True)
    sizes = [size for size, components in levels for _ in range(components)]
    for i, segment in enumerate(payload.segments):
        expected = [(sum(segment.counts), *size) for size in sizes]
        if [grid.shape for grid in segment.latents] != expected:
            raise FormatError(f"segment {i}", -1, f"latents must have the shapes {expected}")
        if any(grid.dtype.kind not in "iu" for grid in segment.latents):
            raise FormatError(f"segment {i}", -1, "latents must be integers")
        if (segment.soft is None) != (payload.soft is None):
            raise FormatError(
                f"segment {i}", -1, "has soft labels where the set has not, or the other way round"
            )
    if payload.soft is not None and payload.labels is not None:
        raise FormatError("head", -1, "there can't be both soft labels and a label network")


def digests(counts: Iterable[tuple[int, ...]], images: np.ndarray) -> list[int]:
    """CRC-32 of the pixels of each segment with these counts."""
    checksums, end = [], 0
    for segment in counts:
        start, end = end, end + sum(segment)
        checksums.append(zlib.crc32(np.ascontiguousarray(images[start:end]).data))
    return checksums
