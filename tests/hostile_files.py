"""Hostile .rud files for ``fuzz.py``: damaged, edited behind right checksums, or made up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

from golden_payloads import join, layer, quiet_group, random_labels, random_payload, split, varint
from hostile_extremes import extreme, payload_of, quiet_segment

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import limits
from rudcodec.bitstream.container import HEAD, LABELS, METADATA, MODEL, RECIPE, SEGMENT, VIEWS, Writer
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_labels, network_excess
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.bitstream.segments import SegmentFields, code_segment
from rudcodec.payload import (
    Architecture,
    ImageShape,
    Kernel,
    LabelLayer,
    LabelNetwork,
    Model,
    Norm,
    Pool,
)

FOLDER = Path(__file__).parent / "golden"
NUMBERS = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1023, 1024, 65535, 65536, 1 << 20, 1 << 24, 1 << 30, 1 << 34]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
NORMS: tuple[Norm, ...] = get_args(Norm)
POOLS: tuple[Pool | None, ...] = (None, *get_args(Pool))
Counts = tuple[int, ...]


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
        outline = bitstream.parse(data)
        work = sum(
            segment.fields.work(outline.model_fields, outline.soft) for segment in outline.segments.values()
        )
        found += [data] * (5 if work < 1 << 30 else 1)
    return tuple(found)


@cache
def labelled_victims() -> tuple[bytes, ...]:
    """Those of them that have a label network or soft labels."""
    return tuple(data for data in victims() if bitstream.parse(data).label_mode != "hard")


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
        i = rng.randrange(len(sections))
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


def field(rng: random.Random) -> bytes:
    """One field of a section has another value."""
    sections = split(rng.choice(victims()))
    i = rng.randrange(len(sections))
    tag, body = sections[i]
    if not body:
        return join(sections)
    at = rng.randrange(min(len(body), 40)) if rng.random() < 0.7 else rng.randrange(len(body))
    value = varint(rng.choice(NUMBERS)) if rng.random() < 0.5 else bytes([rng.randrange(256)])
    sections[i] = (tag, body[:at] + value + body[at + 1 :])
    return join(sections)


def ancillary(rng: random.Random) -> bytes:
    """Sections that may be skipped, anywhere: unknown ones, known ones of other files, edited ones, noise."""
    sections = split(rng.choice(victims()))
    for _ in range(rng.randint(1, 4)):
        tag = rng.choice([RECIPE, VIEWS, METADATA, METADATA, rng.randrange(128, 256)])
        same = [body for other, body in split(rng.choice(victims())) if other == tag]
        body = same[0] if same else rng.randbytes(rng.randrange(30))
        if rng.random() < 0.5:
            body = edited(rng, body, rng.randint(1, 3))
        sections.insert(rng.randint(1, len(sections)), (tag, body))
    return join(sections)


def merged(rng: random.Random) -> bytes:
    """The models and segments of a victim and of small files of its shape, in one file, then edited."""
    data = rng.choice(victims())
    outline = bitstream.parse(data)
    a = outline.model_fields[0].architecture
    other = replace(a, grids=a.grids[:1], synthesis=(layer(a.channels, rng.choice([1, 3]), False),))
    files = [data]
    if outline.label_mode == "hard":
        for _ in range(rng.randint(1, 2)):
            counts = [(rng.choice([0, 1]), rng.choice([0, 1]), 1) for _ in range(rng.randint(1, 2))]
            share = rng.choice(["dataset", "class"])
            payload = random_payload(other, counts, seed=rng.randrange(9), share=share)
            files.insert(rng.randint(0, len(files)), bitstream.encode(payload))
    else:
        files.append(data)
    whole = bitstream.merge(files)
    if rng.random() < 0.3:
        return whole
    sections = split(whole)
    i = rng.randrange(len(sections))
    sections[i] = (sections[i][0], edited(rng, sections[i][1], rng.randint(1, 3)))
    return join(sections)


def spread(rng: random.Random, high: int) -> int:
    """1..high, each magnitude as likely as another."""
    return min(high, int(2 ** rng.uniform(0, high.bit_length())))


def some_architecture(rng: random.Random, shape: ImageShape) -> Architecture:
    """Any that fits the fields of a MODEL."""
    grids = tuple(sorted((spread(rng, 8) for _ in range(rng.randint(1, 12))), reverse=True))
    layers = [
        layer(spread(rng, 256), rng.choice([1, 3]), rng.random() < 0.5)
        for _ in range(rng.choice([0, 0, 1, 1, 2, 7]))
    ]
    hidden = tuple(spread(rng, 128) for _ in range(rng.choice([0, 1, 2, 2, 8])))
    return Architecture(*shape, grids, hidden, (*layers, layer(shape.channels, rng.choice([1, 3]), False)))


def some_groups(rng: random.Random, classes: int) -> Counts | None:
    """The classes of a model's groups."""
    if rng.random() < 0.5:
        return None
    listed = rng.sample(range(classes), rng.randint(1, classes)) if rng.random() < 0.5 else range(classes)
    return tuple(listed)


def some_segment(rng: random.Random, classes: int, models: Sequence[ModelFields]) -> SegmentFields:
    """Counts of classes that have a group in one of the models."""
    number = rng.randrange(len(models))
    known = models[number].classes or tuple(range(classes))
    counts = [0] * classes
    for k in known:
        counts[k] = spread(rng, 1 << rng.randrange(1, 12)) - (rng.random() < 0.3)
    counts[known[0]] = counts[known[0]] or 1
    order = tuple(k for k in rng.sample(known, len(known)) if counts[k]) if rng.random() < 0.3 else None
    if order is not None and list(order) == sorted(order):
        order = None
    return SegmentFields(tuple(counts), number, order)


