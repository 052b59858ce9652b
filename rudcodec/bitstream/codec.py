"""From Payload to bytes and back, and from Payload to pixels."""

from __future__ import annotations

import os
import zlib
from functools import partial
from itertools import chain, repeat

import numpy as np

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.coder import Decoder, Encoder
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.latents import code_latents
from rudcodec.bitstream.synthesis import Synthesis
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.payload import Architecture, Payload, Segment


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
    code_latents(
        coders, head.architecture, groups, head.share, head.counts, head.ymax, payload.segments, fails
    )
    parts = [container.MAGIC, bytes([container.VERSION]), container.pack(container.HEAD, bytes(writer.data))]
    parts.append(container.pack(container.WEIGHTS, weights.finish()))
    for coder, digest in zip(coders, _digests(head, synthesize(payload)), strict=True):
        parts.append(container.pack(container.SEGMENT, digest.to_bytes(4, "little") + coder.finish()))
    data = b"".join(parts)
    limits.check_cost(head.architecture, head.counts, head.share, len(data), writer.fail)
    return data


def decode(data: bytes) -> Payload:
    """The payload in the bytes of a ``.rud`` file. Raises FormatError when they are malformed."""
    head, sections = parse(data)
    return _decode(data, head, sections)


def decode_images(data: bytes) -> tuple[Payload, np.ndarray]:
    """Payload and images, uint8 (N, H, W, C), after checking these against the file's pixel digests.

    Raises FormatError when the file is malformed or the images aren't those its encoder saw.
    """
    head, sections = parse(data)
    payload = _decode(data, head, sections)
    images = synthesize(payload)
    for i, (section, digest) in enumerate(zip(sections[1:], _digests(head, images), strict=True)):
        if digest != int.from_bytes(data[section.start : section.start + 4], "little"):
            raise FormatError(f"segment {i}", section.start, "decoded images do not match their digest")
    return payload, images


def synthesize(payload: Payload) -> np.ndarray:
    """Images, uint8 (N, H, W, C): segment after segment, in each class after class."""
    architecture = payload.architecture
    ymax = largest_latent(payload.segments)
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
    return np.concatenate([np.repeat(classes, segment.counts) for segment in payload.segments]).astype(
        np.int64
    )


def write(payload: Payload, path: str | os.PathLike[str]) -> int:
    """Encode into a file that is either complete or not there; returns its size in bytes.

    Raises FormatError when the format can't express the payload, DataError when the file can't be written.
    """
    data = encode(payload)
    container.write_bytes(data, path)
    return len(data)


def read(path: str | os.PathLike[str]) -> Payload:
    """Decode a file. Raises DataError when it can't be read, FormatError when it is malformed."""
    return decode(container.read_bytes(path))


def check_limits(
    architecture: Architecture, counts: tuple[tuple[int, ...], ...], share: str, size: int = 1
) -> None:
    """Raise FormatError if a file of ``size`` bytes may not ask for as much as this; an encoder's early
    warning.

    ``counts``: per segment, images of each class.
    """
    limits.check_cost(architecture, counts, share, size, partial(FormatError, "head", -1))


def parse(data: bytes) -> tuple[Head, list[container.Section]]:
    """The head, and where weights and segments lie; all checksums and limits checked, nothing decoded."""
    section = container.unpack(data, container.start(data), container.HEAD, "head")
    reader = container.Reader(data, "head", section.start, section.end)
    head = code_head(reader, None)
    reader.finish()
    limits.check_cost(head.architecture, head.counts, head.share, len(data), reader.fail)
    segments = zip(repeat(container.SEGMENT), (f"segment {i}" for i in range(len(head.counts))), strict=False)
    names = chain([(container.WEIGHTS, "weights")], segments)
    return head, container.unpack_all(data, section.end + 4, names)


def _decode(data: bytes, head: Head, sections: list[container.Section]) -> Payload:
    weights, segments = sections[0], sections[1:]
    coder = Decoder(data[weights.start : weights.end], "weights", weights.start)
    groups = tuple(
        code_group(coder, head.architecture, None, "weights", weights.start)
        for _ in range(_group_count(head))
    )
    coder.finish()
    names = [f"segment {i}" for i in range(len(segments))]
    coders = []
    for name, section in zip(names, segments, strict=True):
        if section.end - section.start < 4:
            raise FormatError(name, section.start, "ends inside the pixel digest")
        coders.append(Decoder(data[section.start + 4 : section.end], name, section.start + 4))
    fails = [
        partial(FormatError, name, section.start + 4) for name, section in zip(names, segments, strict=True)
    ]
    found = code_latents(coders, head.architecture, groups, head.share, head.counts, head.ymax, None, fails)
    for coder in coders:
        coder.finish()
    return Payload(head.architecture, head.classes, head.share, groups, found, head.recipe)


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
    return Head(payload.architecture, payload.recipe, payload.classes, payload.share, ymax, counts)


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


def _digests(head: Head, images: np.ndarray) -> list[int]:
    """CRC-32 of each segment's pixels."""
    ends = np.cumsum([sum(counts) for counts in head.counts])
    return [zlib.crc32(np.ascontiguousarray(part).data) for part in np.split(images, ends[:-1])]
