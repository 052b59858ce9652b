"""Valid files that ask for as much as a strict reader allows, each in another respect.

``benchmarks/extremes.py`` measures them; ``fuzz.py`` takes one now and then.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
from golden_payloads import join, layer, quiet_group, random_payload, split, varint

from rudcodec import bitstream
from rudcodec.bitstream import limits
from rudcodec.bitstream.container import METADATA
from rudcodec.bitstream.soft import soft_symbols
from rudcodec.payload import Architecture, Model, Payload, Segment, SoftLabels, SoftScale

Counts = tuple[int, ...]
SMALL = 10**6  # bytes: for smaller files there is a promise of time and memory


def plain(height: int, width: int, grids: tuple[int, ...], hidden: tuple[int, ...] = ()) -> Architecture:
    """Next to no synthesis."""
    return Architecture(height, width, 1, grids, hidden, (layer(1, 1, False),))


def wide(height: int, width: int, kernel: int = 3, channels: int = 256, layers: int = 7) -> Architecture:
    """The largest synthesis network, unless it is to have fewer channels or layers."""
    synthesis = (*[layer(channels, kernel)] * layers, layer(1, kernel, False))
    return Architecture(height, width, 1, (1,), (), synthesis)


PIXEL = plain(1, 1, (1,))
WIDE_CONTEXT = (128,) * 8


def quiet_model(architecture: Architecture, groups: int | None = None, double: bool = False) -> Model:
    """All zeros; ``groups``: the classes 0, 1, ... that have one each, None: one for all."""
    group = quiet_group(architecture, double)
    return Model(architecture, (group,) * (groups or 1), None if groups is None else tuple(range(groups)))


def quiet_segment(model: Model, counts: Counts, number: int = 0, order: Counts | None = None) -> Segment:
    """Zeros, which take next to no bytes."""
    a, images = model.architecture, sum(counts)
    levels = zip(limits.level_sizes(a), a.grids, strict=True)
    grids = tuple(
        np.zeros((images, *size), np.int32) for size, components in levels for _ in range(components)
    )
    return Segment(counts, grids, None, number, order)


def cost(payload: Payload, segment: Segment) -> int:
    """The work of a segment."""
    model = payload.models[segment.model]
    groups = 1 if model.classes is None else sum(count > 0 for count in segment.counts)
    classes = len(payload.classes)
    symbols = soft_symbols(payload.soft, classes)
    return limits.segment_work(model.architecture, sum(segment.counts), groups, classes, symbols)


def payload_of(
    models: Sequence[Model], segments: Sequence[Segment], classes: int = 1, soft: SoftScale | None = None
) -> Payload:
    return Payload(tuple(f"{k:x}" for k in range(classes)), tuple(models), tuple(segments), soft=soft)


def images(architecture: Architecture, work: int, double: bool = False) -> Payload:
    """One segment with as many images as so much work allows."""
    model = quiet_model(architecture, double=double)
    fixed = limits.model_work(architecture, 1) + limits.segment_work(architecture, 0, 1, 1)
    count = max(1, (work - fixed) // limits.image_work(architecture))
    return payload_of([model], [quiet_segment(model, (count,))])


def segments(models: Sequence[Model], counts: Sequence[Counts], work: int) -> Payload:
    """Segments of the models in turn, with the counts in turn, as many as so much work allows."""
    classes = len(counts[0])
    made = [
        quiet_segment(models[i % len(models)], own, i % len(models))
        for i, own in zip(range(len(models) * len(counts)), cycle(counts), strict=False)
    ]
    empty = payload_of(models, made, classes)
    each = sum(cost(empty, one) for one in made) / len(made)
    work -= sum(limits.model_work(model.architecture, len(model.groups)) for model in models)
    # a segment's own bytes, 9 at least, pay for some of it
    most = min(int(work / max(1, each - 9 * limits.STRICT_WORK_PER_BYTE)), limits.SEGMENTS, SMALL // 17)
    return payload_of(models, list(islice(cycle(made), max(1, most))), classes)


def steps(work: int, different: int = 1, groups: bool = False) -> Payload:
    """As many steps as there may be, in ``different`` models; ``groups``: of eight sizes."""
    counts = tuple(1 << k for k in range(8)) if groups else (1,)
    tall = plain(1024 // different, 1, (3, 3, 2))
    models = [quiet_model(tall, 8 if groups else None)] * different
    return segments(models, [counts], work)


def refolded(work: int) -> Payload:
    """Large context networks of groups that change from segment to segment, and two models in turn."""
    architecture = plain(1, 1, (1,), WIDE_CONTEXT)
    models = [quiet_model(architecture, 17)] * 2
    return segments(models, [(1,) * 17] * 2 + [(1,) * 16 + (0,)] * 2, work)


def grouped(work: int) -> Payload:
    """An image of each of very many groups in each segment, and two models in turn."""
    groups = limits.GROUPS // 2
    return segments([quiet_model(PIXEL, groups)] * 2, [(1,) * groups], work)


def small_tensors(work: int) -> Payload:
    """As many tensors as there may be."""
    architecture = Architecture(1, 1, 1, (1,), (1,) * 8, (layer(1),) * 7 + (layer(1, 1, False),))
    return segments([quiet_model(architecture, limits.GROUPS)], [(1,) * limits.GROUPS], 1)


def parameters(work: int) -> Payload:
    """As many weights as there may be."""
    architecture = plain(1, 1, (1,), WIDE_CONTEXT)
    groups = limits.PARAMETERS // limits.parameters(architecture)
    return segments([quiet_model(architecture, groups)], [(1,) * groups], 1)


def many_classes(work: int) -> Payload:
    """As many classes as there may be, one image a segment."""
    return segments([quiet_model(PIXEL)], [(0,) * (limits.CLASSES - 1) + (1,)], work)


def soft(work: int, kept: int, classes: int, architecture: Architecture = PIXEL) -> Payload:
    """Soft labels of some of so many classes, of a single segment."""
    model, scale = quiet_model(architecture), SoftScale(kept, 1, 16)
    symbols = soft_symbols(scale, classes)
    work -= limits.model_work(architecture, 1)
    fixed = limits.segment_work(architecture, 0, 1, classes, symbols)
    each = limits.segment_work(architecture, 1, 1, classes, symbols) - fixed
    # the rank of the first classes is 0
    count = (work - fixed) // each
    bits = symbols - kept
    count = min(count, 8 * SMALL * 9 // 10 // max(1, bits), limits.IMAGES)
    own = quiet_segment(model, (count, *[0] * (classes - 1)))
    others = np.tile(np.arange(1, kept + 1, dtype=np.int32), (count, 1))
    odds = np.zeros((count, kept + (kept < classes - 1)), np.int32)
    labelled = Segment(own.counts, own.latents, SoftLabels(others, odds))
    return payload_of([model], [labelled], classes, scale)


def paid_soft(work: int) -> Payload:
    """As many labels of 4,096 classes as a MB of noise pays for."""
    payload = soft(work + 8 * SMALL // 10 * limits.STRICT_WORK_PER_BYTE, 1, 4096, plain(1, 1, (8,) * 4))
    (segment,) = payload.segments
    rng = np.random.default_rng(0)
    # some 36 bits each
    most = 800 * 8 * SMALL // 1000 // 36 // len(segment.labels)
    noise = [rng.integers(60, 300, grid.shape).astype(np.int32) for grid in segment.latents[:most]]
    grids = (*noise, *segment.latents[len(noise) :])
    return replace(payload, segments=(replace(segment, latents=grids),))


def ancillary(work: int) -> bytes:
    """Nothing but small sections that are skipped."""
    data = bitstream.encode(images(PIXEL, 1))
    sections = split(data)
    return join(sections + [(200, b"")] * ((SMALL - len(data)) // 6 - 1))


def broken_metadata(work: int) -> bytes:
    """Metadata that are found to be unreadable at their end, many times over."""
    data = bitstream.encode(images(PIXEL, 1))
    pairs = b"".join(varint(5) + b"k%04d\0" % k for k in range(2000))
    body = pairs + b"\5"
    return join(split(data) + [(METADATA, body)] * ((SMALL - len(data)) // (len(body) + 8)))


def noise(work: int) -> bytes:
    """Ordinary latents of a bit or two each, as many as fit."""
    architecture = plain(32, 32, (1, 1, 1))
    payload = random_payload(architecture, [(1200,)] * 4, seed=1, latents=0.6, weights=0)
    data = bitstream.encode(payload)
    assert len(data) < 2 * SMALL
    return bitstream.truncate(data, bpc=8 * SMALL).data


def runs(work: int) -> Payload:
    """Long lists of runs, from the last class to the first."""
    model, length = quiet_model(PIXEL), 5000
    counts = (0,) * (limits.CLASSES - length) + (1,) * length
    order = tuple(range(limits.CLASSES - 1, limits.CLASSES - 1 - length, -1))
    segment = quiet_segment(model, counts, 0, order)
    return payload_of([model], [segment] * (600_000 // (4 * length)), limits.CLASSES)


def paid(architecture: Architecture, work: int) -> Payload:
    """As many images of a MB as so much work, and what their bytes pay for, allows: some latents are 1."""
    size = 9 * SMALL // 10
    payload = images(architecture, work + size * limits.STRICT_WORK_PER_BYTE, double=True)
    (segment,) = payload.segments
    rng, latents = np.random.default_rng(0), sum(grid[0].size for grid in segment.latents)
    chance = 8 * size / latents / len(segment.labels) / 12.5  # bits that a 1 takes
    grids = tuple((rng.random(grid.shape) < chance).astype(np.int32) for grid in segment.latents)
    return replace(payload, segments=(replace(segment, latents=grids),))


SHAPES: dict[str, Callable[[int], Payload | bytes]] = {
    "load1: 1x1, wide 3x3": lambda w: images(wide(1, 1), w),
    "load1 double": lambda w: images(wide(1, 1), w, True),
    "1x1, wide 1x1 double": lambda w: images(wide(1, 1, 1), w, True),
    "2x2, wide 3x3 double": lambda w: images(wide(2, 2), w, True),
    "million1: 1x1": lambda w: images(PIXEL, w),
    "1x1, 96 grids": lambda w: images(plain(1, 1, (8,) * 12), w),
    "one64: 64x64, wide 3x3": lambda w: images(wide(64, 64), w),
    "one64 double": lambda w: images(wide(64, 64), w, True),
    "64x64, wide 1x1 double": lambda w: images(wide(64, 64, 1), w, True),
    "1024x1024, thin 3x3 double": lambda w: images(wide(1024, 1024, 3, 1), w, True),
    "1024x1024, 32 channels double": lambda w: images(wide(1024, 1024, 1, 32, 4), w, True),
    "1024x1024, 22 grids": lambda w: images(plain(1024, 1024, (2,) * 11), w),
    "1024x1024, thin 3x3 double, 1 MB": lambda w: paid(wide(1024, 1024, 3, 1), w),
    "8x8, thin 3x3 double": lambda w: images(wide(8, 8, 3, 1), w, True),
    "32x32, wide context": lambda w: images(plain(32, 32, (8,) * 6, WIDE_CONTEXT), w),
    "32x32, wide context double": lambda w: images(plain(32, 32, (8,) * 6, WIDE_CONTEXT), w, True),
    "32x32, thin context x8": lambda w: images(plain(32, 32, (8,) * 6, (1,) * 8), w),
    "32x32, 48 grids": lambda w: images(plain(32, 32, (8,) * 6), w),
    "steps": steps,
    "steps, 2 models": lambda w: steps(w, 2),
    "steps, 8 models": lambda w: steps(w, 8),
    "steps, 8 groups": lambda w: steps(w, 1, True),
    "segA64: segments 1x1, wide 3x3": lambda w: segments([quiet_model(wide(1, 1))], [(1,)], w),
    "segments 1x1": lambda w: segments([quiet_model(PIXEL)], [(1,)], w),
    "segments 1x1, 2 models": lambda w: segments([quiet_model(PIXEL)] * 2, [(1,)], w),
    "segments 1x1, wide 3x3, 2 models": lambda w: segments([quiet_model(wide(1, 1, 3, 128))] * 2, [(1,)], w),
    "segments 1x1, 1024 models": lambda w: segments([quiet_model(PIXEL)] * 1024, [(1,)], w),
    "refolded": refolded,
    "grouped": grouped,
    "small tensors": small_tensors,
    "parameters": parameters,
    "many classes": many_classes,
    "soft20": lambda w: soft(w, 16, 17),
    "soft of 2": lambda w: soft(w, 1, 2),
    "soft4096": lambda w: soft(w, 1, 4096),
    "soft4096, 1 MB": paid_soft,
    "soft65535": lambda w: soft(w, 1, 65535),
    "ancillary": ancillary,
    "broken metadata": broken_metadata,
    "noise": noise,
    "runs": runs,
}


def data_of(name: str, work: int) -> bytes:
    """The file of a shape with so much work, about."""
    made = SHAPES[name](work)
    return made if isinstance(made, bytes) else bitstream.encode(made)


def extreme(rng: random.Random) -> bytes:
    """One of them, with as much work as there may be, or less."""
    return data_of(rng.choice(list(SHAPES)), int(limits.WORK * rng.choice([1, 1, 0.25, 0.01])))
