"""The reference decoder and the specification, which says the same in words, against the golden files."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, astuple
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

from rudcodec import bitstream, views
from rudcodec.bitstream import tables
from rudcodec.payload import ViewRecipe

FOLDER = Path(__file__).parent / "golden"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
SPECIFICATION = (FOLDER.parent.parent / "bitstream_spec.md").read_text(encoding="utf-8")
USUAL_VIEWS = [45, 77, 8, 32, 1, 60, 25, 40, 40, 0]  # section 22: in a file that has none


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.rud").read_bytes()


def flat(view: list[list[list[int]]]) -> bytes:
    """The samples of a view."""
    return bytes(sample for row in view for pixel in row for sample in pixel)


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_pixels_and_labels(name: str) -> None:
    head, pixels, labels = reference_decoder.decode(golden(name))
    assert sha256(b"".join(pixels)).hexdigest() == MANIFEST["pixels"][name]
    assert labels == bitstream.hard_labels(bitstream.decode(golden(name))).tolist()
    network = reference_decoder.read_labels(head)
    kinds = {"hard": (False, False), "soft": (True, False), "network": (False, True)}
    assert (head.soft is not None, network is not None) == kinds[MANIFEST["outlines"][name]["labels"]]


@pytest.mark.parametrize("name", sorted(MANIFEST["outlines"]))
def test_fields(name: str) -> None:
    """As far as pixels need them."""
    head = reference_decoder.read_file(golden(name))
    expected = MANIFEST["outlines"][name]
    assert [head.height, head.width, head.channels] == expected["shape"]
    assert head.classes == expected["classes"]
    for model, said in zip(head.models, expected["models"], strict=True):
        assert (model.grids, model.hidden, model.ymax) == (said["grids"], said["context"], said["ymax"])
        assert [list(layer) for layer in model.layers] == [list(one.values()) for one in said["synthesis"]]
        classes = said["classes"]
        assert list(model.group) == (classes or list(range(len(head.classes))))
        assert max(model.group.values()) == (len(classes) - 1 if classes else 0)
    for segment, said in zip(head.segments, expected["segments"], strict=True):
        assert head.models.index(segment.model) == said["model"]
        counts = said["counts"]
        order = said["order"] or [k for k, count in enumerate(counts) if count]
        assert segment.runs == [(k, counts[k]) for k in order]


# the reference decoder finds it out behind half a million weights, one by one
BEHIND_WEIGHTS = pytest.param("labels-too-wide", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [*sorted(MANIFEST["errors"].keys() - {"labels-too-wide"}), BEHIND_WEIGHTS])
def test_malformed_files_are_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any reason will do)
        reference_decoder.read_labels(reference_decoder.decode(golden(name))[0])


@pytest.mark.parametrize("name", sorted(MANIFEST["logits"]))
def test_views_and_their_logits(name: str) -> None:
    head, pixels, _ = reference_decoder.decode(golden(name))
    assert (head.views is None) == (name == "labels-no-views")
    assert list(asdict(ViewRecipe()).values()) == USUAL_VIEWS
    head.views = head.views or USUAL_VIEWS
    made = [reference_decoder.make_view(head, pixels, 0, number) for number in range(3)]
    assert sha256(b"".join(map(flat, made))).hexdigest() == MANIFEST["views"][name]
    network = reference_decoder.read_labels(head)
    labels = bitstream.decode(golden(name)).network
    assert network is not None and labels is not None
    assert (network.temperature, bool(network.mirror)) == (labels.temperature, labels.mirror)
    assert [reference_decoder.logits(network, view) for view in made] == MANIFEST["logits"][name]


@pytest.mark.parametrize("name", sorted(MANIFEST["probabilities"]))
def test_soft_labels(name: str) -> None:
    head = reference_decoder.decode(golden(name))[0]
    payload = bitstream.decode(golden(name))
    found = bitstream.soft_labels(payload)
    assert payload.soft is not None and found is not None
    assert (head.soft.kept, head.soft.step, head.soft.temperature) == astuple(payload.soft)
    np.testing.assert_allclose(head.probabilities, found, rtol=0, atol=1e-12)
    expected = MANIFEST["probabilities"][name]
    np.testing.assert_allclose(head.probabilities[: len(expected)], expected, rtol=0, atol=1e-9)


CLAMPED = {
    "input-127": {(-127, 127)},
    "location": {(-32768, 32767)},
    "scale": {(0, 63)},
    "hidden-4095": {(0, 4095)},
    "activation": {(-4096, 4095), (0, 4095)},
    "pixel-255": {(0, 255)},
}


@pytest.mark.parametrize("name", sorted(CLAMPED))
def test_golden_files_reach_every_clamp(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both of its sides, and in between."""
    met: set[tuple[int, int, int]] = set()

    def clamp(a: int, low: int, high: int) -> int:
        met.add((low, high, (a > high) - (a < low)))
        return max(low, min(high, a))

    monkeypatch.setattr(reference_decoder, "clamp", clamp)
    reference_decoder.decode(golden(name))
    for low, high in CLAMPED[name]:
        assert {side for a, b, side in met if (a, b) == (low, high)} == {-1, 0, 1}


