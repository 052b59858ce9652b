"""Files written once must decode to the same pixels, or give the same error, forever."""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from golden_labels import some_views
from make_golden import summary

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import tables
from rudcodec.payload import Kernel, LabelLayer, Norm

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
OTHERS = {"truncated", "unknown-1024", "unknown-at-the-end", "unknown-sections", "recipe-longer"}
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
    data = (FOLDER / f"{name}.rud").read_bytes()
    assert json.loads(json.dumps(summary(data))) == MANIFEST["outlines"][name]


def test_golden_files_reach_the_largest_values() -> None:
    (weights,) = bitstream.decode((FOLDER / "weight-2047.rud").read_bytes()).models[0].groups
    for tensor in (weights.context[0].weight, weights.context[0].bias):
        assert (tensor.values.min(), tensor.values.max(), tensor.exponent) == (-2047, 2047, 15)
    (latents,) = bitstream.decode((FOLDER / "latent-32767.rud").read_bytes()).segments[0].latents
    assert (latents.min(), latents.max()) == (-32767, 32767)


@pytest.mark.parametrize("name", sorted(MANIFEST["errors"]))
def test_golden_errors(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    with pytest.raises(FormatError) as caught:
        bitstream.decode_images(data)
    assert str(caught.value) == MANIFEST["errors"][name]
    assert 0 <= caught.value.offset <= len(data)


@pytest.mark.parametrize("name", sorted(MANIFEST["logits"]))
def test_golden_views_and_logits(name: str) -> None:
    """The first views of seed 0, and what the label network makes of them."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert payload.network is not None
    views = some_views(payload, images)
    assert sha256(views.tobytes()).hexdigest() == MANIFEST["views"][name]
    assert bitstream.logits(payload.network, views).tolist() == MANIFEST["logits"][name]
    assert (payload.network.views is None) == (name == "labels-no-views")


def test_golden_label_networks_have_layers_of_every_kind() -> None:
    files = [bitstream.decode((FOLDER / f"{name}.rud").read_bytes()) for name in MANIFEST["logits"]]
    layers = [layer for file in files if file.network is not None for layer in file.network.layers]
    for field in fields(LabelLayer):
        values = {getattr(layer, field.name) for layer in layers}
        assert len(values) >= {"pool": 4, "kernel": 3}.get(field.name, 2), field.name
    assert {(layer.kernel, layer.norm) for layer in layers} == {
        (kernel, norm) for kernel in get_args(Kernel) for norm in get_args(Norm)
    }


@pytest.mark.parametrize("name", sorted(MANIFEST["probabilities"]))
def test_golden_soft_labels(name: str) -> None:
    """Of all images, or of the first where classes are many."""
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, _ = bitstream.decode_images(data)
    found = bitstream.soft_labels(payload)
    assert found is not None
    expected = MANIFEST["probabilities"][name]
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=1e-9)


def test_tables_are_the_specified_ones() -> None:
    table = tables.frequencies()
    digest = sha256(table.astype("<u4").tobytes()).hexdigest()
    assert digest == tables.SHA256
    assert digest in SPECIFICATION
    assert (table.sum(axis=1, dtype=np.int64) == 1 << 24).all() and table.min() >= 1


def test_worked_example_of_the_specification() -> None:
    lines = SPECIFICATION.split("<!-- example -->")[1].split("```")[1].splitlines()
    data = bytes.fromhex("".join(line.split("|")[1] for line in lines if line.count("|") == 2))
    assert data == (FOLDER / "example.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert f"pixels {images.tobytes().hex(' ')}" in SPECIFICATION
    assert [grid.ravel().tolist() for grid in payload.segments[0].latents] == [[5], [7, 0, -2, 40]]


@pytest.mark.parametrize("name", ["labels-separable", "labels-plain"])
def test_flags_that_blas_raises_for_nothing_are_ignored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """BLAS libraries compute with unused lanes of registers, too, and numpy warns of what those hold."""
    exact = np.matmul
    products = 0

    def with_flags(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        nonlocal products
        products += 1
        np.divide([0.0, 1.0], 0.0)
        return exact(left, right, out=out)

    monkeypatch.setattr(np, "matmul", with_flags)
    data = (FOLDER / f"{name}.rud").read_bytes()
    with np.errstate(all="raise"):
        payload, images = bitstream.decode_images(data)
        assert payload.network is not None
        logits = bitstream.logits(payload.network, some_views(payload, images))
        assert bitstream.encode(payload) == data
    assert sha256(images.tobytes()).hexdigest() == MANIFEST["pixels"][name]
    assert logits.tolist() == MANIFEST["logits"][name]
    assert products
