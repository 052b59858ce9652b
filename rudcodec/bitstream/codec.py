"""From Payload to bytes, and from Payload to pixels."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from functools import partial

import numpy as np

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_fields, code_parameters
from rudcodec.bitstream.latents import code_latents
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.synthesis import Synthesis
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.files import write_bytes
from rudcodec.payload import Architecture, LabelNetwork, Payload, Segment


def encode(payload: Payload) -> bytes:
    """The ``.rud`` file of a payload. Raises FormatError when the format can't express it."""
    head = _head_of(payload)
    writer = container.Writer("head")
    code_head(writer, head)
    _check_segments(payload)
    weights = Encoder()
    if len(payload.groups) != _group_count(head):
        raise FormatError("weights", -1, f"{len(payload.groups)} groups, must be {_group_count(head)}")
    groups = tuple(code_group(weights, head.architecture, group, "weights", -1) for group in payload.groups)
    coders = [Encoder() for _ in payload.segments]
    names = [f"segment {i}" for i in range(len(coders))]
    fails = [partial(FormatError, name, -1) for name in names]
    if payload.soft is not None:
        for coder, segment, fail in zip(coders, payload.segments, fails, strict=True):
            code_soft(coder, payload.soft, segment.counts, segment.soft, fail)
    code_latents(
        coders, head.architecture, groups, head.share, head.counts, head.ymax, payload.segments, fails
    )
    parts = [container.MAGIC, bytes([container.VERSION]), container.pack(container.HEAD, bytes(writer.data))]
    parts.append(container.pack(container.WEIGHTS, weights.finish()))
    if payload.labels is not None:
        parts.append(_labels_section(payload.labels, image_size(head.architecture), len(head.classes)))
    for coder, digest in zip(coders, digests(head.counts, synthesize(payload)), strict=True):
        parts.append(container.pack(container.SEGMENT, digest.to_bytes(4, "little") + coder.finish()))
    data = b"".join(parts)
    soft = head.soft is not None
    limits.check_cost(head.architecture, head.counts, head.share, len(data), writer.fail, soft)
    return data


def synthesize(payload: Payload) -> np.ndarray:
    """Images, uint8 (N, H, W, C): segment after segment, in each class after class."""
    architecture = payload.architecture
    ymax = largest_latent(payload.segments)
    if not payload.segments:
        return np.empty((0, architecture.height, architecture.width, architecture.channels), dtype=np.uint8)
    if payload.share == "dataset":
        network = Synthesis(architecture, payload.groups[0], ymax)
        return np.concatenate([network.run(segment.latents) for segment in payload.segments])
    latents = [np.concatenate(grids) for grids in zip(*(s.latents for s in payload.segments), strict=True)]
    owner = hard_labels(payload)
    result = np.empty(
        (len(owner), architecture.height, architecture.width, architecture.channels), dtype=np.uint8
    )
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=len(payload.classes)))
    for group, mine in zip(payload.groups, np.split(order, ends[:-1]), strict=True):
        if len(mine):
            result[mine] = Synthesis(architecture, group, ymax).run([grid[mine] for grid in latents])
    return result


def hard_labels(payload: Payload) -> np.ndarray:
    """Class index of each image of :func:`synthesize`, int64 (N,)."""
    classes = np.arange(len(payload.classes))
    parts = [np.repeat(classes, segment.counts) for segment in payload.segments]
    return np.concatenate([classes[:0], *parts]).astype(np.int64)


def write(payload: Payload, path: str | os.PathLike[str]) -> int:
    """Encode into a file that is either complete or not there; returns its size in bytes.

    Raises FormatError when the format can't express the payload, DataError when the file can't be written.
    """
    data = encode(payload)
    write_bytes(data, path)
    return len(data)


def check_limits(
    architecture: Architecture,
    counts: tuple[tuple[int, ...], ...],
    share: str,
    size: int = 1,
    soft: bool = False,
) -> None:
    """Raise FormatError if a file of ``size`` bytes may not ask for as much as this; an encoder's early
    warning.

    ``counts``: per segment, images of each class; ``soft``: with soft labels.
    """
    limits.check_cost(architecture, counts, share, size, partial(FormatError, "head", -1), soft)


def image_size(architecture: Architecture) -> tuple[int, int, int]:
    """Height, width, channels."""
    return architecture.height, architecture.width, architecture.channels


def _group_count(head: Head) -> int:
    return len(head.classes) if head.share == "class" else 1


def largest_latent(segments: tuple[Segment, ...]) -> int:
    """Largest magnitude of all latents."""
    return max(
        (max(int(grid.max()), -int(grid.min())) for s in segments for grid in s.latents if grid.size),
        default=0,
    )


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
    code_parameters(coder, network.layers, size, classes, network.parameters, writer.fail)
    return container.pack(container.LABELS, bytes(writer.data) + coder.finish())


def _check_segments(payload: Payload) -> None:
    """Check that latents are integers of the shapes that architecture and counts ask for."""
    levels = zip(limits.level_sizes(payload.architecture), payload.architecture.grids, strict=True)
    shapes = [size for size, components in levels for _ in range(components)]
    for i, segment in enumerate(payload.segments):
        expected = [(sum(segment.counts), *shape) for shape in shapes]
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
    found, end = [], 0
    for segment in counts:
        begin, end = end, end + sum(segment)
        found.append(zlib.crc32(np.ascontiguousarray(images[begin:end]).data))
    return found
