"""Parts of a file: chosen segments and classes, one segment after another, and what damage has left."""

from __future__ import annotations

import os
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_labels import networks
from golden_payloads import Victim, join, layer, random_payload, split, varint
from hypothesis import given, settings
from hypothesis import strategies as st

import rudcodec
from rudcodec import DataError, FormatError, SettingError, bitstream
from rudcodec.bitstream import intnet, reading
from rudcodec.bitstream import networks as network_module
from rudcodec.bitstream.container import LABELS, METADATA, RECIPE, SEGMENT
from rudcodec.bitstream.synthesis import Synthesis
from rudcodec.payload import Architecture, Payload, Recipe
from rudcodec.synthetic import SyntheticSet

COUNTS = [(2, 1, 1), (1, 1, 0), (1, 1, 1), (0, 2, 1), (3, 0, 0)]


def payload_of(share: str = "dataset") -> Payload:
    architecture = Architecture(6, 5, 3, (2, 1), (3,), (layer(4, 3), layer(3, relu=False)))
    return random_payload(architecture, COUNTS, seed=4, share=share, classes=("ant", "bee", "cat"))


@pytest.fixture(params=["dataset", "class"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "set.rud"
    bitstream.write(payload_of(request.param), path)
    return path


def segment_of(count: int = len(COUNTS)) -> np.ndarray:
    """Segment of each image."""
    return np.repeat(np.arange(count), [sum(row) for row in COUNTS[:count]])


def test_chosen_segments(file: Path) -> None:
    whole = rudcodec.load(file)
    for chosen in ([0], [4, 1], range(5), (3, 3, 2), []):
        keep = np.isin(segment_of(), list(chosen))
        part = rudcodec.load(file, segments=chosen)
        np.testing.assert_array_equal(part.images, whole.images[keep])
        np.testing.assert_array_equal(part.labels, whole.labels[keep])
        assert (part.classes, part.size, part.recipe) == (whole.classes, whole.size, whole.recipe)


def test_chosen_classes(file: Path) -> None:
    whole = rudcodec.load(file)
    for chosen in (["bee"], ["cat", "ant"], ["ant", "bee", "cat"], []):
        keep = np.isin(whole.labels, [whole.classes.index(name) for name in chosen])
        part = rudcodec.load(file, classes=chosen)
        np.testing.assert_array_equal(part.images, whole.images[keep])
        np.testing.assert_array_equal(part.labels, whole.labels[keep])
    both = rudcodec.load(file, classes=["bee"], segments=[1, 4])
    np.testing.assert_array_equal(both.images, whole.images[(segment_of() == 1) & (whole.labels == 1)])


def test_segments_of_a_file_that_is_cut_behind_them(file: Path) -> None:
    whole, data = rudcodec.load(file), file.read_bytes()
    (_, first, *_, last) = (row for row in bitstream.describe(data).rows if row.note.startswith("latents"))
    for end in (first.offset - 1, last.offset, len(data) - 1):
        file.write_bytes(data[:end])
        np.testing.assert_array_equal(rudcodec.load(file, segments=[0]).images, whole.images[:4])
        for segments in (None, [4]):
            with pytest.raises(FormatError, match=r"cut short|missing"):
                rudcodec.load(file, segments=segments)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ({"segments": 0}, r"segments must be a list of numbers, such as \[0\]"),
        ({"classes": "bee"}, r"classes must be a list of names, such as \['bee'\]"),
        ({"classes": 1}, r"classes must be a list of names, such as \[1\]"),
        ({"classes": ["bee", "fly"]}, "class 'fly': the file has none but ant, bee, cat"),
        ({"classes": [1]}, "class 1: the file has none but ant, bee, cat"),
    ],
)
def test_parts_are_lists(file: Path, chosen: Any, text: str) -> None:
    for read in (rudcodec.load, lambda *args, **chosen: list(rudcodec.stream(*args, **chosen))):
        with pytest.raises(SettingError, match=text):
            read(file, **chosen)
    if "classes" in chosen:
        with pytest.raises(SettingError, match=text):
            bitstream.extract(file.read_bytes(), **chosen)


