"""What goes into a file comes out of it; sizes are what the model says; the rest is refused when writing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_decoder
from click.testing import CliRunner
from golden_payloads import layer, random_payload, small_payload
from hypothesis import given, settings
from payload_strategies import payloads

import rudcodec
from rudcodec import DataError, FormatError, bitstream
from rudcodec.bitstream import limits
from rudcodec.cli.main import main
from rudcodec.payload import Architecture, Group, Payload, QLayer, QTensor, Segment


def tensors(payload: Payload) -> list[QTensor]:
    layers = [
        one
        for model in payload.models
        for group in model.groups
        for one in (*group.context, *group.synthesis)
    ]
    layers += payload.network.parameters if payload.network else ()
    found = [tensor for one in layers for tensor in (one.weight, one.scale, one.bias)]
    return [tensor for tensor in found if tensor is not None]


def assert_same(a: Payload, b: Payload) -> None:
    """Of a decoded payload, which has no views where nothing says how they are drawn."""
    assert (a.classes, a.recipe, a.soft, a.metadata) == (b.classes, b.recipe, b.soft, b.metadata)
    assert [(m.architecture, m.classes, len(m.groups)) for m in a.models] == [
        (m.architecture, m.classes, len(m.groups)) for m in b.models
    ]
    assert (a.network is None) == (b.network is None)
    if a.network is not None and b.network is not None:
        for field in ("layers", "temperature", "views", "mirror"):
            assert getattr(a.network, field) == getattr(b.network, field)
    for x, y in zip(tensors(a), tensors(b), strict=True):
        assert x.exponent == y.exponent and x.values.dtype == y.values.dtype == np.int32
        np.testing.assert_array_equal(x.values, y.values)
    for s, t in zip(a.segments, b.segments, strict=True):
        assert (s.counts, s.model, s.order) == (t.counts, t.model, t.order)
        for p, q in zip(s.latents, t.latents, strict=True):
            assert q.dtype == np.int32
            np.testing.assert_array_equal(p, q)
        assert (s.soft is None) == (t.soft is None)
        if s.soft is not None and t.soft is not None:
            np.testing.assert_array_equal(s.soft.others, t.soft.others)
            np.testing.assert_array_equal(s.soft.odds, t.soft.odds)


@settings(max_examples=60)
@given(payloads())
def test_round_trip(payload: Payload) -> None:
    """Several models, classes in any order, all kinds of labels, with and without what may be left out."""
    data = bitstream.encode(payload)
    assert bitstream.encoded_size(payload) == len(data)
    decoded, images = bitstream.decode_images(data)
    assert_same(payload, decoded)
    np.testing.assert_array_equal(images, bitstream.synthesize(payload))
    assert len(images) == len(bitstream.hard_labels(payload)) == sum(sum(s.counts) for s in payload.segments)


@settings(max_examples=20)
@given(payloads())
def test_reference_decoder_gives_the_same_pixels(payload: Payload) -> None:
    """Integers against floats: single and double precision, shared and batched networks."""
    data = bitstream.encode(payload)
    head, pixels, labels = reference_decoder.decode(data)
    images = bitstream.synthesize(payload)
    assert b"".join(pixels) == images.tobytes()
    assert labels == bitstream.hard_labels(payload).tolist()
    if (probabilities := bitstream.soft_labels(payload)) is not None:
        np.testing.assert_allclose(head.probabilities, probabilities, rtol=0, atol=1e-12)
    if payload.network is not None:
        network, view = reference_decoder.read_labels(head), images[0]
        assert network is not None
        assert [reference_decoder.logits(network, view.tolist())] == bitstream.logits(
            payload.network, view[None]
        ).tolist()


@settings(max_examples=25)
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
    assert streams <= 1.005 * ideal + 8 * (1 + len(payload.models) + len(payload.segments))
    latents = sum(grid.size for segment in payload.segments for grid in segment.latents)
    weights = sum(tensor.values.size for tensor in tensors(payload))
    soft = [segment.soft for segment in payload.segments if segment.soft is not None]
    labels = sum(one.odds.size + len(one.odds) for one in soft)
    assert sum(part.symbols for part in parts) == latents + weights + labels
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


def with_model(payload: Payload, **changes: Any) -> Payload:
    (model,) = payload.models
    return replace(payload, models=(replace(model, **changes),))


def with_tensor(payload: Payload, tensor: QTensor) -> Payload:
    (group,) = payload.models[0].groups
    first = QLayer(tensor, group.context[0].bias)
    return with_model(payload, groups=(Group((first, *group.context[1:]), group.synthesis),))


def with_architecture(payload: Payload, **changes: Any) -> Payload:
    """With networks of that architecture, so that nothing else is wrong."""
    architecture = replace(payload.models[0].architecture, **changes)
    return replace(payload, models=random_payload(architecture, [(1, 1)], seed=0).models)


def with_recipe(payload: Payload, **changes: Any) -> Payload:
    assert payload.recipe is not None
    return replace(payload, recipe=replace(payload.recipe, **changes))


def with_segment(payload: Payload, **changes: Any) -> Payload:
    return replace(payload, segments=(replace(payload.segments[0], **changes),))


SMALL = small_payload()
MODEL = SMALL.models[0]
GROUP = MODEL.groups[0]
WEIGHT = GROUP.context[0].weight
LATENTS = SMALL.segments[0].latents
REFUSED = [
    ("height is 0", with_architecture(SMALL, height=0)),
    ("width is 2000", with_architecture(SMALL, width=2000)),
    ("channels is 2", with_architecture(SMALL, channels=2)),
    ("components of level 1", with_architecture(SMALL, grids=(1, 2))),
    ("width of context layer 0", with_architecture(SMALL, context_hidden=(1000,))),
    ("kernel of synthesis layer 0", with_architecture(SMALL, synthesis=(layer(3, 5, False),))),
    ("can't be residual", with_architecture(SMALL, synthesis=(layer(3, 3, False, True),))),
    ("4 channels, must have 3", with_architecture(SMALL, synthesis=(layer(4, 3, False),))),
    ("no ReLU", with_architecture(SMALL, synthesis=(layer(3, 3, True),))),
    ("must have the shapes", with_architecture(SMALL, height=5)),
    ("mean and std", with_recipe(SMALL, mean=(1,))),
    ("augment is", with_recipe(SMALL, augment=("flip", "color"))),
    ("optimizer is", with_recipe(SMALL, optimizer="lbfgs")),
    ("learning rate is", with_recipe(SMALL, lr=float("nan"))),
    ("learning rate is 1001", with_recipe(SMALL, lr=1001.0)),
    ("multiple of 1e-06", with_recipe(SMALL, lr=1 / 3)),
    ("multiple of 0.001", with_recipe(SMALL, momentum=0.9999)),
    ("momentum is 1.5", with_recipe(SMALL, momentum=1.5)),
    ("weight decay is -1", with_recipe(SMALL, weight_decay=-1.0)),
    ("steps is 0", with_recipe(SMALL, steps=0)),
    ("used twice", replace(SMALL, classes=("a", "a"))),
    ("control characters", replace(SMALL, classes=("a", "b\n"))),
    ("length of name", replace(SMALL, classes=("a", "x" * 300))),
    ("length of name of class 0", replace(SMALL, classes=("", "x"))),
    ("not valid Unicode", replace(SMALL, classes=("a", "\ud800"))),
    ("counts for 3 classes", replace(SMALL, classes=("a", "b", "c"))),
    ("missing", replace(SMALL, models=())),
    ("1 groups, must be 2", with_model(SMALL, classes=(0, 1))),
    ("class of a group is 1 twice", with_model(SMALL, classes=(1, 1), groups=(GROUP, GROUP))),
    ("class of a group is 2", with_model(SMALL, classes=(2,))),
    ("number of groups is 0", with_model(SMALL, classes=(), groups=())),
    ("no networks for some classes", with_model(SMALL, classes=(1,))),
    (
        "images of another shape",
        replace(SMALL, models=(MODEL, replace(MODEL, architecture=replace(MODEL.architecture, height=5)))),
    ),
    ("model 1 isn't there", with_segment(SMALL, model=1)),
    ("order must name each class", with_segment(SMALL, order=(1,))),
    ("order must name each class", with_segment(SMALL, order=(1, 1))),
    ("number of segments", replace(SMALL, segments=())),
    ("has no images", with_segment(SMALL, counts=(0, 0), latents=tuple(grid[:0] for grid in LATENTS))),
    ("images of a class is -1", with_segment(SMALL, counts=(5, -1))),
    ("must be integers", with_segment(SMALL, latents=tuple(grid * 1.0 for grid in LATENTS))),
    ("largest latent", with_segment(SMALL, latents=tuple(grid + 40000 for grid in LATENTS))),
    ("must be integers of shape", with_tensor(SMALL, QTensor(WEIGHT.values[:1], 5))),
    ("exponent of weight", with_tensor(SMALL, QTensor(WEIGHT.values, 16))),
    ("values beyond", with_tensor(SMALL, QTensor(WEIGHT.values + 2047, 5))),
    ("bias of context layer 0 has exponent", with_tensor(SMALL, QTensor(WEIGHT.values, 0))),
    (
        "synthesis network has 1 layers",
        with_model(SMALL, groups=(Group(GROUP.context, GROUP.synthesis[:1]),)),
    ),
    ("control characters", replace(SMALL, metadata={"name": "a\x1b[0m"})),
    ("length of key", replace(SMALL, metadata={"k" * 65: ""})),
    ("length of key", replace(SMALL, metadata={"": "x"})),
    ("length of value of k", replace(SMALL, metadata={"k": "v" * 4097})),
    ("at most 65536", replace(SMALL, metadata={f"k{i}": "v" * 4000 for i in range(17)})),
]


@pytest.mark.parametrize(("reason", "payload"), REFUSED, ids=[reason for reason, _ in REFUSED])
def test_what_the_format_cannot_express_is_refused(reason: str, payload: Payload) -> None:
    with pytest.raises(FormatError) as caught:
        bitstream.encode(payload)
    assert reason in str(caught.value)
    assert caught.value.offset == -1


def test_limits_are_the_same_for_both_sides() -> None:
    architecture = Architecture(1024, 1024, 3, (1, 1), (4,), (layer(3, 3, relu=False),))
    counts = ((40, 40),)
    with pytest.raises(FormatError, match="units of work"):
        bitstream.check_limits(architecture, counts, 1)
    bitstream.check_limits(architecture, ((1, 1),), 1)
    bitstream.check_limits(architecture, counts, 1, size=16 << 20)
    wide = replace(architecture, synthesis=(layer(200), layer(3, relu=False)))
    with pytest.raises(FormatError, match="widest layer"):
        bitstream.check_limits(wide, ((1, 1),), 1)
    with pytest.raises(FormatError, match="groups of networks"):
        bitstream.check_limits(architecture, ((1, 1),), limits.GROUPS + 1)


def test_an_encoder_is_held_to_the_limit_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same limit, to the unit, as a reader."""
    data = bitstream.encode(SMALL)

    def least(function: Callable[[], object]) -> int:
        """The smallest limit with which a function does."""
        low, high = 0, 1 << 36
        while low < high:
            middle = (low + high) // 2
            monkeypatch.setattr(limits, "WORK", middle)
            try:
                function()
            except FormatError:
                low = middle + 1
            else:
                high = middle
        monkeypatch.setattr(limits, "WORK", low - 1)
        with pytest.raises(FormatError, match="units of work"):
            function()
        return low

    assert 0 < least(lambda: bitstream.encode(SMALL)) == least(lambda: bitstream.decode(data))


def test_a_strict_reader_refuses_what_bytes_do_not_pay_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that everybody else decodes."""
    data = bitstream.encode(SMALL)
    (model,) = bitstream.parse(data).model_fields
    monkeypatch.setattr(limits, "WORK", limits.model_work(model.architecture, model.num_groups) + 1)
    path = tmp_path / "large.rud"
    path.write_bytes(data)
    readers: tuple[Callable[[bool], object], ...] = (
        lambda strict: rudcodec.load(path, strict=strict),
        lambda strict: rudcodec.decompress(path, tmp_path / "large.npz", strict=strict),
        lambda strict: [*rudcodec.stream(path, strict=strict)],
        lambda strict: rudcodec.salvage(path, strict=strict),
    )
    for read in readers:
        with pytest.raises(FormatError, match=r"segment 0, byte \d+: asks for \d+ units"):
            read(True)
        read(False)
    assert CliRunner().invoke(main, ["verify", str(path)]).exit_code == 0
    result = CliRunner().invoke(main, ["verify", "--strict", str(path)])
    assert result.exit_code == 2 and f"{path}: segment 0" in result.stderr
