"""Files that must be refused, one rule broken in each; golden_labels and golden_soft have those of LABELS."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from random import Random

import numpy as np
from golden_limits import line, output
from golden_payloads import Victim, join, layer, random_payload, small_payload, varint

from rudcodec import FormatError, bitstream
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.constants import SCALES
from rudcodec.bitstream.container import HEAD, MODEL, SEGMENT, Writer
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.payload import Architecture, ImageShape, Payload

# Offsets in the body of small_payload's HEAD and MODEL.
WIDTH, CHANNELS, CLASSES, FIRST_NAME, SECOND_NAME, SEGMENTS = 1, 2, 3, 4, 12, 20
CODER, SHARING, LEVELS, COMPONENTS, HIDDEN, HIDDEN_WIDTH, LAYERS, FIRST_LAYER, LAST_LAYER = (
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    8,
    10,
)
YMAX, WEIGHTS = 12, 13


def broken_files() -> dict[str, bytes]:
    """Magic, version, order and frames of sections."""
    whole = bitstream.encode(small_payload())
    victim = Victim(whole)
    head, recipe, model, first, second = victim.sections
    at_model = whole.index(model[1]) - 3

    def with_byte(offset: int, value: int) -> bytes:
        return whole[:offset] + bytes([value]) + whole[offset + 1 :]

    return {
        "empty": b"",
        "cut-in-magic": whole[:2],
        "cut-behind-magic": whole[:3],
        "text": b"not a rud file\n",
        "version-1": with_byte(3, 1),
        "version-3": with_byte(3, 3),
        "nothing-behind-version": whole[:4],
        "cut-in-head": whole[:20],
        "cut-in-model": whole[: at_model + 40],
        "cut-at-segment": join([head, recipe, model, first]),
        "trailing": whole + b"\0",
        "trailing-ancillary": whole + b"\x80",
        "flipped-head": with_byte(10, whole[10] ^ 1),
        "flipped-recipe": with_byte(whole.index(recipe[1]), 1),
        "flipped-segment": with_byte(len(whole) - 6, whole[-6] ^ 128),
        "no-head": join([recipe, model, first, second]),
        "two-heads": join([head, head, recipe, model, first, second]),
        "ancillary-1025": join([head, *[(200, b"")] * 1024, (200, b"one more"), model, first, second]),
        "ancillary-first": join([recipe, head, model, first, second]),
        "no-model": join([head, recipe, first, second]),
        "model-behind-segment": join([head, recipe, model, first, model, second]),
        "segment-more": join([head, recipe, model, first, second, second]),
        "tag-0": join([head, recipe, model, (0, b""), first, second]),
        "tag-5": join([head, recipe, model, first, (5, b"unknown"), second]),
        "length-not-shortest": whole[: at_model + 1]
        + bytes([whole[at_model + 1], whole[at_model + 2] | 128, 0])
        + whole[at_model + 3 :],
        "length-beyond": whole[: at_model + 1] + varint((1 << 30) + 1) + whole[at_model + 3 :],
        "length-endless": whole[: at_model + 1] + b"\xff" * 9,
    }


def broken_heads() -> dict[str, bytes]:
    victim = Victim(bitstream.encode(small_payload()))

    def edited(offset: int, old: int, *new: int) -> bytes:
        return victim.edited(HEAD, offset, old, *new)

    many = varint(257) + b"".join(b"\3%03d" % k for k in range(257))
    return {
        "height-0": edited(0, 1, 0),
        "width-2000": edited(WIDTH, 1, *varint(2000)),
        "two-channels": edited(CHANNELS, 1, 2),
        "four-channels": edited(CHANNELS, 1, 4),
        "long-number": edited(0, 1, 0x84, 0),
        "endless-number": edited(0, 1, *[0xFF] * 9),
        "no-classes": edited(CLASSES, 1, 0),
        "classes-65536": edited(CLASSES, 1, *varint(65536)),
        "name-empty": edited(FIRST_NAME, 8, 0),
        "name-256": edited(FIRST_NAME, 8, *varint(256), *b"n" * 256),
        "name-twice": edited(SECOND_NAME + 7, 1, ord("0")),
        "name-not-utf8": edited(FIRST_NAME + 3, 1, 0xFF),
        "name-control": edited(FIRST_NAME + 3, 1, 7),
        "name-cut": victim.with_body(HEAD, victim.body(HEAD)[: SECOND_NAME + 3]),
        "no-segments": edited(SEGMENTS, 1, 0),
        "segments-65536": edited(SEGMENTS, 1, *varint(65536)),
        # 257 * 65535 counts are more than 2^24
        "counts": victim.with_body(HEAD, victim.body(HEAD)[:CLASSES] + many + varint(65535)),
        "head-too-long": victim.with_body(HEAD, victim.body(HEAD) + b"\0"),
        "head-too-short": victim.with_body(HEAD, victim.body(HEAD)[:-1]),
    }


def broken_models() -> dict[str, bytes]:
    victim = Victim(bitstream.encode(small_payload()))

    def edited(offset: int, old: int, *new: int) -> bytes:
        return victim.edited(MODEL, offset, old, *new)

    return {
        "coder-0": edited(CODER, 1, 0),
        "coder-2": edited(CODER, 1, 2),
        "sharing-3": edited(SHARING, 1, 3),
        "groups-0": edited(SHARING, 1, 2, 0),
        "groups-3": edited(SHARING, 1, 2, 3),
        "group-class-2": edited(SHARING, 1, 2, 2, 0, 2),
        "group-class-twice": edited(SHARING, 1, 2, 2, 1, 1),
        "no-levels": edited(LEVELS, 1, 0),
        "levels-13": edited(LEVELS, 1, 13),
        "components-9": edited(COMPONENTS, 1, 9),
        "growing-grids": edited(COMPONENTS + 1, 1, 3),
        "hidden-9": edited(HIDDEN, 1, 9),
        "wide-context": edited(HIDDEN_WIDTH, 1, *varint(129)),
        "no-layers": edited(LAYERS, 1, 0),
        "layers-9": edited(LAYERS, 1, 9),
        "channels-257": edited(FIRST_LAYER, 1, *varint(257)),
        "shape-of-layer": edited(FIRST_LAYER + 1, 1, 8),
        "residual-first": edited(FIRST_LAYER + 1, 1, 5),
        "residual-wider": edited(LAST_LAYER + 1, 1, 4),
        "last-channels": edited(LAST_LAYER, 1, 4),
        "relu-last": edited(LAST_LAYER + 1, 1, 2),
        "largest-32768": edited(YMAX, 1, *varint(32768)),
    }


def broken_streams() -> dict[str, bytes]:
    victim = Victim(bitstream.encode(small_payload()))
    model, first, second = victim.body(MODEL), victim.body(SEGMENT), victim.body(SEGMENT, 1)
    weights = model[WEIGHTS:]

    def with_weights(stream: bytes) -> bytes:
        return victim.with_body(MODEL, model[:WEIGHTS] + stream)

    def with_last_word(change: int, extra: bytes = b"") -> bytes:
        word = int.from_bytes(second[-4:], "little") + change
        return victim.with_body(SEGMENT, second[:-4] + word.to_bytes(4, "little") + extra, 1)

    def with_difference(difference: int) -> bytes:
        """The first latent of the only segment differs by this much from what is predicted, 0."""
        other = Victim(bitstream.encode(line([1, 0], output(0, 0))))
        coder = Encoder()
        for value in (difference, 0):
            coder.code(np.array([4 * SCALES + 40]), np.array([value], dtype=np.int32))
        return other.with_body(SEGMENT, other.body(SEGMENT)[:5] + coder.finish())

    def with_weight(value: int) -> bytes:
        """The first weight of all is this one."""
        coder = Encoder()
        coder.number(4, 5)
        coder.number(6, 40)
        coder.code(np.full(63, 4 * SCALES + 40), np.array([value] + [0] * 62, dtype=np.int32))
        return with_weights(coder.finish() + b"\1\1\1\1")

    def noise(reason: str) -> bytes:
        """A file whose weights are the first random words that fail for this reason."""
        for seed in count():
            data = with_weights(Random(seed).randbytes(400))
            try:
                bitstream.decode(data)
            except FormatError as error:
                if reason in error.reason:
                    return data
        raise AssertionError

    return {
        "no-weights": with_weights(b""),
        "odd-weights": with_weights(weights[:-1]),
        "long-weights": with_weights(weights + b"too much"),
        "words-missing": with_weights(weights[:-4]),
        "zero-word": victim.with_body(SEGMENT, first + bytes(4)),
        "impossible-value": victim.with_body(SEGMENT, first[:5] + b"\xff" * 16),
        "word-more": with_last_word(0, b"\1\0\0\0"),
        "last-word-larger": with_last_word(1),
        "difference-131094": with_difference(131094),
        "difference-below": with_difference(-131094),
        "weight-2048": with_weight(2048),
        "weight-below": with_weight(-2048),
        "weight-beyond": noise(" has values beyond "),
        "bias-too-fine": noise(" has exponent "),
        "latent-beyond": victim.edited(MODEL, YMAX, 1, 1),
    }


def broken_segments() -> dict[str, bytes]:
    victim = Victim(bitstream.encode(small_payload()))
    second = victim.body(SEGMENT, 1)
    several = Victim(bitstream.merge([bitstream.encode(small_payload(seed)) for seed in (1, 2)]))
    listed = replace(small_payload(), models=(replace(small_payload().models[0], classes=(0,)),))
    listed = replace(listed, segments=(replace(listed.segments[1], counts=(1, 0)),))
    grouped = Victim(bitstream.encode(listed))

    def counted(*fields: int) -> bytes:
        """The second segment, of one image of class 0, with other fields in front of its digest."""
        return victim.with_body(SEGMENT, bytes(fields) + second[4:], 1)

    return {
        "model-beyond": several.edited(SEGMENT, 0, 1, 2),
        "count-beyond": victim.edited(SEGMENT, 0, 1, *varint((1 << 24) + 1)),
        "count-of-class-beyond": counted(0, 0, *varint((1 << 24) + 1), 0),
        "counts-cut": victim.with_body(SEGMENT, b"\0\0\1"),
        "empty-segment": counted(0, 0, 0, 0),
        "runs-beyond": counted(0, 3, 0, 1, 1, 1),
        "run-class-beyond": counted(0, 1, 2, 1),
        "run-class-twice": counted(0, 2, 0, 1, 0, 1),
        "run-empty": counted(0, 1, 0, 0),
        "run-beyond": counted(0, 1, 0, *varint((1 << 24) + 1)),
        "no-group": grouped.edited(SEGMENT, 2, 2, 0, 1),
        "no-digest": victim.with_body(SEGMENT, second[:7], 1),
        "digest": victim.edited(SEGMENT, 4, 1, second[4] ^ 1, number=1),
        "too-much-work": victim.edited(SEGMENT, 0, 1, *varint(1 << 22)),
        # 300,000 images are fine, but not twice
        "too-much-work-together": Victim(victim.edited(SEGMENT, 0, 1, *varint(150_000))).with_body(
            SEGMENT, varint(150_000) + second[4:], 1
        ),
    }


def beyond_networks() -> dict[str, bytes]:
    """Files that end behind networks that ask for too much."""
    widest = (*[layer(256, 3)] * 7, layer(1, 3, False))
    names = tuple(f"{k:x}" for k in range(1025))
    flat = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
    large = Architecture(1, 1, 1, (8,), (128,) * 8, widest)
    return {
        "groups-1025": _asking([flat], names, shared=False),
        "parameters-beyond": _asking([large], ("a", "b"), shared=False),
        "parameters-beyond-together": _asking([replace(large, grids=(1,), context_hidden=()), large]),
        "widest-beyond": _asking([Architecture(1024, 1024, 1, (1,), (), (layer(33), layer(1, relu=False)))]),
        "models-beyond": _asking([Architecture(1024, 1024, 1, (2,) * 11, (), (layer(1, relu=False),))] * 3),
        "batches-beyond": _asking([Architecture(1024, 1024, 1, (3,) * 10, (), (layer(1, relu=False),))]),
    }


def _asking(architectures: list[Architecture], names: tuple[str, ...] = ("a",), shared: bool = True) -> bytes:
    a = architectures[0]
    shape, sections = ImageShape(a.height, a.width, a.channels), []
    writer = Writer("head")
    code_head(writer, Head(shape, names, 1))
    sections.append((HEAD, bytes(writer.data)))
    for architecture in architectures:
        writer = Writer("model")
        classes = None if shared else tuple(range(len(names)))
        code_model(writer, shape, len(names), ModelFields(architecture, classes, 1))
        sections.append((MODEL, bytes(writer.data) + b"\1\1\1\1"))
    return join(sections)


def three_classes() -> Payload:
    """One segment whose classes lie in the order 2, 0, 1."""
    payload = random_payload(
        Architecture(3, 3, 1, (1,), (), (layer(1, relu=False),)), [(1, 2, 1)], seed=60, latents=8
    )
    (segment,) = payload.segments
    return replace(payload, segments=(replace(segment, order=(2, 0, 1)),))