def test_what_is_not_asked_for_is_not_read(file: Path) -> None:
    """Damage in another segment isn't even noticed; in one that is read, it is."""
    whole = rudcodec.load(file)
    rows = [row for row in bitstream.describe(file.read_bytes()).rows if row.note.startswith("latents")]
    data = bytearray(file.read_bytes())
    data[rows[1].offset] ^= 1
    file.write_bytes(data)
    np.testing.assert_array_equal(rudcodec.load(file, segments=[0]).images, whole.images[:4])
    assert len(rudcodec.load(file, segments=[0, 2], classes=["cat"])) == 2
    with pytest.raises(FormatError, match="segment 1"):
        rudcodec.load(file, segments=[1])
    # which classes a segment has, it says itself
    with pytest.raises(FormatError, match="segment 1"):
        rudcodec.load(file, classes=["cat"])
    with pytest.raises(FormatError, match="segment 1"):
        rudcodec.load(file, classes=["bee"])


def test_unknown_parts_are_named(file: Path) -> None:
    with pytest.raises(SettingError, match=r"segment 5: .*0\.\.4"):
        rudcodec.load(file, segments=[0, 5])
    with pytest.raises(SettingError, match="segment -1"):
        rudcodec.load(file, segments=[-1])
    with pytest.raises(SettingError, match="'dog'"):
        rudcodec.load(file, classes=["ant", "dog"])


def test_stream_gives_the_same_segment_by_segment(file: Path) -> None:
    whole = rudcodec.load(file)
    parts = list(rudcodec.stream(file))
    assert [part.counts for part in parts] == COUNTS
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), whole.labels)
    some = list(rudcodec.stream(file, classes=["cat"], segments=[0, 1, 3]))
    assert [part.counts for part in some] == [(0, 0, 1), (0, 0, 1)]
    with pytest.raises(DataError, match=r"absent\.rud"):
        next(rudcodec.stream(file.parent / "absent.rud"))


