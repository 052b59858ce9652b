"""Files put together without decoding, and taken apart again: their pixels and labels stay what they were."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import reference_decoder
from golden_payloads import layer, random_labels, random_payload, random_soft, small_payload, split
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_strategies import NAMES, SHAPES, payloads

import rudcodec
from rudcodec import FormatError, SettingError, bitstream
from rudcodec.bitstream import limits, merging
from rudcodec.bitstream.container import LABELS, MODEL, SEGMENT
from rudcodec.payload import (
    Architecture,
    ImageShape,
    LabelLayer,
    Payload,
    Recipe,
    SoftScale,
    ViewRecipe,
    hard_recipe,
)
from rudcodec.rearrange import merge

pytestmark = pytest.mark.filterwarnings("ignore:metadata differ")  # as drawn metadata may

FLAT = Architecture(2, 3, 1, (1,), (), (layer(1, relu=False),))


@st.composite
def hard_sets(draw: st.DrawFn) -> list[Payload]:
    """Payloads of one shape whose classes are some of a few, in any order."""
    shape = draw(SHAPES)
    names = st.permutations(NAMES).flatmap(lambda p: st.integers(1, 4).map(lambda n: tuple(p[:n])))
    one = payloads(st.just(shape), names, labels=("hard",))
    return draw(st.lists(one, min_size=1, max_size=3))


def names_of(payload: Payload) -> list[str]:
    """The class of each image."""
    return [payload.classes[k] for k in bitstream.hard_labels(payload)]


@settings(max_examples=60)
@given(hard_sets())
def test_merged_files_hold_the_images_of_all(parts: list[Payload]) -> None:
    files = [bitstream.encode(part) for part in parts]
    whole, images = bitstream.decode_images(bitstream.merge(files))
    np.testing.assert_array_equal(images, np.concatenate([bitstream.synthesize(part) for part in parts]))
    assert names_of(whole) == [name for part in parts for name in names_of(part)]
    assert whole.classes == tuple(dict.fromkeys(name for part in parts for name in part.classes))
    assert len(whole.segments) == sum(len(part.segments) for part in parts)
    assert whole.recipe == parts[0].recipe
    expected: dict[str, str] = {}
    for part in reversed(parts):
        expected |= part.metadata
    assert whole.metadata == expected


@settings(max_examples=15)
@given(hard_sets())
def test_the_reference_decoder_reads_merged_files(parts: list[Payload]) -> None:
    head, pixels, labels = reference_decoder.decode(
        bitstream.merge([bitstream.encode(part) for part in parts])
    )
    assert b"".join(pixels) == b"".join(bitstream.synthesize(part).tobytes() for part in parts)
    assert [head.classes[k] for k in labels] == [name for part in parts for name in names_of(part)]


@settings(max_examples=30)
@given(hard_sets())
def test_merging_in_steps_is_merging_at_once(parts: list[Payload]) -> None:
    files = [bitstream.encode(part) for part in parts]
    once = bitstream.merge(files)
    steps = files[0]
    for data in files[1:]:
        steps = bitstream.merge([steps, data])
    assert bitstream.merge([steps]) == steps
    assert bitstream.decode_images(steps)[1].tobytes() == bitstream.decode_images(once)[1].tobytes()
    assert names_of(bitstream.decode(steps)) == names_of(bitstream.decode(once))
    assert len(steps) <= sum(map(len, files)) + 8 * len(parts[0].segments) + 100 * len(files)


def test_streams_are_copied() -> None:
    """Networks that are the same are there once, and no latent is coded anew."""
    data = bitstream.encode(small_payload())
    other = bitstream.encode(small_payload(1))
    merged = split(bitstream.merge([data, other, data]))
    count = {tag: sum(one == tag for one, _ in merged) for tag in (MODEL, SEGMENT)}
    assert count == {MODEL: 2, SEGMENT: 6}
    own = [body for tag, body in split(data) if tag == SEGMENT]
    found = [body for tag, body in merged if tag == SEGMENT]
    # the number of the model, then the segment as it was
    assert [body[1:] for body in found[:2]] == own == [body[1:] for body in found[4:]]
    assert [body[0] for body in found] == [0, 0, 1, 1, 0, 0]


def test_networks_of_extracted_files_are_there_once() -> None:
    """Though the largest latent of each may be another."""
    data = bitstream.encode(small_payload())
    parts = [bitstream.extract(data, classes=[name]) for name in bitstream.decode(data).classes]
    merged = bitstream.merge(parts)
    assert [tag for tag, _ in split(merged)].count(MODEL) == 1
    bounds = [bitstream.parse(part).model_fields[0].ymax for part in (*parts, merged)]
    assert len(set(bounds)) > 1 and bounds[-1] == max(bounds)
    payload, images = bitstream.decode_images(merged)
    whole, expected = bitstream.decode_images(data)
    order, found = (np.argsort(bitstream.hard_labels(one), kind="stable") for one in (whole, payload))
    assert np.array_equal(images[found], expected[order])


def test_a_file_keeps_all_models_of_its_own() -> None:
    """Equal ones, too: merged alone it is as it was."""
    payload = small_payload()
    data = bitstream.encode(replace(payload, models=payload.models * 2))
    assert bitstream.merge([data]) == data
    assert [tag for tag, _ in split(bitstream.merge([data, data]))].count(MODEL) == 2


@settings(max_examples=40)
@given(payloads(), st.data())
def test_pieces_of_a_file_make_the_file(payload: Payload, data: st.DataObject) -> None:
    """Of any kind of labels: its beginning, and the segments behind it as a file of their own."""
    whole = bitstream.encode(payload)
    at = data.draw(st.integers(1, max(1, len(payload.segments) - 1)))
    rest = replace(payload, segments=payload.segments[at:]) if at < len(payload.segments) else payload
    images = sum(sum(segment.counts) for segment in payload.segments[:at])
    first = bitstream.truncate(whole, ipc=images / len(payload.classes) * (1 + 1e-9))
    assert first.segments == at
    merged, pixels = bitstream.decode_images(bitstream.merge([first.data, bitstream.encode(rest)]))
    expected = np.concatenate([bitstream.synthesize(payload)[:images], bitstream.synthesize(rest)])
    np.testing.assert_array_equal(pixels, expected)
    if at == len(payload.segments):
        return
    assert names_of(merged) == names_of(payload)
    probabilities = bitstream.soft_labels(payload)
    if probabilities is not None:
        np.testing.assert_array_equal(bitstream.soft_labels(merged), probabilities)
    if payload.network is not None:
        assert merged.network is not None
        np.testing.assert_array_equal(
            bitstream.logits(merged.network, pixels), bitstream.logits(payload.network, pixels)
        )
        assert merged.network.views == payload.network.views


@settings(max_examples=40)
@given(hard_sets(), st.data())
def test_merged_files_can_be_truncated_and_read_in_parts(parts: list[Payload], data: st.DataObject) -> None:
    merged = bitstream.merge([bitstream.encode(part) for part in parts])
    whole, images = bitstream.decode_images(merged)
    ends = np.cumsum([0, *(sum(segment.counts) for segment in whole.segments)])
    count = data.draw(st.integers(1, len(whole.segments)))
    short = bitstream.truncate(merged, ipc=ends[count] / len(whole.classes) * (1 + 1e-9))
    assert short.segments == count
    np.testing.assert_array_equal(bitstream.decode_images(short.data)[1], images[: ends[count]])
    chosen = data.draw(st.sets(st.integers(0, len(whole.segments) - 1)))
    classes = data.draw(st.none() | st.sets(st.sampled_from(whole.classes)))
    keep = np.isin(np.repeat(np.arange(len(whole.segments)), np.diff(ends)), list(chosen))
    if classes is not None:
        keep &= np.isin(names_of(whole), list(classes))
    part, pixels = bitstream.decode_images(merged, chosen, classes)
    np.testing.assert_array_equal(pixels, images[keep])
    assert names_of(part) == [name for name, kept in zip(names_of(whole), keep, strict=True) if kept]
    streamed = [one for _, one in bitstream.stream(merged, chosen, classes)]
    np.testing.assert_array_equal(np.concatenate([images[:0], *streamed]), pixels)


def flat(classes: tuple[str, ...] = ("a", "b"), seed: int = 0, architecture: Architecture = FLAT) -> Payload:
    return random_payload(architecture, [(1,) * len(classes)], seed=seed, classes=classes)


LAYERS = (LabelLayer(2),)
REFUSED = [
    ("its images are 2x3 grey, not 3x2 grey", flat(architecture=replace(FLAT, height=3, width=2)), flat()),
    (
        "images are 3x2 colour, not 3x2 grey",
        flat(architecture=replace(FLAT, channels=3, synthesis=(layer(3, relu=False),))),
        flat(),
    ),
    ("its labels are hard, not soft", flat(), random_soft(flat(), SoftScale(1, 9, 9), seed=1)),
    ("its labels are network, not hard", random_labels(flat(), LAYERS, seed=1), flat()),
    (
        "its soft labels are of other classes",
        random_soft(flat(("b", "a")), SoftScale(1, 9, 9), seed=1),
        random_soft(flat(), SoftScale(1, 9, 9), seed=1),
    ),
    (
        "its soft labels have another scale",
        random_soft(flat(), SoftScale(1, 9, 10), seed=1),
        random_soft(flat(), SoftScale(1, 9, 9), seed=1),
    ),
    (
        "its network labels are of other classes",
        random_labels(flat(("a", "c")), LAYERS, seed=1),
        random_labels(flat(), LAYERS, seed=1),
    ),
    (
        "its label network is another",
        random_labels(flat(), LAYERS, seed=2),
        random_labels(flat(), LAYERS, seed=1),
    ),
]


@pytest.mark.parametrize(("reason", "second", "first"), REFUSED, ids=[reason for reason, _, _ in REFUSED])
def test_what_does_not_go_together_is_said(reason: str, second: Payload, first: Payload) -> None:
    files = [bitstream.encode(payload) for payload in (first, first, second)]
    with pytest.raises(SettingError, match=reason) as caught:
        bitstream.merge(files)
    assert "file 3" in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_and_broken_files_are_refused() -> None:
    with pytest.raises(SettingError, match="at least one file"):
        bitstream.merge([])
    good = bitstream.encode(flat())
    with pytest.raises(FormatError, match="segment 0"):
        bitstream.merge([good, good[:-1]])


def test_limits_hold_for_the_merged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [bitstream.encode(flat(seed=seed)) for seed in range(3)]
    monkeypatch.setattr(limits, "GROUPS", 2)
    assert bitstream.merge(files[:2])
    with pytest.raises(FormatError, match="merged file: asks for 3 groups"):
        bitstream.merge(files)
    monkeypatch.setattr(limits, "WORK", (limits.model_work(FLAT, 1) + (1 << 21)) * 5 // 2)
    assert bitstream.merge(files[:2])
    monkeypatch.setattr(limits, "GROUPS", 3)
    with pytest.raises(FormatError, match=r"merged file: asks for .* units of work"):
        bitstream.merge(files)
    monkeypatch.setattr(limits, "SEGMENTS", 2)
    with pytest.raises(FormatError, match=r"merged file: number of segments is 3, must be 1\.\.2"):
        bitstream.merge(files)


@pytest.mark.parametrize(
    ("pairs", "value", "reason"),
    [(129, "v", "has 258 pairs, at most 256"), (10, "v" * 4000, "has .* bytes, at most 65536")],
)
def test_more_than_the_metadata_of_a_file_are_refused(
    monkeypatch: pytest.MonkeyPatch, pairs: int, value: str, reason: str
) -> None:
    """Rather than left out in silence, and before anything is put together."""
    files = [
        bitstream.encode(replace(flat(), metadata={f"{name}{i}": value for i in range(pairs)}))
        for name in "xy"
    ]
    assert bitstream.merge([files[0], files[0]])
    monkeypatch.setattr(merging, "code_model", None)
    with pytest.raises(FormatError, match=f"merged file: metadata {reason} are allowed; merge fewer files$"):
        bitstream.merge(files)


def test_files_on_disk(tmp_path: Path) -> None:
    """The first file's recipe; with later ones' metadata, unless it says something else under that key."""
    recipe = Recipe((1,), (2,), steps=7)
    first = replace(flat(("a", "b")), recipe=recipe, metadata={"name": "first", "licence": "CC0"})
    second = replace(flat(("c", "b"), 1), metadata={"name": "second", "source": "nowhere"})
    paths = [tmp_path / "1.rud", tmp_path / "2.rud"]
    for path, payload in zip(paths, (first, second), strict=True):
        bitstream.write(payload, path)
    with pytest.warns(RuntimeWarning, match="metadata differ in name: the merged file has the first of each"):
        size = merge(paths, tmp_path / "out.rud")
    assert size == (tmp_path / "out.rud").stat().st_size
    whole = rudcodec.load(tmp_path / "out.rud")
    assert whole.classes == ("a", "b", "c") and whole.labels.tolist() == [0, 1, 2, 1]
    assert whole.recipe == recipe
    found = bitstream.decode((tmp_path / "out.rud").read_bytes()).metadata
    assert found == {"name": "first", "licence": "CC0", "source": "nowhere"}


def test_files_in_memory(tmp_path: Path) -> None:
    contents = [bitstream.encode(flat(("a", "b"))), bitstream.encode(flat(("c", "b"), 1))]
    merge(contents, tmp_path / "out.rud")
    out = BytesIO()
    assert merge(iter(contents), out) == len(out.getvalue())
    assert out.getvalue() == (tmp_path / "out.rud").read_bytes()
    loaded = rudcodec.load(iter(contents))
    assert loaded.classes == ("a", "b", "c") and loaded.labels.tolist() == [0, 1, 2, 1]
    part = BytesIO()
    assert rudcodec.extract(out.getvalue(), part, classes=["c", "a"]) == len(part.getvalue())
    assert rudcodec.load(part.getvalue()).classes == ("a", "c")
    with pytest.raises(FormatError, match="file begins here"):
        rudcodec.load(b"".join(contents))


@settings(max_examples=30)
@given(payloads(), st.data())
def test_extracted_images_are_those_of_the_file(payload: Payload, data: st.DataObject) -> None:
    """Some classes, the first images of each, with or without labels: the same pixels in the same order."""
    whole = bitstream.encode(payload)
    hard = data.draw(st.booleans())
    names = np.array(names_of(payload))
    present = sorted(set(names.tolist()))
    classes = data.draw(st.none() | st.sets(st.sampled_from(present), min_size=1))
    if payload.soft is not None and not hard:
        classes = None
    ipc = data.draw(st.none() | st.integers(1, 4))
    part, images = bitstream.decode_images(bitstream.extract(whole, classes=classes, ipc=ipc, hard=hard))
    keep = np.ones(len(names), bool) if classes is None else np.isin(names, list(classes))
    for name in present:
        keep[np.flatnonzero(names == name)[ipc:] if ipc else []] = False
    np.testing.assert_array_equal(images, bitstream.synthesize(payload)[keep])
    assert names_of(part) == names[keep].tolist()
    recipe = payload.recipe
    if hard and payload.network is not None and recipe is not None:
        recipe = hard_recipe(recipe, bpc=0.0, num_images=len(keep))  # of such small files
    assert part.recipe == recipe
    assert (part.soft, part.network is None) == (
        (None, True) if hard else (payload.soft, payload.network is None)
    )
    if part.soft is not None and (probabilities := bitstream.soft_labels(payload)) is not None:
        np.testing.assert_array_equal(bitstream.soft_labels(part), probabilities[keep])
    if part.network is not None and payload.network is not None:
        rows = [payload.classes.index(name) for name in part.classes]
        exact = bitstream.logits(payload.network, images)[:, rows]
        np.testing.assert_array_equal(bitstream.logits(part.network, images), exact)


def test_views_recipes_are_the_first_files() -> None:
    payload = random_labels(flat(), LAYERS, seed=1)
    assert payload.network is not None
    other = replace(payload, network=replace(payload.network, views=ViewRecipe(zoom_min=3)))
    files = [bitstream.encode(one) for one in (other, payload)]
    merged = bitstream.decode(bitstream.merge(files))
    assert merged.network is not None and merged.network.views == ViewRecipe(zoom_min=3)
    assert [tag for tag, _ in split(bitstream.merge(files))].count(LABELS) == 1
    assert bitstream.parse(files[0]).image_shape == ImageShape(2, 3, 1)
