"""What must hold of a file that an encoder made of real images."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import reference_decoder
from click.testing import CliRunner

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scikit-learn's digits, three a class, briefly trained."""
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("real") / "digits.rud"
    rudcodec.compress("digits", path, bpc=900, ipc=3, warmup=10, joint=0, tune=4)
    return path


def test_its_size_is_the_ideal_code_length(file: Path) -> None:
    """To half a percent and 64 bytes; the head, which isn't coded, apart."""
    data = file.read_bytes()
    description = bitstream.describe(data)
    head = sum(row.bytes for row in description.rows if row.section == "head")
    ideal = sum(part.bits for part in description.parts) / 8
    assert ideal <= len(data) - head <= 1.005 * ideal + 64
    result = CliRunner().invoke(main, ["info", str(file), "--bits", "--json"])
    facts = json.loads(result.stdout)
    assert facts["bytes"] == len(data)
    assert sum(part["bits"] for part in facts["ideal"]) == pytest.approx(8 * ideal)


def test_the_reference_decoder_gives_the_same_pixels(file: Path) -> None:
    images = rudcodec.load(file).images
    _, pixels, _ = reference_decoder.decode(file.read_bytes())
    assert sha256(b"".join(pixels)).digest() == sha256(images.tobytes()).digest()
    assert len(np.unique(images)) > 100


def test_verify_says_so(file: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["verify", str(file), str(file), "--json"])
    assert result.exit_code == 0
    assert [row["ok"] for row in json.loads(result.stdout)] == [True, True]
    cut = tmp_path / "cut.rud"
    cut.write_bytes(file.read_bytes()[:-1])
    assert CliRunner().invoke(main, ["verify", str(file), str(cut)]).exit_code == 2


def test_loading_imports_no_training_library(file: Path) -> None:
    program = "import sys, rudcodec; rudcodec.load(sys.argv[1])"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in result.stderr.splitlines()}
    assert {"rudcodec", "numpy", "constriction"} <= imported
    assert not {"torch", "torchvision", "compressai", "sklearn", "scipy"} & imported