def test_errors_come_with_their_segment(file: Path) -> None:
    """Segments before one whose stream is damaged are complete, though small ones are decoded together;
    fields are looked at before any."""
    sections = split(file.read_bytes())
    segments = [i for i, (tag, _) in enumerate(sections) if tag == 4]
    tag, body = sections[segments[2]]
    whole = rudcodec.load(file)
    for damaged, reason, before in (
        (body[:5] + b"\xff" * 8, "segment 2", 2),
        (body[:-1] + bytes([body[-1] ^ 1]), "segment 2", 2),
        (body[:4] + bytes([body[4] ^ 1]) + body[5:], "segment 2.*digest", 2),
        (body[:4], "segment 2.*pixel digest", 0),
    ):
        changed = list(sections)
        changed[segments[2]] = (tag, damaged)
        file.write_bytes(join(changed))
        parts: list[SyntheticSet] = []
        with pytest.raises(FormatError, match=reason):
            parts.extend(rudcodec.stream(file))
        assert [part.counts for part in parts] == COUNTS[:before]
        images = np.concatenate([whole.images[:0], *(part.images for part in parts)])
        np.testing.assert_array_equal(images, whole.images[: len(images)])
        assert len(rudcodec.load(file, segments=[3, 4])) == 6


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many networks have been made ready."""
    counts = {"context": 0, "synthesis": 0}

    class Counted(Synthesis):
        def __init__(self, *arguments: Any) -> None:
            counts["synthesis"] += 1
            super().__init__(*arguments)

    def counted(layers: Any) -> Any:
        counts["context"] += 1
        return intnet.fold_context(layers)

    monkeypatch.setattr(network_module, "Synthesis", Counted)
    monkeypatch.setattr(network_module, "fold_context", counted)
    return counts


def test_networks_are_prepared_once(file: Path, prepared: dict[str, int]) -> None:
    groups = len(bitstream.read(file).models[0].groups)
    prepared.update(context=0, synthesis=0)
    for read in (rudcodec.load, lambda path: list(rudcodec.stream(path))):
        read(file)
        assert prepared == {"context": groups, "synthesis": groups}
        prepared.update(context=0, synthesis=0)


def test_only_networks_in_use_are_prepared(file: Path, prepared: dict[str, int]) -> None:
    """The last segment has images of one class only; of the others, one class is wanted."""
    for chosen, context in (({"segments": [4]}, 1), ({"classes": ["cat"]}, 3)):
        groups = len(bitstream.read(file).models[0].groups)
        prepared.update(context=0, synthesis=0)
        assert len(rudcodec.load(file, **chosen)) == 3
        assert prepared == {"context": min(context, groups), "synthesis": 1}


@pytest.mark.parametrize("share", ["dataset", "class"])
def test_many_small_segments(tmp_path: Path, share: str) -> None:
    """More than are decoded together, some of them as large as several."""
    architecture = Architecture(16, 16, 3, (1, 1), (), (layer(3, relu=False),))
    counts = [(1, 2), (0, 1), (400, 30), (1500, 0), (1, 1)] * 3
    path = tmp_path / "set.rud"
    payload = random_payload(architecture, counts, seed=2, share=share)
    bitstream.write(payload, path)
    images = bitstream.synthesize(payload)
    parts = list(rudcodec.stream(path))
    assert [part.counts for part in parts] == counts
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), images)
    np.testing.assert_array_equal(rudcodec.load(path).images, images)


def test_streaming_takes_the_memory_of_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_TOGETHER", 1 << 20)
    architecture = Architecture(20, 20, 3, (1, 1), (), (layer(3, relu=False),))
    path = tmp_path / "set.rud"
    bitstream.write(random_payload(architecture, [(300,)] * 12, seed=1), path)
    rudcodec.load(path)  # tables are made once
    peaks = []
    for read in (rudcodec.load, lambda file: [len(part) for part in rudcodec.stream(file)]):
        tracemalloc.start()
        read(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 2


def test_a_pipe_is_read_as_a_whole(file: Path) -> None:
    pipe = file.parent / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
    writer.start()
    np.testing.assert_array_equal(rudcodec.load(pipe).images, rudcodec.load(file).images)
    writer.join()


def salvaged(data: bytes) -> tuple[list[int], list[str]]:
    """Segments saved, and the text of each loss; what was saved is checked against the whole."""
    whole = bitstream.synthesize(payload_of())
    payload, images, lost = bitstream.salvage(data)
    kept = [i for i in range(len(COUNTS)) if all(error.section != f"segment {i}" for error in lost)]
    assert [segment.counts for segment in payload.segments] == [COUNTS[i] for i in kept]
    np.testing.assert_array_equal(images, whole[np.isin(segment_of(), kept)])
    assert len(bitstream.hard_labels(payload)) == len(images)
    assert all(0 <= error.offset <= len(data) for error in lost)
    return kept, [str(error) for error in lost]


class TestSalvage:
    data = bitstream.encode(payload_of())
    rows = tuple(row for row in bitstream.describe(data).rows if row.section.startswith("segment"))
    starts = tuple(row.offset for row in rows if row.note == "tag, length")

    def test_nothing_wrong(self) -> None:
        assert salvaged(self.data) == ([0, 1, 2, 3, 4], [])

    @pytest.mark.parametrize("where", ["tag", "length", "body", "checksum"])
    @pytest.mark.parametrize("index", range(5))
    def test_one_byte(self, index: int, where: str) -> None:
        ends = [*self.starts[1:], len(self.data)]
        at = {"tag": 0, "length": 1, "body": 9, "checksum": ends[index] - self.starts[index] - 1}[where]
        for change in (1, 4, 64, 255):
            data = bytearray(self.data)
            data[self.starts[index] + at] ^= change
            kept, lost = salvaged(bytes(data))
            assert kept == [i for i in range(5) if i != index]
            assert len(lost) == 1 and lost[0].startswith(f"segment {index}, byte ")

    def test_two_neighbours(self) -> None:
        data = bytearray(self.data)
        data[self.starts[1] + 9] ^= 1
        data[self.starts[2] + 1] ^= 128
        kept, lost = salvaged(bytes(data))
        assert kept == [0, 3, 4] and len(lost) == 2

    def test_cut_anywhere(self) -> None:
        for length in range(self.starts[1], len(self.data), 3):
            kept, lost = salvaged(self.data[:length])
            assert kept == [i for i in range(5) if [*self.starts, len(self.data)][i + 1] <= length]
            assert len(lost) == 5 - len(kept)

    def test_bytes_missing_in_the_middle_or_too_many(self) -> None:
        found: list[list[int]] = []
        for at in range(self.starts[2], self.starts[3]):
            found.append(salvaged(self.data[:at] + self.data[at + 2 :])[0])
            found.append(salvaged(self.data[:at] + b"xyz" + self.data[at:])[0])
            assert all(set(kept) >= {0, 1, 4} for kept in found[-2:])
        # a length may be wrong so that what looks like a segment's tag follows by chance
        assert sum(3 not in kept for kept in found) <= 4

    def test_what_checksums_do_not_see(self) -> None:
        """A stream that can't be and a digest that is another's, behind right checksums."""
        sections, at = split(self.data), bitstream.parse(self.data).segments
        first, second = len(sections) - 4, len(sections) - 2
        fields = [at[i].digest - at[i].section.start for i in (1, 3)]
        sections[first] = (SEGMENT, sections[first][1][: fields[0] + 4] + b"\xff" * 16)
        body = sections[second][1]
        sections[second] = (SEGMENT, body[: fields[1]] + b"1234" + body[fields[1] + 4 :])
        kept, lost = salvaged(join(sections))
        assert kept == [0, 2, 4]
        assert "impossible value" in lost[0] and "digest" in lost[1]

    def test_nothing_left(self) -> None:
        with pytest.raises(FormatError, match="segment 0"):
            bitstream.salvage(self.data[: self.starts[1] - 1])
        with pytest.raises(FormatError, match="model 0"):
            bitstream.salvage(self.data[: self.starts[0] - 1])
        for section, offset in (("head", 8), ("model 0", self.starts[0] - 9)):
            data = bytearray(self.data)
            data[offset] ^= 1
            with pytest.raises(FormatError, match=section):
                bitstream.salvage(bytes(data))

    def test_a_segment_that_asks_for_too_much_is_lost(self) -> None:
        """The others aren't."""
        victim = Victim(self.data)
        digest = bitstream.parse(self.data).segments[1].digest
        start = bitstream.parse(self.data).segments[1].section.start
        huge = varint(1 << 24) + victim.body(SEGMENT, 1)[digest - start :]
        data = victim.with_body(SEGMENT, huge, 1)
        with pytest.raises(FormatError, match="at most"):
            bitstream.decode(data)
        kept, lost = salvaged(data)
        assert kept == [0, 2, 3, 4] and "at most" in lost[0]

    @pytest.mark.parametrize("damage", range(4))
    def test_ancillary_sections_between(self, damage: int) -> None:
        """They are no segments, intact or not, and neither hide what is behind them nor count."""
        sections = split(self.data)
        first = len(sections) - 5
        extra = (200, b"\4\4\4 not known"), (RECIPE, b"\4"), (METADATA, b"")
        woven = sections[:first]
        for i, segment in enumerate(sections[first:]):
            woven += [segment, extra[i % 3]]
        data = join(woven)
        assert salvaged(data) == ([0, 1, 2, 3, 4], [])
        rows = bitstream.describe(data).rows
        latents = [row for row in rows if row.note.startswith("latents")]
        skipped = [row for row in rows if row.section == "section 200" and row.note == "tag, length"]
        at = [latents[2].offset, skipped[0].offset, skipped[0].offset + 1, skipped[0].offset + 4][damage]
        damaged = bytearray(data)
        damaged[at] ^= 9
        kept, lost = salvaged(bytes(damaged))
        if damage == 0:
            assert kept == [0, 1, 3, 4] and len(lost) == 1 and lost[0].startswith("segment 2, byte ")
        else:
            assert kept == [0, 1, 2, 3, 4]
            assert [text.split(",")[0] for text in lost] == ["section"]

    def test_damaged_recipe_and_the_like(self) -> None:
        """In front of the models they are named, and nothing else is lost."""
        data = bitstream.encode(
            replace(payload_of(), recipe=Recipe((128,) * 3, (64,) * 3), metadata={"name": "set"})
        )
        outline = bitstream.parse(data)
        first = outline.models[0].section.offset
        for at in range(outline.head_section.end + 4, first):
            for bit in range(8):
                damaged = bytearray(data)
                damaged[at] ^= 1 << bit
                if damaged[at] in (2, 3) and at in (s.offset for s, _ in outline.ancillary.sections):
                    continue  # its tag says that it is a model, or labels
                kept, lost = salvaged(bytes(damaged))
                assert kept == [0, 1, 2, 3, 4] and len(lost) == 1 and ", byte " in lost[0]

    def test_what_lies_behind_a_damaged_section_is_kept(self) -> None:
        """The views behind a recipe, the labels behind what another program has put in front of them."""
        data = bitstream.encode(networks()["labels-deep"])
        sections = split(data)
        numbers = {tag: number for number, (tag, _) in enumerate(sections)}
        sections.insert(numbers[LABELS], (200, b"not known"))
        data = join(sections)
        rows = {row.section: row.offset for row in reversed(bitstream.describe(data).rows)}
        for name in ("recipe", "section 200"):
            damaged = bytearray(data)
            damaged[rows[name] + 4] ^= 1
            payload, images, lost = bitstream.salvage(bytes(damaged))
            assert payload.network is not None and payload.network.views is not None
            assert len(lost) == 1 and len(images) == len(bitstream.synthesize(payload))

    def test_lost_labels_are_named(self) -> None:
        """Those whose tag is damaged: the set has classes for labels, but not in silence."""
        data = bytearray(bitstream.encode(networks()["labels-deep"]))
        labels = bitstream.parse(bytes(data)).labels
        assert labels is not None
        for bit in range(8):
            damaged = bytearray(data)
            damaged[labels.section.offset] ^= 1 << bit
            try:
                payload, _, lost = bitstream.salvage(bytes(damaged))
            except FormatError:
                continue
            assert payload.network is None and len(lost) == 1 and "damaged" in str(lost[0])


@settings(max_examples=80)
@given(st.data())
def test_salvage_never_invents(data: st.DataObject) -> None:
    """Whatever is done behind the weights, what comes out are segments of the file."""
    whole = TestSalvage.data
    begin = TestSalvage.starts[0]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(begin, len(whole)))
        whole = whole[:at] + data.draw(st.binary(max_size=5)) + whole[at + data.draw(st.integers(0, 90)) :]
    expected = bitstream.synthesize(payload_of())
    segments = {expected[segment_of() == i].tobytes() for i in range(len(COUNTS))}
    try:
        payload, images, lost = bitstream.salvage(whole)
    except FormatError:
        return
    at = 0
    for segment in payload.segments:
        assert images[at : at + sum(segment.counts)].tobytes() in segments
        at += sum(segment.counts)
    lost_segments = [error for error in lost if error.section.startswith("segment")]
    assert len(lost_segments) + len(payload.segments) == len(COUNTS)
