"""Hostile .rud files for ``fuzz.py``: damaged, edited behind right checksums, or made up."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from golden_payloads import join, layer, random_labels, random_payload, split
from hostile_extremes import extreme

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import container, limits
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.container import Place, Writer
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_fields
from rudcodec.bitstream.weights import code_group
from rudcodec.payload import Architecture, LabelLayer, LabelNetwork, Recipe, ViewRecipe

FOLDER = Path(__file__).parent / "golden"
NUMBERS = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1023, 1024, 65535, 65536, 1 << 20, 1 << 24, 1 << 30, 1 << 34]


@cache
def victims() -> tuple[bytes, ...]:
    """The golden files that decode, those that do so quickly several times."""
    found = []
    for path in sorted(FOLDER.glob("*.rud")):
        data = path.read_bytes()
        try:
            bitstream.decode(data)
        except FormatError:
            continue
        head = bitstream.describe(data).head
        quick = limits.work(head.architecture, head.counts, head.share) < 1 << 30
        found += [data] * (5 if quick else 1)
    return tuple(found)


@cache
def labelled_victims() -> tuple[bytes, ...]:
    """Those of them that have a label network."""
    return tuple(data for data in victims() if bitstream.describe(data).head.labels == "network")


def varint(value: int) -> bytes:
    digits = b""
    while value > 127:
        digits += bytes([value & 127 | 128])
        value >>= 7
    return digits + bytes([value])


def edited(rng: random.Random, data: bytes, times: int) -> bytes:
    """A few changes of single bits, bytes, numbers and stretches."""
    body = bytearray(data)
    for _ in range(times):
        at = rng.randrange(len(body) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(body):
            body[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            body[at : at + 1] = bytes([rng.choice([0, 1, 2, 3, 4, 127, 128, 255, rng.randrange(256)])])
        elif kind == 2:
            body[at : at + rng.choice([1, 1, 2, 3])] = varint(rng.choice(NUMBERS))
        elif kind == 3:
            body[at:at] = rng.randbytes(rng.randrange(1, 6))
        elif kind == 4:
            del body[at : at + rng.randrange(1, 6)]
        elif kind == 5:
            size = rng.randrange(1, 40)
            body[at : at + size] = rng.choice([b"\0", b"\xff", b"\x80"]) * size
        else:
            source = rng.randrange(len(body) + 1)
            body[at:at] = body[source : source + rng.randrange(1, 60)]
    return bytes(body)


def raw(rng: random.Random) -> bytes:
    """Damage as it happens: nothing is put right."""
    data = rng.choice(victims())
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        other = rng.choice(victims())
        return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]
    return edited(rng, data, rng.randint(1, 3))


def resealed(rng: random.Random) -> bytes:
    """Sections edited, cut, swapped, lost or taken from another file, behind right lengths and checksums."""
    sections = split(rng.choice(victims()))
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(10)
        i = rng.randrange(len(sections)) if rng.random() < 0.6 else 0
        tag, body = sections[i]
        if kind < 7:
            sections[i] = (tag, edited(rng, body, rng.randint(1, 3)))
        elif kind == 7:
            sections[i] = (tag, body[: rng.randrange(len(body) + 1)])
        elif kind == 8:
            sections[i] = rng.choice(split(rng.choice(victims())))
        else:
            sections.insert(rng.randrange(len(sections) + 1), sections.pop(i))
    return join(sections)


def header(rng: random.Random) -> bytes:
    """One field of the head has another value."""
    sections = split(rng.choice(victims()))
    body = sections[0][1]
    at = rng.randrange(min(len(body), 40)) if rng.random() < 0.7 else rng.randrange(len(body))
    value = varint(rng.choice(NUMBERS)) if rng.random() < 0.5 else bytes([rng.randrange(256)])
    return join([(1, body[:at] + value + body[at + 1 :]), *sections[1:]])


def spread(rng: random.Random, high: int) -> int:
    """1..high, each magnitude as likely as another."""
    return min(high, int(2 ** rng.uniform(0, high.bit_length())))


def made_up(rng: random.Random) -> bytes:
    """Any head that is valid in itself, with proper weights, and noise, nothing or proper latents behind."""
    levels = rng.randint(1, 12)
    grids = tuple(sorted((spread(rng, 8) for _ in range(levels)), reverse=True))
    channels = rng.choice([1, 3])
    layers = [
        layer(spread(rng, 256), rng.choice([1, 3]), rng.random() < 0.5)
        for _ in range(rng.choice([0, 0, 1, 1, 2, 7]))
    ]
    hidden = tuple(spread(rng, 128) for _ in range(rng.choice([0, 1, 2, 2, 8])))
    architecture = Architecture(
        spread(rng, 1024),
        spread(rng, 1024),
        channels,
        grids,
        hidden,
        (*layers, layer(channels, rng.choice([1, 3]), False)),
    )
    classes = spread(rng, 300)
    counts = []
    for _ in range(spread(rng, 300)):
        same = (spread(rng, 1 << rng.randrange(1, 16)),) * classes
        row = tuple(spread(rng, 50) - 1 for _ in range(classes))
        counts.append(row if rng.random() < 0.3 and len(set(row)) > 1 else same)
    share = rng.choice(["dataset", "class"])
    if rng.random() < 0.9:
        counts = fitting(architecture, counts, share, int(limits.WORK * 2 ** rng.uniform(-10, 0)))
    try:
        bitstream.check_limits(architecture, tuple(counts), share)
        whole = rng.random() < 0.5
        shown = counts if whole else [(0,) * classes]
        payload = random_payload(architecture, shown, seed=rng.randrange(1 << 32), share=share, latents=0.5)
        if whole:
            return bitstream.encode(payload)
        weights = Encoder()
        for group in payload.groups:
            code_group(weights, architecture, group, Place("weights"))
        stream = weights.finish()
    except FormatError:
        stream = rng.randbytes(40)
    head = Head(
        architecture,
        Recipe(mean=(1,) * channels, std=(1,) * channels),
        tuple(f"{k:x}" for k in range(classes)),
        "class" if share == "class" else "dataset",
        rng.choice([0, 1, 127, 32767, 32767, 32767]),
        tuple(counts),
        "hard",
    )
    writer = Writer("head")
    code_head(writer, head)
    fillers = (b"\0\0\0\1", b"\xff\xff\xff\x7f", b"")

    def words(most: int) -> bytes:
        filler = rng.choice(fillers)
        count = spread(rng, most)
        return filler * count if filler else rng.randbytes(4 * count - 1) + b"\1"

    segments = [(4, b"sum?" + words(200)) for _ in counts]
    return join([(1, bytes(writer.data)), (2, stream), *segments])


def label_networks(rng: random.Random) -> bytes:
    """The section of a label network edited, or one made up, behind right lengths and checksums."""
    if rng.random() < 0.95:
        sections = split(rng.choice(labelled_victims()))
        at = next(i for i, (tag, _) in enumerate(sections) if tag == container.LABELS)
        sections[at] = (container.LABELS, edited(rng, sections[at][1], rng.randint(1, 3)))
        return join(sections)
    while True:
        height, width, channels = size = (spread(rng, 1024), spread(rng, 1024), rng.choice([1, 3]))
        classes = spread(rng, 30) + 1
        layers: list[LabelLayer] = []
        before = channels
        for _ in range(rng.choice([1, 2, 3, 4, 16])):
            residual = bool(layers) and rng.random() < 0.3
            before = before if residual else spread(rng, 512)
            layers.append(LabelLayer(before, rng.random() < 0.5, residual))
        try:
            code_fields(Writer("labels"), size, classes, LabelNetwork(tuple(layers), (), 32, ViewRecipe()))
        except FormatError:
            continue
        architecture = Architecture(height, width, channels, (1,), (), (layer(channels, 1, relu=False),))
        payload = random_payload(architecture, [(1,) * classes], seed=rng.randrange(1 << 32))
        return bitstream.encode(
            random_labels(payload, tuple(layers), seed=rng.randrange(1 << 32), spread=0.3)
        )


def fitting(
    architecture: Architecture, counts: list[tuple[int, ...]], share: str, work: int
) -> list[tuple[int, ...]]:
    """Segments and images halved until the format takes them and so much work will do, if they ever do."""
    while True:
        try:
            bitstream.check_limits(architecture, tuple(counts), share)
            if limits.work(architecture, tuple(counts), share) <= work:
                return counts
        except FormatError:
            pass
        smaller = [
            tuple(n if n < 2 else n // 2 for n in row) for row in counts[: max(1, len(counts) * 3 // 4)]
        ]
        if smaller == counts:
            return counts
        counts = [row if len(set(row)) > 1 or row[0] else (1,) * len(row) for row in smaller]


KINDS = {raw: 270, resealed: 360, header: 266, label_networks: 100, made_up: 3, extreme: 1}  # of 1000


def make(seed: int, number: int) -> tuple[str, bytes]:
    """Kind and bytes of one case."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    return kind.__name__, kind(rng)
