"""Files written once must decode to the same pixels, or give the same error, forever."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, astuple, fields
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import reference_decoder
from golden_labels import some_views
from make_golden import summary

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import tables
from rudcodec.payload import Kernel, LabelLayer, Norm, ViewRecipe

FOLDER = Path(__file__).parent / "golden"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
SPECIFICATION = (FOLDER.parent.parent / "bitstream_spec.md").read_text(encoding="utf-8")


def test_every_golden_file_is_listed() -> None:
    names = {path.stem for path in FOLDER.glob("*.rud")}
    assert MANIFEST["outlines"].keys() == MANIFEST["pixels"].keys()
    assert MANIFEST["views"].keys() == MANIFEST["logits"].keys() <= MANIFEST["pixels"].keys()
    assert names == set(MANIFEST["pixels"]) | set(MANIFEST["errors"])
    assert len(names) > 20


# Files that aren't what an encoder here would write of what is in them: they have sections or bytes that it
# doesn't know, in an order that isn't its own, or name a larger latent than is left.
OTHERS = {"truncated", "unknown-at-the-end", "unknown-sections", "recipe-longer"}
OTHERS |= {f"metadata-{fault}" for fault in ("control", "cut", "too-long", "twice")}
OTHERS |= {f"recipe-{fault}" for fault in ("augment-64", "cut", "optimizer-3", "std-0", "twice")}


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_golden_pixels(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert sha256(images.tobytes()).hexdigest() == MANIFEST["pixels"][name]
    assert (bitstream.encode(payload) == data) == (name not in OTHERS)


@pytest.mark.parametrize("name", sorted(MANIFEST["outlines"]))
def test_golden_outlines(name: str) -> None:
    """What the fields say; as far as pixels need them, from the reference decoder too."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    expected = MANIFEST["outlines"][name]
    assert json.loads(json.dumps(summary(data))) == expected
    other = reference_decoder.read_file(data)
    assert [other.height, other.width, other.channels] == expected["shape"]
    assert other.classes == expected["classes"]
    for model, said in zip(other.models, expected["models"], strict=True):
        assert (model.grids, model.hidden, model.ymax) == (said["grids"], said["context"], said["ymax"])
        assert [list(layer) for layer in model.layers] == [list(one.values()) for one in said["synthesis"]]
        classes = said["classes"]
        assert list(model.group) == (classes or list(range(len(other.classes))))
        assert max(model.group.values()) == (len(classes) - 1 if classes else 0)
    for segment, said in zip(other.segments, expected["segments"], strict=True):
        assert other.models.index(segment.model) == said["model"]
        counts = said["counts"]
        order = said["order"] or [k for k, count in enumerate(counts) if count]
        assert segment.runs == [(k, counts[k]) for k in order]


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
    reference_decoder.decode((FOLDER / f"{name}.rud").read_bytes())
    for low, high in CLAMPED[name]:
        assert {side for a, b, side in met if (a, b) == (low, high)} == {-1, 0, 1}


