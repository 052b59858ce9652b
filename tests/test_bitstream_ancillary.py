"""Sections that may be skipped: whatever they hold and wherever they stand, the pixels are the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from golden_payloads import join, layer, random_labels, random_payload, small_payload, split, varint
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_strategies import payloads

from rudcodec import FormatError, bitstream
from rudcodec.bitstream.container import ANCILLARY, METADATA, MODEL, RECIPE, SEGMENT, VIEWS
from rudcodec.payload import Architecture, LabelLayer, Payload, Recipe, ViewRecipe

Section = tuple[int, bytes]
BODIES = st.binary(max_size=30) | st.binary(max_size=3).map(lambda b: b * 40)


@pytest.mark.slow
@settings(max_examples=60)
@given(payloads(), st.data())
def test_unknown_sections_change_nothing(payload: Payload, data: st.DataObject) -> None:
    """Anywhere behind HEAD, in any number; also in what is made of the file."""
    sections = split(bitstream.encode(payload))
    for _ in range(data.draw(st.integers(1, 4))):
        unknown = data.draw(st.integers(METADATA + 1, 255)), data.draw(BODIES)
        sections.insert(data.draw(st.integers(1, len(sections))), unknown)
    whole, images = bitstream.decode_images(join(sections))
    np.testing.assert_array_equal(images, bitstream.synthesize(payload))
    assert (whole.recipe, whole.metadata) == (payload.recipe, payload.metadata)
    assert (whole.network and whole.network.views) == (payload.network and payload.network.views)
    assert bitstream.encode(whole) == bitstream.encode(payload)
    saved, pixels, lost = bitstream.salvage(join(sections))
    assert not lost and pixels.tobytes() == images.tobytes() and saved.recipe == payload.recipe
    first = split(bitstream.truncate(join(sections), bpc=1e9).data)
    assert first == sections
    skipped = [one for one in sections if one[0] >= ANCILLARY]
    extracted = split(bitstream.extract(join(sections), ipc=10**6))
    assert [one for one in extracted if one[0] >= ANCILLARY] == skipped
    merged = split(bitstream.merge([join(sections), bitstream.encode(payload)]))
    assert [one for one in merged if one[0] > METADATA] == [one for one in skipped if one[0] > METADATA]
    rows = bitstream.describe(join(sections)).rows
    assert sum(row.bytes for row in rows) == len(join(sections))


@settings(max_examples=60)
@given(payloads(), st.data())
def test_known_sections_that_make_no_sense_are_taken_for_absent(
    payload: Payload, data: st.DataObject
) -> None:
    """Or say something else; never an error, never other pixels."""
    sections = [one for one in split(bitstream.encode(payload)) if one[0] not in (RECIPE, VIEWS, METADATA)]
    for _ in range(data.draw(st.integers(1, 3))):
        tag = data.draw(st.sampled_from([RECIPE, VIEWS, METADATA]))
        sections.insert(data.draw(st.integers(1, len(sections))), (tag, data.draw(BODIES)))
    whole, images = bitstream.decode_images(join(sections))
    np.testing.assert_array_equal(images, bitstream.synthesize(payload))
    read = {
        RECIPE: whole.recipe is not None,
        METADATA: bool(whole.metadata),
    }
    reasons = bitstream.parse(join(sections)).ancillary.sections
    for tag, found in read.items():
        used = [reason is None for section, reason in reasons if section.tag == tag]
        assert sum(used) <= 1 and found <= any(used)
    head, pixels, _ = reference_decoder.decode(join(sections))
    assert b"".join(pixels) == images.tobytes()
    if whole.network is not None:
        views = whole.network.views
        assert (head.views is None) == (views is None)


def with_sections(*extra: Section) -> bytes:
    """A file with no other ancillary sections."""
    critical = [one for one in split(bitstream.encode(small_payload())) if one[0] < ANCILLARY]
    return join([critical[0], *extra, *critical[1:]])


@pytest.fixture(scope="module")
def recipe() -> bytes:
    """The body of a RECIPE."""
    (body,) = (body for tag, body in split(bitstream.encode(small_payload())) if tag == RECIPE)
    return body


def found(*extra: Section) -> Recipe | None:
    return bitstream.decode(with_sections(*extra)).recipe


def test_recipes(recipe: bytes) -> None:
    usual = small_payload().recipe
    assert usual is not None
    assert found() is None
    assert found((RECIPE, recipe)) == found((RECIPE, recipe + b"more")) == usual
    for length in range(len(recipe)):
        assert found((RECIPE, recipe[:length])) is None
    # three means, three deviations, augmentations, optimizer, and the numbers behind
    for offset, value in ((3, 0), (6, 64), (7, 3)):
        assert found((RECIPE, recipe[:offset] + bytes([value]) + recipe[offset + 1 :])) is None
    other = recipe[:7] + bytes([1]) + recipe[8:]
    assert found((RECIPE, b""), (RECIPE, other), (RECIPE, recipe)) == replace(usual, optimizer="adamw")
    assert found((RECIPE, recipe), (RECIPE, other)) == usual
    numbers, chance = [10**9, 10**9, 10**9, 10**9, 1000], b"\xff"
    largest = recipe[:8] + b"".join(map(varint, numbers)) + chance
    assert found((RECIPE, largest)) == replace(
        usual, steps=10**9, batch=10**9, lr=1000.0, weight_decay=1000.0, momentum=1.0, cutmix=255
    )
    for i in range(5):
        beyond = [number + (i == j) for j, number in enumerate(numbers)]
        assert found((RECIPE, recipe[:8] + b"".join(map(varint, beyond)) + chance)) is None
    for i in range(2):
        zero = [0 if i == j else number for j, number in enumerate(numbers)]
        assert found((RECIPE, recipe[:8] + b"".join(map(varint, zero)) + chance)) is None


def test_views() -> None:
    architecture = Architecture(4, 4, 1, (1,), (), (layer(1, relu=False),))
    payload = random_labels(random_payload(architecture, [(1,)], seed=1), (LabelLayer(2),), seed=1)
    sections = split(bitstream.encode(payload))
    (at,) = (i for i, (tag, _) in enumerate(sections) if tag == VIEWS)
    body = sections[at][1]

    def views(body: bytes) -> ViewRecipe | None:
        labels = bitstream.decode(join([*sections[:at], (VIEWS, body), *sections[at + 1 :]])).network
        assert labels is not None
        return labels.views

    assert views(body) == views(body + b"\0") == views(body + b"\0more") == ViewRecipe()
    assert views(body + b"\xff") == views(body + b"\xffmore") == ViewRecipe(sharpen=255)
    for length in range(len(body)):
        assert views(body[:length]) is None
    # zoom_min, zoom_max, shift, rotate, flip, contrast, brightness, mixup, cutmix
    for offset, value in ((0, 0), (0, 78), (1, 44), (1, 128), (2, 65), (4, 2), (7, 217), (8, 217)):
        assert views(body[:offset] + bytes([value]) + body[offset + 1 :]) is None, offset
    for offset, value in ((0, 77), (1, 127), (2, 64), (3, 255), (5, 255), (6, 255), (7, 216), (8, 216)):
        assert views(body[:offset] + bytes([value]) + body[offset + 1 :]) is not None, offset
    without = bitstream.decode(join([one for one in sections if one[0] != VIEWS])).network
    assert without is not None and without.views is None


def metadata(*bodies: bytes) -> dict[str, str]:
    return bitstream.decode(with_sections(*((METADATA, body) for body in bodies))).metadata


def text(value: str) -> bytes:
    raw = value.encode()
    return varint(len(raw)) + raw


def test_metadata() -> None:
    good = text("œ") + text("") + text("name") + text("v" * 4096)
    assert metadata(good) == {"œ": "", "name": "v" * 4096}
    assert metadata() == metadata(b"") == {}
    for bad in (
        text("") + text("x"),
        text("k" * 65) + text("x"),
        text("k") + text("v" * 4097),
        text("k") + text("a\x1b[2J"),
        text("k\n") + text("x"),
        text("k\x9b") + text("x"),
        text("k") + varint(1) + b"\xff",
        text("k") + text("x") + text("k") + text("y"),
        text("k"),
        text("k") + varint(5) + b"four",
        good + b"\0",
        b"".join(text(f"{i:02}") + text("v" * 4090) for i in range(17)),
    ):
        assert metadata(bad) == {}
        assert metadata(bad, text("k") + text("later")) == {"k": "later"}
    assert metadata(good, text("k") + text("later")) == metadata(good)
    # one that can be read, and says nothing, is the first, too
    assert metadata(b"", text("k") + text("later")) == {}


def test_without_a_label_network_its_recipe_and_views_go() -> None:
    """Also those that a newer version has written; nothing else does."""
    payload = small_payload()
    labelled = random_labels(payload, (LabelLayer(2),), seed=1)
    head, *rest = split(bitstream.encode(labelled))
    newer = [(RECIPE, b"newer"), (VIEWS, b""), (200, b"unknown"), (METADATA, b"\0")]
    hard = split(bitstream.extract(join([head, *newer, *rest]), hard=True))
    assert [tag for tag, _ in hard].count(RECIPE) == 1 and (RECIPE, b"newer") not in hard
    assert not any(tag == VIEWS for tag, _ in hard)
    assert set(newer[2:]) <= set(hard)
    assert bitstream.decode(join(hard)).metadata == labelled.metadata


def test_frames_and_checksums_are_held_to_the_rules() -> None:
    whole = with_sections((200, b"not known"))
    at = whole.index(b"not known")
    for offset, reason in ((at, "checksum"), (at - 2, "checksum"), (at + 9, "checksum")):
        damaged = bytearray(whole)
        damaged[offset] ^= 1
        with pytest.raises(FormatError, match=reason):
            bitstream.decode(bytes(damaged))
    sections = split(whole)
    with pytest.raises(FormatError, match="head, byte 4"):
        bitstream.decode(join([sections[1], sections[0], *sections[2:]]))
    for tag in (0, 5, 127):
        with pytest.raises(FormatError, match=f"tag {tag}$"):
            bitstream.decode(join([*sections[:2], (tag, b""), *sections[2:]]))


@settings(max_examples=60)
@given(payloads(), st.data())
def test_without_its_last_segments_a_file_is_a_file(payload: Payload, data: st.DataObject) -> None:
    """However many go: HEAD says how many are left, models that they alone use go, too, and all else is as it
    was, ancillary sections too."""
    sections = split(bitstream.encode(payload))
    for _ in range(data.draw(st.integers(0, 3))):
        extra = data.draw(st.integers(ANCILLARY, 255)), data.draw(BODIES)
        sections.insert(data.draw(st.integers(1, len(sections))), extra)
    whole = join(sections)
    images = bitstream.synthesize(payload)
    total = len(payload.segments)
    ends = np.cumsum([sum(segment.counts) for segment in payload.segments])
    for count in range(1, total + 1):
        short = bitstream.truncate(whole, ipc=ends[count - 1] / len(payload.classes) * (1 + 1e-9))
        assert short.segments == count
        part, pixels = bitstream.decode_images(short.data)
        np.testing.assert_array_equal(pixels, images[: ends[count - 1]])
        left = split(short.data)
        dropped = sum(tag == 4 for tag, _ in sections) - count
        kept = [one for one in sections[1:] if one[0] not in (MODEL, SEGMENT)]
        assert [one for one in left[1:] if one[0] not in (MODEL, SEGMENT)] == kept
        assert total - dropped == count == sum(tag == SEGMENT for tag, _ in left)
        used = {segment.model for segment in part.segments}
        assert count == total or used == set(range(len(part.models)))
        assert part.recipe == bitstream.decode(whole).recipe
