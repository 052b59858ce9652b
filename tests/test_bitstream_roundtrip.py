"""What goes into a file comes out of it; sizes are what the model says; the rest is refused when writing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference_decoder
from click.testing import CliRunner
from golden_payloads import layer, random_payload, small_payload
from hypothesis import given, settings
from hypothesis import strategies as st

from rudcodec import DataError, FormatError, bitstream
from rudcodec.cli.main import main
from rudcodec.payload import (
    AUGMENTATIONS,
    Architecture,
    Group,
    Payload,
    QLayer,
    QTensor,
    Recipe,
    Segment,
    SynthesisLayer,
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    channels = draw(st.sampled_from([1, 3]))
    grids = sorted(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)), reverse=True)
    before = sum(grids)
    layers: list[SynthesisLayer] = []
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.sampled_from([2, 5, before]))
        residual = bool(layers) and out == before and draw(st.booleans())
        layers.append(layer(out, draw(st.sampled_from([1, 3])), draw(st.booleans()), residual))
        before = out
    residual = bool(layers) and before == channels and draw(st.booleans())
    layers.append(layer(channels, draw(st.sampled_from([1, 3])), False, residual))
    hidden = tuple(draw(st.lists(st.integers(1, 6), max_size=2)))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return Architecture(height, width, channels, tuple(grids), hidden, tuple(layers))


@st.composite
def recipes(draw: st.DrawFn, channels: int) -> Recipe:
    grey = st.integers(1, 255)
    decimals = st.builds(
        lambda digits, places: float(f"{digits}e-{places}"), st.integers(0, 10**9 - 1), st.integers(0, 9)
    )
    chosen = draw(st.sets(st.sampled_from(AUGMENTATIONS)))
    return Recipe(
        mean=tuple(draw(grey) for _ in range(channels)),
        std=tuple(draw(grey) for _ in range(channels)),
        augment=tuple(name for name in AUGMENTATIONS if name in chosen),
        optimizer=draw(st.sampled_from(["sgd", "adamw", "muon"])),
        steps=draw(st.integers(1, 10**9)),
        batch=draw(st.integers(1, 10**9)),
        lr=draw(decimals),
        weight_decay=draw(decimals),
        momentum=draw(decimals),
    )


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    architecture = draw(architectures())
    classes = draw(st.integers(1, 4))
    row = st.tuples(*[st.integers(0, 3)] * classes).filter(any)
    return random_payload(
        architecture,
        draw(st.lists(row, min_size=1, max_size=3)),
        seed=draw(st.integers(0, 2**32)),
        share=draw(st.sampled_from(["dataset", "class"])),
        weights=draw(st.sampled_from([0.0, 1.0, 8.0, 60.0, 3000.0])),
        latents=draw(st.sampled_from([0.0, 0.3, 4.0, 100.0, 30000.0])),
        exponent=draw(st.integers(0, 15)),
        recipe=draw(recipes(architecture.channels)),
    )


def tensors(payload: Payload) -> list[QTensor]:
    layers = [layer for group in payload.groups for layer in (*group.context, *group.synthesis)]
    return [tensor for layer in layers for tensor in (layer.weight, layer.bias)]


def assert_same(a: Payload, b: Payload) -> None:
    assert (a.architecture, a.classes, a.share, a.recipe) == (b.architecture, b.classes, b.share, b.recipe)
    assert len(a.groups) == len(b.groups) and len(a.segments) == len(b.segments)
    for x, y in zip(tensors(a), tensors(b), strict=True):
        assert x.exponent == y.exponent and x.values.dtype == y.values.dtype == np.int32
        np.testing.assert_array_equal(x.values, y.values)
    for s, t in zip(a.segments, b.segments, strict=True):
        assert s.counts == t.counts
        for p, q in zip(s.latents, t.latents, strict=True):
            assert q.dtype == np.int32
            np.testing.assert_array_equal(p, q)


@settings(max_examples=60, deadline=None)
@given(payloads())
def test_round_trip(payload: Payload) -> None:
    data = bitstream.encode(payload)
    assert bitstream.encoded_size(payload) == len(data)
    decoded, images = bitstream.decode_images(data)
    assert_same(payload, decoded)
    np.testing.assert_array_equal(images, bitstream.synthesize(payload))
    assert len(images) == len(bitstream.hard_labels(payload)) == sum(sum(s.counts) for s in payload.segments)


@settings(max_examples=20, deadline=None)
@given(payloads())
def test_reference_decoder_gives_the_same_pixels(payload: Payload) -> None:
    """Integers against floats: single and double precision, shared and batched networks."""
    data = bitstream.encode(payload)
    _, pixels, labels = reference_decoder.decode(data)
    assert b"".join(pixels) == bitstream.synthesize(payload).tobytes()
    assert labels == bitstream.hard_labels(payload).tolist()


@settings(max_examples=25, deadline=None)
@given(payloads())
def test_size_is_near_the_ideal_and_fully_explained(payload: Payload) -> None:
    data = bitstream.encode(payload)
    description = bitstream.describe(data)
    rows, parts = description.rows, description.parts
    at = 0
    for row in rows:
        assert row.offset == at and row.bytes > 0
        at += row.bytes
    assert at == len(data)
    streams = sum(row.bytes for row in rows if "latents of" in row.note or "parameters" in row.note)
    ideal = sum(part.bits for part in parts) / 8
    # no lower bound: a stream along the edge of the coder's interval leaves out its last words
    assert streams <= 1.005 * ideal + 8 * (1 + len(payload.segments))
    latents = sum(grid.size for segment in payload.segments for grid in segment.latents)
    weights = sum(tensor.values.size for tensor in tensors(payload))
    assert sum(part.symbols for part in parts) == latents + weights
    assert parts == bitstream.code_length(payload)


def test_a_file_of_ordinary_size_is_near_the_ideal(tmp_path: Path) -> None:
    """Half a percent and 64 bytes, framing and checksums of one segment included; info says both."""
    architecture = Architecture(16, 16, 3, (2, 2, 1), (8,), (layer(8), layer(8, 3), layer(3, 3, relu=False)))
    payload = random_payload(architecture, [(10, 10)], seed=3)
    data = bitstream.encode(payload)
    head = sum(row.bytes for row in bitstream.describe(data).rows if row.section == "head")
    ideal = sum(part.bits for part in bitstream.code_length(payload)) / 8
    assert len(data) - head <= 1.005 * ideal + 64
    assert len(data) >= ideal
    (tmp_path / "set.rud").write_bytes(data)
    result = CliRunner().invoke(main, ["info", str(tmp_path / "set.rud"), "--bits", "--json"])
    facts = json.loads(result.stdout)
    assert facts["bytes"] == len(data)
    assert sum(part["bits"] for part in facts["ideal"]) == pytest.approx(8 * ideal)
    result = CliRunner().invoke(main, ["info", str(tmp_path / "set.rud"), "--bits"])
    assert f"{8 * len(data):,}" in result.stdout.splitlines()[-1]


def test_images_do_not_depend_on_their_neighbours() -> None:
    """The same image alone, among others, and in another segment."""
    architecture = Architecture(9, 7, 3, (2, 1), (4,), (layer(5, 3), layer(3, 3, relu=False)))
    whole = random_payload(architecture, [(40, 7)], seed=5)
    images = bitstream.synthesize(whole)
    latents = whole.segments[0].latents
    for start, stop in ((0, 1), (13, 40), (40, 47)):
        counts = (stop - start, 0) if stop <= 40 else (0, stop - start)
        part = replace(whole, segments=(Segment(counts, tuple(grid[start:stop] for grid in latents)),))
        np.testing.assert_array_equal(bitstream.decode_images(bitstream.encode(part))[1], images[start:stop])


def test_segments_hold_their_images_in_order() -> None:
    payload = random_payload(Architecture(3, 3, 1, (1,), (), (layer(1, 1, False),)), [(2, 1), (1, 3)], seed=1)
    assert bitstream.hard_labels(payload).tolist() == [0, 0, 1, 0, 1, 1, 1]
    images = bitstream.synthesize(payload)
    second = replace(payload, segments=payload.segments[1:])
    np.testing.assert_array_equal(images[3:], bitstream.synthesize(second))


def test_encoding_is_deterministic_and_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "set.rud"
    size = bitstream.write(small_payload(), path)
    assert path.read_bytes() == bitstream.encode(small_payload())
    assert size == path.stat().st_size
    assert_same(bitstream.read(path), small_payload())
    with pytest.raises(FormatError):
        bitstream.write(replace(small_payload(), classes=("one",)), path)
    assert path.stat().st_size == size
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.rud"]


def test_what_a_killed_writer_left_goes_away(tmp_path: Path) -> None:
    others = {".set1.rud.a1b2_c3d.rudcodec-tmp", ".set[1].rud.old", ".set[1].rud.a1b2_c3d"}
    for name in (".set[1].rud.a1b2_c3d.rudcodec-tmp", *others):
        (tmp_path / name).write_bytes(b"half")
    bitstream.write(small_payload(), tmp_path / "set[1].rud")
    assert {entry.name for entry in tmp_path.iterdir()} == {"set[1].rud", *others}


def test_unreadable_and_unwritable_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.rud"):
        bitstream.read(tmp_path / "absent.rud")
    with pytest.raises(DataError, match="nowhere"):
        bitstream.write(small_payload(), tmp_path / "nowhere" / "set.rud")


def with_tensor(payload: Payload, tensor: QTensor) -> Payload:
    group = payload.groups[0]
    first = QLayer(tensor, group.context[0].bias)
    return replace(payload, groups=(Group((first, *group.context[1:]), group.synthesis),))


def with_architecture(payload: Payload, **changes: object) -> Payload:
    return replace(payload, architecture=replace(payload.architecture, **changes))  # type: ignore[arg-type]


def with_recipe(payload: Payload, **changes: object) -> Payload:
    return replace(payload, recipe=replace(payload.recipe, **changes))  # type: ignore[arg-type]


SMALL = small_payload()
WEIGHT = SMALL.groups[0].context[0].weight
LATENTS = SMALL.segments[0].latents
REFUSED = [
    ("height is 0", with_architecture(SMALL, height=0)),
    ("width is 2000", with_architecture(SMALL, width=2000)),
    ("channels is 2", with_architecture(SMALL, channels=2)),
    ("components of level 1", with_architecture(SMALL, grids=(1, 2))),
    ("width of context layer 0", with_architecture(SMALL, context_hidden=(1000,))),
    ("kernel of synthesis layer 0", with_architecture(SMALL, synthesis=(layer(3, 5, False),))),
    ("can't be residual", with_architecture(SMALL, synthesis=(layer(3, 3, False, True),))),
    ("3 channels and no ReLU", with_architecture(SMALL, synthesis=(layer(4, 3, False),))),
    ("no ReLU", with_architecture(SMALL, synthesis=(layer(3, 3, True),))),
    ("must have the shapes", with_architecture(SMALL, height=5)),
    ("mean and std", with_recipe(SMALL, mean=(1,))),
    ("augment is", with_recipe(SMALL, augment=("flip", "color"))),
    ("optimizer is", with_recipe(SMALL, optimizer="lbfgs")),
    ("learning rate is", with_recipe(SMALL, lr=float("nan"))),
    ("learning rate is", with_recipe(SMALL, lr=1 / 3)),
    ("decimal places", with_recipe(SMALL, weight_decay=1e-30)),
    ("steps is 0", with_recipe(SMALL, steps=0)),
    ("used twice", replace(SMALL, classes=("a", "a"))),
    ("control characters", replace(SMALL, classes=("a", "b\n"))),
    ("length of name", replace(SMALL, classes=("a", "x" * 300))),
    ("length of name of class 0", replace(SMALL, classes=("", "x"))),
    ("not valid Unicode", replace(SMALL, classes=("a", "\ud800"))),
    ("counts for 3 classes", replace(SMALL, classes=("a", "b", "c"))),
    ("share is", replace(SMALL, share="pair")),  # type: ignore[arg-type]
    ("1 groups, must be 2", replace(SMALL, share="class")),
    ("number of segments", replace(SMALL, segments=())),
    ("is empty", replace(SMALL, segments=(Segment((0, 0), tuple(grid[:0] for grid in LATENTS)),))),
    ("must be integers", replace(SMALL, segments=(Segment((2, 2), tuple(grid * 1.0 for grid in LATENTS)),))),
    ("largest latent", replace(SMALL, segments=(Segment((2, 2), tuple(grid + 40000 for grid in LATENTS)),))),
    ("must be integers of shape", with_tensor(SMALL, QTensor(WEIGHT.values[:1], 5))),
    ("exponent of weight", with_tensor(SMALL, QTensor(WEIGHT.values, 16))),
    ("values beyond", with_tensor(SMALL, QTensor(WEIGHT.values + 2047, 5))),
    ("bias of context layer 0 has exponent", with_tensor(SMALL, QTensor(WEIGHT.values, 0))),
    (
        "synthesis network has 1 layers",
        replace(SMALL, groups=(Group(SMALL.groups[0].context, SMALL.groups[0].synthesis[:1]),)),
    ),
]


@pytest.mark.parametrize(("reason", "payload"), REFUSED, ids=[reason for reason, _ in REFUSED])
def test_what_the_format_cannot_express_is_refused(reason: str, payload: Payload) -> None:
    with pytest.raises(FormatError) as caught:
        bitstream.encode(payload)
    assert reason in str(caught.value)
    assert caught.value.offset == -1


def test_limits_are_the_same_for_both_sides() -> None:
    architecture = Architecture(1024, 1024, 3, (1, 1), (4,), (layer(3, 3, relu=False),))
    with pytest.raises(FormatError, match="samples, at most"):
        bitstream.check_limits(architecture, ((6, 6),), "dataset")
    bitstream.check_limits(architecture, ((1, 1),), "dataset")
    bitstream.check_limits(architecture, ((6, 6),), "dataset", size=4 << 20)
    wide = replace(architecture, synthesis=(layer(200), layer(3, relu=False)))
    with pytest.raises(FormatError, match="widest layer"):
        bitstream.check_limits(wide, ((1, 1),), "dataset")
