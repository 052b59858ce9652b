"""What decoding writes: said before, bounded, from a path or a pipe, and the same in batches of any size."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from golden_payloads import layer, quiet_group, random_labels, random_payload

import rudcodec
from rudcodec import BudgetError, SettingError, bitstream, output, viewset
from rudcodec.bitstream import labelnet
from rudcodec.cli.main import main
from rudcodec.payload import Architecture, LabelLayer, Model, Segment

SOFT = Path(__file__).parent / "golden" / "soft-300.rud"


def run(*args: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, [str(a) for a in args], input=stdin, prog_name="rudcodec")


def one_line(result: Result) -> str:
    assert result.exit_code == 2 and result.stdout == "" and result.stderr.count("\n") == 1, result.output
    return result.stderr


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid file of some 150 bytes with a million pictures."""
    architecture = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
    payload = random_payload(architecture, [(1, 1)], seed=1)
    payload = replace(payload, models=(Model(architecture, (quiet_group(architecture),)),))
    segment = Segment((1 << 19, 1 << 19), (np.zeros((1 << 20, 1, 1), np.int32),))
    path = tmp_path_factory.mktemp("million") / "million.rud"
    size = bitstream.write(replace(payload, segments=(segment,)), path)
    assert size < 200
    return path


def labelled_file(folder: Path, side: int = 9) -> Path:
    """Six pictures in two classes and a network that labels views of them."""
    architecture = Architecture(side, side, 3, (1,), (), (layer(3, relu=False),))
    layers = (LabelLayer(5, "mean"), LabelLayer(5, residual=True))
    payload = random_labels(random_payload(architecture, [(3, 3)], seed=1), layers, seed=2)
    bitstream.write(payload, folder / "views.rud")
    return folder / "views.rud"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return labelled_file(tmp_path)


