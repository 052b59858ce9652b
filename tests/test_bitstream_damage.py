"""Whatever the bytes, decoding ends in images or in a FormatError that names section and offset."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from golden_payloads import Victim, join, layer, random_payload, small_payload, split, varint
from hypothesis import given, settings
from hypothesis import strategies as st

from rudcodec import FormatError, bitstream
from rudcodec.bitstream.container import ANCILLARY, HEAD, MODEL, SEGMENT, Writer
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.payload import Architecture, ImageShape

SECTIONS = ("file", "head", "model", "labels", "segment", "ancillary section")


@cache
def victim() -> bytes:
    return bitstream.encode(small_payload())


def outcome(data: bytes) -> str:
    """'ok' or the error's text; anything but a FormatError fails the test that calls."""
    try:
        _, images = bitstream.decode_images(data)
    except FormatError as error:
        refused = error
    else:
        assert images.dtype == np.uint8
        return "ok"
    assert refused.section.startswith(SECTIONS) and 0 <= refused.offset <= len(data)
    assert "\n" not in str(refused) and refused.section in str(refused)
    return str(refused)


def test_every_truncation_is_refused() -> None:
    data = victim()
    outcomes = [outcome(data[:length]) for length in range(len(data))]
    assert "ok" not in outcomes
    assert outcome(data) == "ok"


def test_every_flipped_bit_is_refused() -> None:
    data = victim()
    for at in range(len(data)):
        for bit in range(8):
            damaged = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            assert outcome(damaged) != "ok", (at, bit)


def resealed() -> Iterator[bytes]:
    """Every byte of every section's body changed in three ways, lengths and checksums put right."""
    sections = split(victim())
    for i, (tag, body) in enumerate(sections):
        for at in range(len(body)):
            for value in (body[at] ^ 1, body[at] ^ 128, 255 - body[at]):
                changed = body[:at] + bytes([value]) + body[at + 1 :]
                yield join([*sections[:i], (tag, changed), *sections[i + 1 :]])


def test_changes_behind_right_checksums_end_well() -> None:
    results = [outcome(data) for data in resealed()]
    # recipe and class names may change unnoticed, that is what they are there for; most others may not
    assert 0 < results.count("ok") < len(results) / 3
    assert any("digest" in result for result in results)


def test_sections_cut_or_extended_behind_right_checksums_end_well() -> None:
    sections = split(victim())
    for i, (tag, body) in enumerate(sections):
        for length in range(len(body)):
            data = join([*sections[:i], (tag, body[:length]), *sections[i + 1 :]])
            assert (outcome(data) == "ok") == (tag >= ANCILLARY), (i, length)
        for extra in (b"\0", b"\0\0\0\0", b"\xff\xff\xff\xff", bytes(1000)):
            outcome(join([*sections[:i], (tag, body + extra), *sections[i + 1 :]]))
        assert (outcome(join([*sections[:i], *sections[i + 1 :]])) == "ok") == (tag >= ANCILLARY)


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_random_changes_behind_right_checksums_end_well(randomness: random.Random) -> None:
    sections = split(victim())
    for _ in range(randomness.randint(1, 4)):
        i = randomness.randrange(len(sections))
        tag, body = sections[i]
        at, span = randomness.randrange(len(body) + 1), randomness.randrange(6)
        sections[i] = (tag, body[:at] + randomness.randbytes(randomness.randrange(6)) + body[at + span :])
    assert outcome(join(sections))


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    assert outcome(data) != "ok"
    assert outcome(b"RUD\x02" + data) != "ok"


def test_streams_of_extremes_end_well() -> None:
    whole, outline = Victim(victim()), bitstream.parse(victim())
    model, fields = whole.body(MODEL), outline.models[0].stream - outline.models[0].section.start
    for filler in (b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80"):
        for words in (1, 2, 3, 20, 1000):
            assert outcome(whole.with_body(MODEL, model[:fields] + filler * words)) != "ok"
            for i, segment in outline.segments.items():
                start = segment.digest + 4 - segment.section.start
                body = whole.body(SEGMENT, i)[:start] + filler * words
                assert outcome(whole.with_body(SEGMENT, body, i)) != "ok"
    assert "impossible value" in outcome(whole.with_body(SEGMENT, whole.body(SEGMENT)[:5] + b"\xff" * 8))


@pytest.mark.parametrize(("count", "side"), [(1 << 24, 4), (1 << 22, 1), (3000, 1024), (1 << 30, 1)])
def test_a_small_file_cannot_ask_for_much(count: int, side: int) -> None:
    """More images than the limits allow are refused at the number, before anything is allocated."""
    architecture = Architecture(side, 8, 1, (1, 1), (), (layer(1, relu=False),))
    data = bitstream.encode(random_payload(architecture, [(1,)], seed=1, latents=0))
    whole = Victim(data)
    huge = whole.with_body(SEGMENT, varint(count) + whole.body(SEGMENT)[1:])
    tracemalloc.start()
    text = outcome(huge)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text.startswith("segment 0, byte ") and ("at most" in text or "must be 0" in text)
    assert f"byte {bitstream.parse(data).segments[0].section.start}:" in text
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("architecture", "what"),
    [
        (Architecture(1024, 1024, 1, (1,), (), (layer(33), layer(1, relu=False))), "widest layer"),
        (Architecture(1024, 1024, 1, (5,), (), (layer(1, relu=False),)), "batches of latents"),
    ],
)
def test_networks_cannot_ask_for_much(architecture: Architecture, what: str) -> None:
    """They are refused behind the fields of MODEL, whatever its stream."""
    shape = ImageShape(architecture.height, architecture.width, architecture.channels)
    head, model = Writer("head"), Writer("model")
    code_head(head, Head(shape, ("a",), 1))
    code_model(model, shape, 1, ModelFields(architecture, None, 1))
    text = outcome(join([(HEAD, bytes(head.data)), (MODEL, bytes(model.data) + b"\1\1\1\1")]))
    assert text.startswith("model 0, byte ") and what in text and "at most" in text


def test_one_damaged_segment_is_the_one_named() -> None:
    data = bytearray(victim())
    rows = bitstream.describe(victim()).rows
    for name in ("segment 0", "segment 1", "model 0", "head"):
        body = max((row for row in rows if row.section == name), key=lambda row: row.bytes)
        damaged = bytearray(data)
        damaged[body.offset] ^= 16
        assert outcome(bytes(damaged)).startswith(f"{name}, byte ")
