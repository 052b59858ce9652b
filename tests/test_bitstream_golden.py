"""Files written once must decode to the same pixels, or give the same error, forever."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import tables

FOLDER = Path(__file__).parent / "golden"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
SPECIFICATION = (FOLDER.parent.parent / "bitstream_spec.md").read_text(encoding="utf-8")


def test_every_golden_file_is_listed() -> None:
    names = {path.stem for path in FOLDER.glob("*.rud")}
    assert names == set(MANIFEST["pixels"]) | set(MANIFEST["errors"])
    assert len(names) > 20


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_golden_pixels(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    payload, images = bitstream.decode_images(data)
    assert sha256(images.tobytes()).hexdigest() == MANIFEST["pixels"][name]
    # the truncated one's head names a larger latent than it has left
    assert (bitstream.encode(payload) == data) == (name != "truncated")


@pytest.mark.parametrize("name", sorted(MANIFEST["pixels"]))
def test_reference_decoder_agrees(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    head, pixels, labels = reference_decoder.decode(data)
    assert sha256(b"".join(pixels)).hexdigest() == MANIFEST["pixels"][name]
    payload = bitstream.decode(data)
    assert labels == bitstream.hard_labels(payload).tolist()
    assert tuple(head.classes) == payload.classes
    assert float(head.lr) == payload.recipe.lr


@pytest.mark.parametrize("name", sorted(MANIFEST["errors"]))
def test_golden_errors(name: str) -> None:
    data = (FOLDER / f"{name}.rud").read_bytes()
    with pytest.raises(FormatError) as caught:
        bitstream.decode_images(data)
    assert str(caught.value) == MANIFEST["errors"][name]
    with pytest.raises(ValueError):
        reference_decoder.decode(data)


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
