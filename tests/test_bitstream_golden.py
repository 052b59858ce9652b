"""Files written once must decode to the same pixels, or give the same error, forever."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import reference_decoder
import reference_labels
from golden_labels import some_views

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import tables

FOLDER = Path(__file__).parent / "golden"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
SPECIFICATION = (FOLDER.parent.parent / "bitstream_spec.md").read_text(encoding="utf-8")


def test_every_golden_file_is_listed() -> None:
    names = {path.stem for path in FOLDER.glob("*.rud")}
    assert MANIFEST["heads"].keys() == MANIFEST["pixels"].keys()
    assert names == set(MANIFEST["pixels"]) | set(MANIFEST["errors"])
    assert len(names) > 20


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_golden_pixels(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert sha256(images.tobytes()).hexdigest() == MANIFEST["pixels"][name]
    # the truncated one's head names a larger latent than it has left
    assert (bitstream.encode(payload) == data) == (name != "truncated")


@pytest.mark.parametrize("name", sorted(MANIFEST["heads"]))
def test_golden_heads(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    expected = MANIFEST["heads"][name]
    head = json.loads(json.dumps(asdict(bitstream.describe(data).head)))
    assert {field: head[field] for field in expected} == expected
    other = reference_decoder.decode(data)[0]
    shape, recipe = expected["architecture"], expected["recipe"]
    assert [shape[field] for field in ("height", "width", "channels")] == [
        other.height,
        other.width,
        other.channels,
    ]
    assert (shape["grids"], shape["context_hidden"]) == (other.grids, other.hidden)
    assert [list(layer.values()) for layer in shape["synthesis"]] == [list(layer) for layer in other.layers]
    assert (expected["ymax"], expected["counts"]) == (other.ymax, other.counts)
    assert (recipe["mean"], recipe["std"]) == (other.mean, other.std)
    assert (recipe["steps"], recipe["batch"]) == (other.steps, other.batch)
    rates = [float(text) for text in (other.lr, other.weight_decay, other.momentum)]
    assert [recipe[field] for field in ("lr", "weight_decay", "momentum")] == rates


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
    weights = bitstream.decode((FOLDER / "weight-2047.rud").read_bytes()).groups[0]
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
    with pytest.raises(ValueError):  # noqa: PT011  (any reason will do)
        reference_labels.read_labels(reference_decoder.decode(data)[0])


@pytest.mark.parametrize("name", sorted(MANIFEST["logits"]))
def test_golden_logits(name: str) -> None:
    """Of the label network, for the first views of seed 0; from the reference decoder too."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert payload.labels is not None
    views = some_views(payload, images)
    assert bitstream.logits(payload.labels, views).tolist() == MANIFEST["logits"][name]
    network = reference_labels.read_labels(reference_decoder.decode(data)[0])
    assert [reference_labels.logits(network, view.tolist()) for view in views] == MANIFEST["logits"][name]
    recipe = asdict(payload.labels.views)
    assert (network.temperature, network.views) == (payload.labels.temperature, list(recipe.values()))


@pytest.mark.parametrize("name", sorted(MANIFEST["probabilities"]))
def test_golden_soft_labels(name: str) -> None:
    """Of all images, or of the first where classes are many; from the reference decoder too."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, _ = bitstream.decode_images(data)
    found = bitstream.soft_labels(payload)
    assert found is not None and payload.soft is not None
    head = reference_decoder.decode(data)[0]
    np.testing.assert_allclose(head.probabilities, found, rtol=0, atol=1e-12)
    assert (head.kept, head.step, head.temperature) == astuple(payload.soft)
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
    assert "numpy" not in source.replace("No numpy", "") and "import rudcodec" not in source
    assert source.count("\n") < 400