def test_a_million_files_are_refused(million: Path, tmp_path: Path) -> None:
    text = one_line(run("decompress", million, tmp_path / "out"))
    assert "million.rud" in text and "1,048,577 files" in text and "--force" in text
    with pytest.raises(BudgetError, match=r"1,048,577 files.*force=True"):
        rudcodec.decompress(million, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_force_writes_what_is_refused_else(
    rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MOST_FILES", 12)
    assert "13 files" in one_line(run("decompress", rud, tmp_path / "a"))
    assert run("decompress", rud, tmp_path / "a", "--force").exit_code == 0
    assert len(rudcodec.decompress(rud, tmp_path / "b", force=True)) == 12
    for name in "ab":
        assert len(list((tmp_path / name).rglob("*.png"))) == 12
    monkeypatch.setattr(output, "MOST_FILES", 13)
    assert run("decompress", rud, tmp_path / "c").exit_code == 0
    monkeypatch.setattr(output, "MOST_BYTES", 40_000)
    assert "MB" in one_line(run("decompress", rud, tmp_path / "d"))
    assert "MB" in one_line(run("decompress", rud, tmp_path / "d", "--salvage"))
    assert not (tmp_path / "d").exists()


def test_what_will_be_written_is_an_upper_bound(rud: Path, tmp_path: Path) -> None:
    noise = random_payload(
        Architecture(70, 90, 3, (2, 1), (), (layer(3, relu=False),)), [(2,) * 4], seed=1, latents=40
    )
    bitstream.write(noise, tmp_path / "noise.rud")
    for path in (rud, tmp_path / "noise.rud", SOFT):
        folder = tmp_path / path.stem
        result = run("decompress", path, folder)
        files = [file for file in folder.rglob("*") if file.is_file()]
        bound = output.of_saving(bitstream.parse(path.read_bytes()), None)
        assert bound.files == len(files)
        assert sum(-(-file.stat().st_size // 4096) * 4096 for file in files) <= bound.size
        assert f"writing {bound}" in result.stderr


def test_views_that_fill_a_disk_are_refused(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.npz"
    text = one_line(run("decompress", labelled, out, "--views", "100000000000"))
    assert "views.rud" in text and "--force" in text
    assert "must be 0.." in one_line(run("decompress", labelled, out, "--views", "3", "--seed", str(1 << 64)))
    assert not out.exists()
    data = rudcodec.load(labelled)
    with pytest.raises(BudgetError, match="view_batches"):
        data.views(10**12)
    with pytest.raises(BudgetError, match="limit"):
        data.views(10, limit=100)
    with pytest.raises(SettingError, match=r"must be 0\.\."):
        data.views(1, start=1 << 59)
    for count in (-1, 1 << 60):
        with pytest.raises(SettingError, match=r"number of views.*must be 0\.\."):
            data.view_batches(count)
    with pytest.raises(SettingError, match=r"number of views.*must be 0\.\."):
        data.views(-1)
    with pytest.raises(SettingError, match="no images"):
        rudcodec.load(labelled, classes=[]).views(1)
    assert data.views(0).images.shape == (0, 9, 9, 3)


def test_views_come_in_batches_of_any_size(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = rudcodec.load(labelled)
    whole = data.views(40, seed=5, start=3)
    for pixels, activations in ((1, 1), (500, 10_000), (1 << 30, 1 << 30)):
        monkeypatch.setattr(viewset, "_PIXELS", pixels)
        monkeypatch.setattr(labelnet, "_ACTIVATIONS", activations)
        parts = list(data.view_batches(40, seed=5, start=3))
        np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)
        np.testing.assert_array_equal(np.concatenate([part.probs for part in parts]), whole.probs)
    monkeypatch.setattr(viewset, "_PIXELS", 500)
    assert run("decompress", labelled, tmp_path / "v.npz", "--views", "40", "--seed", "5").exit_code == 0
    expected = data.views(40, seed=5)
    expected.save(tmp_path / "w.npz")
    assert (tmp_path / "v.npz").read_bytes() == (tmp_path / "w.npz").read_bytes()
    with np.load(tmp_path / "v.npz") as arrays:
        np.testing.assert_array_equal(arrays["images"], expected.images)
        np.testing.assert_array_equal(arrays["probs"], expected.probs)
        np.testing.assert_array_equal(arrays["labels"], expected.labels)
        assert arrays["classes"].tolist() == list(data.classes)


def test_memory_for_views_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    """224 pixels: a few times what the views themselves take, and a constant."""
    data = rudcodec.load(labelled_file(tmp_path, 224))
    tracemalloc.start()
    made = data.views(40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < made.images.nbytes + (150 << 20)
    tracemalloc.start()
    count = sum(len(part.images) for part in data.view_batches(40))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40 and peak < 150 << 20


def test_standard_input(rud: Path, labelled: Path, tmp_path: Path) -> None:
    assert run("decompress", "-", tmp_path / "a", stdin=rud.read_bytes()).exit_code == 0
    assert run("decompress", rud, tmp_path / "b").exit_code == 0
    files = sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*"))
    assert len(files) == 13
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    views = run("decompress", "-", tmp_path / "v.npz", "--views", "2", stdin=labelled.read_bytes())
    assert views.exit_code == 0 and (tmp_path / "v.npz").exists()
    assert "standard input" in one_line(run("decompress", "-", tmp_path / "c", stdin=b"RUDE"))
    damaged = bytearray(rud.read_bytes())
    damaged[-1] ^= 1
    saved = run("decompress", "-", tmp_path / "d", "--salvage", stdin=bytes(damaged))
    assert saved.exit_code == 0 and "lost: segment 1" in saved.stderr
    assert json.loads((tmp_path / "d" / "labels.json").read_text())["classes"] == ["ant", "bee", "cicada"]


@pytest.mark.parametrize("command", ["info", "verify", "decompress", "truncate"])
def test_closed_standard_input_is_one_line(command: str, tmp_path: Path) -> None:
    more = {"decompress": [str(tmp_path / "a")], "truncate": [str(tmp_path / "a"), "--ipc", "1"]}
    line = ["sh", "-c", '"$@" <&-', "sh", sys.executable, "-m", "rudcodec.cli", command, "-"]
    line += more.get(command, [])
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "rudcodec: standard input is closed\n"


def test_open_files_are_read_like_paths(rud: Path) -> None:
    whole = rudcodec.load(rud)
    with rud.open("rb") as file:
        np.testing.assert_array_equal(rudcodec.load(file).images, whole.images)
    parts = list(rudcodec.stream(io.BytesIO(rud.read_bytes())))
    np.testing.assert_array_equal(np.concatenate([part.images for part in parts]), whole.images)
    saved, lost = rudcodec.salvage(io.BytesIO(rud.read_bytes()))
    np.testing.assert_array_equal(saved.images, whole.images)
    assert not lost and saved.size == whole.size