def test_golden_files_reach_the_largest_values() -> None:
    (weights,) = bitstream.decode((FOLDER / "weight-2047.rud").read_bytes()).models[0].groups
    for tensor in (weights.context[0].weight, weights.context[0].bias):
        assert (tensor.values.min(), tensor.values.max(), tensor.exponent) == (-2047, 2047, 15)
    (latents,) = bitstream.decode((FOLDER / "latent-32767.rud").read_bytes()).segments[0].latents
    assert (latents.min(), latents.max()) == (-32767, 32767)


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_reference_decoder_agrees(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    head, pixels, labels = reference_decoder.decode(data)
    assert sha256(b"".join(pixels)).hexdigest() == MANIFEST["pixels"][name]
    payload = bitstream.decode(data)
    assert labels == bitstream.hard_labels(payload).tolist()
    assert tuple(head.classes) == payload.classes


@pytest.mark.parametrize("name", sorted(MANIFEST["errors"]))
def test_golden_errors(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    with pytest.raises(FormatError) as caught:
        bitstream.decode_images(data)
    assert str(caught.value) == MANIFEST["errors"][name]
    assert 0 <= caught.value.offset <= len(data)
    with pytest.raises(ValueError):  # noqa: PT011  (any reason will do)
        reference_decoder.read_labels(reference_decoder.decode(data)[0])


@pytest.mark.parametrize("name", sorted(MANIFEST["logits"]))
def test_golden_views_and_logits(name: str) -> None:
    """The first views of seed 0, and what the label network makes of them; from the reference decoder too."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert payload.labels is not None
    views = some_views(payload, images)
    assert sha256(views.tobytes()).hexdigest() == MANIFEST["views"][name]
    assert bitstream.logits(payload.labels, views).tolist() == MANIFEST["logits"][name]
    head, pixels, _ = reference_decoder.decode(data)
    if head.views is None:
        assert payload.labels.views is None
        head.views = list(asdict(ViewRecipe()).values())
    assert [reference_decoder.make_view(head, pixels, 0, i) for i in range(len(views))] == views.tolist()
    network = reference_decoder.read_labels(head)
    assert network is not None
    assert (network.temperature, bool(network.mirror)) == (payload.labels.temperature, payload.labels.mirror)
    assert [reference_decoder.logits(network, view.tolist()) for view in views] == MANIFEST["logits"][name]


def test_golden_label_networks_have_layers_of_every_kind() -> None:
    files = [bitstream.decode((FOLDER / f"{name}.rud").read_bytes()) for name in MANIFEST["logits"]]
    layers = [layer for file in files if file.labels is not None for layer in file.labels.layers]
    for field in fields(LabelLayer):
        values = {getattr(layer, field.name) for layer in layers}
        assert len(values) >= {"pool": 4, "kernel": 3}.get(field.name, 2), field.name
    assert {(layer.kernel, layer.norm) for layer in layers} == {
        (kernel, norm) for kernel in get_args(Kernel) for norm in get_args(Norm)
    }


@pytest.mark.parametrize("name", sorted(MANIFEST["probabilities"]))
def test_golden_soft_labels(name: str) -> None:
    """Of all images, or of the first where classes are many; from the reference decoder too."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, _ = bitstream.decode_images(data)
    found = bitstream.soft_labels(payload)
    assert found is not None and payload.soft is not None
    head = reference_decoder.decode(data)[0]
    np.testing.assert_allclose(head.probabilities, found, rtol=0, atol=1e-12)
    assert (head.soft.kept, head.soft.step, head.soft.temperature) == astuple(payload.soft)
    expected = MANIFEST["probabilities"][name]
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=1e-9)


def test_tables_are_the_specified_ones() -> None:
    table = tables.frequencies()
    digest = sha256(table.astype("<u4").tobytes()).hexdigest()
    assert digest == tables.SHA256
    assert digest in SPECIFICATION
    assert table.tolist() == reference_decoder.make_tables()
    assert (table.sum(axis=1, dtype=np.int64) == 1 << 24).all() and table.min() >= 1


def test_worked_example_of_the_specification() -> None:
    lines = SPECIFICATION.split("<!-- example -->")[1].split("```")[1].splitlines()
    data = bytes.fromhex("".join(line.split("|")[1] for line in lines if line.count("|") == 2))
    assert data == (FOLDER / "example.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert f"pixels {images.tobytes().hex(' ')}" in SPECIFICATION
    assert [grid.ravel().tolist() for grid in payload.segments[0].latents] == [[5], [7, 0, -2, 40]]


def test_reference_decoder_is_independent() -> None:
    source = Path(reference_decoder.__file__).read_text()
    imported = re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE)
    assert set(imported) <= {*sys.stdlib_module_names}
    assert source.count("\n") <= 500