def made_up(rng: random.Random) -> bytes:
    """Any fields that are valid in themselves, with proper weights, and noise or nothing behind them."""
    shape = ImageShape(spread(rng, 1024), spread(rng, 1024), rng.choice([1, 3]))
    classes = spread(rng, 300)
    models: list[ModelFields] = []
    while not models or rng.random() < 0.4:
        architecture = some_architecture(rng, shape)
        ymax = rng.choice([0, 1, 127, 32767, 32767, 32767])
        models.append(ModelFields(architecture, some_groups(rng, classes), ymax))
    segments = [some_segment(rng, classes, models) for _ in range(spread(rng, 100))]
    if rng.random() < 0.9:
        segments = fitting(models, segments, int(limits.WORK * 2 ** rng.uniform(-10, 0)))
    names = tuple(f"{k:x}" for k in range(classes))
    writer = Writer("head")
    code_head(writer, Head(shape, names, len(segments)))
    sections = [(HEAD, bytes(writer.data))]
    fillers = (b"\0\0\0\1", b"\xff\xff\xff\x7f", b"")

    def words(most: int) -> bytes:
        filler = rng.choice(fillers)
        count = spread(rng, most)
        return filler * count if filler else rng.randbytes(4 * count - 1) + b"\1"

    for model in models:
        writer = Writer("model")
        code_model(writer, shape, classes, model)
        sections.append((MODEL, bytes(writer.data) + model_stream(shape, model)))
    for segment in segments:
        writer = Writer("segment")
        code_segment(writer, classes, tuple(models), segment)
        sections.append((SEGMENT, bytes(writer.data) + b"sum?" + words(200)))
    return join(sections)


def model_stream(shape: ImageShape, model: ModelFields) -> bytes:
    """Parameters of a model, or noise if they are too many."""
    a = model.architecture
    classes = max(model.classes or (0,)) + 1
    counts = tuple(int(k == (model.classes or (0,))[0]) for k in range(classes))
    try:
        bitstream.check_limits(a, [counts], model.num_groups)
    except FormatError:
        return b"\1\1\1\1" * 10
    whole = Model(a, (quiet_group(a),) * model.num_groups, model.classes)
    data = bitstream.encode(payload_of([whole], [quiet_segment(whole, counts)], classes))
    outline = bitstream.parse(data).models[0]
    return data[outline.stream : outline.section.end]


def fitting(models: Sequence[ModelFields], segments: list[SegmentFields], most: int) -> list[SegmentFields]:
    """As many of the segments, with images halved, as so much work allows; one at least."""
    left = most - sum(limits.model_work(model.architecture, model.num_groups) for model in models)
    kept: list[SegmentFields] = []
    for whole in segments:
        segment = whole
        while True:
            work = segment.work(models, None)
            smaller = tuple(n - n // 2 for n in segment.counts)
            if work <= left or smaller == segment.counts:
                break
            segment = replace(segment, counts=smaller)
        if work <= left or not kept:
            kept.append(segment)
            left -= work
    return kept


def labels(rng: random.Random) -> bytes:
    """The LABELS section edited, or a label network made up, behind right lengths and checksums."""
    if rng.random() < 0.95:
        sections = split(rng.choice(labelled_victims()))
        at = next(i for i, (tag, _) in enumerate(sections) if tag == LABELS)
        sections[at] = (LABELS, edited(rng, sections[at][1], rng.randint(1, 3)))
        return join(sections)
    while True:
        shape = ImageShape(spread(rng, 1024), spread(rng, 1024), rng.choice([1, 3]))
        classes = spread(rng, 30) + 1
        network = LabelNetwork(some_layers(rng, shape.channels), (), 32, None, rng.random() < 0.3)
        try:
            code_labels(Writer("labels"), shape, classes, network)
        except FormatError:
            continue
        if network_excess(network, shape, classes):
            continue
        architecture = Architecture(*shape, (1,), (), (layer(shape.channels, 1, relu=False),))
        payload = random_payload(architecture, [(1,) * classes], seed=rng.randrange(1 << 32))
        payload = random_labels(payload, network.layers, seed=rng.randrange(1 << 32), spread=0.3)
        assert payload.network is not None
        try:
            return bitstream.encode(replace(payload, network=replace(payload.network, mirror=network.mirror)))
        except FormatError:  # a row of weights that sums to too much
            continue


def some_layers(rng: random.Random, channels: int) -> tuple[LabelLayer, ...]:
    """Layers of all kinds."""
    layers: list[LabelLayer] = []
    before = channels
    for _ in range(rng.choice([1, 2, 3, 4, 16])):
        kernel = rng.choice(KERNELS)
        residual = bool(layers) and rng.random() < 0.3
        before = before if residual or kernel == "depthwise" else spread(rng, 512)
        pool, norm = rng.choice(POOLS), rng.choice(NORMS)
        layers.append(LabelLayer(before, pool, residual, kernel, norm, rng.random() < 0.3))
    return tuple(layers)


KINDS = {
    raw: 240,
    resealed: 320,
    field: 236,
    labels: 100,
    ancillary: 60,
    merged: 40,
    made_up: 3,
    extreme: 1,
}  # of 1000


def make(seed: int, number: int) -> tuple[str, bytes]:
    """Kind and bytes of one case."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    return kind.__name__, kind(rng)