def test_tables_and_their_constants() -> None:
    """Made from exponentials, those listed, and those in use are the same."""
    made = reference_decoder.make_tables()
    assert made == tables.frequencies().tolist()
    assert sha256(np.array(made, dtype="<u4").tobytes()).hexdigest() in SPECIFICATION
    rows = re.findall(r"^\| (\d+) \| ((?:\d{9,10} \| ?){8})$", SPECIFICATION, re.MULTILINE)
    listed = [int(word) for _, row in rows for word in row.split(" |") if word.strip()]
    exact = [(-(Decimal(2) ** (1 - Decimal(s) / 8))).exp() * 2**32 for s in range(64)]
    assert listed == [int(constant) for constant in exact]


def test_the_worked_example() -> None:
    _, (pixels,), _ = reference_decoder.decode(golden("example"))
    assert f"pixels {pixels.hex(' ')}" in SPECIFICATION


def test_the_check_of_the_annex() -> None:
    """Views of images made by a formula: their hashes in the specification, and those of numpy."""
    count, height, width, channels = 3, 5, 7, 3
    images = np.fromfunction(
        lambda n, y, x, c: (89 * n + 37 * y + 23 * x + 71 * c) % 256,
        (count, height, width, channels),
        dtype=int,
    ).astype(np.uint8)
    for seed, start, number, sharpen in ((0, 0, 8, 0), (2**58 - 1, 2**58 - 2, 1, 0), (0, 0, 8, 50)):
        fields = [32, 96, 16, 64, 1, 60, 25, 64, 64, sharpen]
        head = reference_decoder.Fields(height=height, width=width, channels=channels, views=fields)
        recipe = ViewRecipe(32, 96, 16, 64, True, 60, 25, 64, 64, sharpen)
        shown = views.sharpened(images, recipe, np)
        made = [
            reference_decoder.make_view(head, [image.tobytes() for image in images], seed, start + i)
            for i in range(number)
        ]
        samples = b"".join(map(flat, made))
        assert f"`{sha256(samples).hexdigest()}`" in SPECIFICATION
        assert (
            views.render(shown, views.draw(recipe, images.shape, seed, start, number), np).tobytes()
            == samples
        )


def test_the_reference_decoder_is_independent_and_small() -> None:
    source = Path(reference_decoder.__file__).read_text()
    imports = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))
    assert imports == {"__future__", "zlib", "collections", "decimal", "math", "types"}
    assert source.count("\n") <= 510


def test_the_contents_name_every_section() -> None:
    contents, *rest = SPECIFICATION.split("\n## ")[1:]
    titles = [section.splitlines()[0] for section in rest]
    links = re.findall(r"\(#([\w-]+)\)", contents)
    assert links == [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
