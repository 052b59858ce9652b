"""Smaller files without encoding anew, from Python and from the command line."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference_decoder
from click.testing import CliRunner, Result
from golden_payloads import layer, random_payload, split

import rudcodec
from rudcodec import BudgetError, FormatError, SettingError, bitstream
from rudcodec.bitstream import limits
from rudcodec.cli.main import main
from rudcodec.payload import Architecture, Payload

COUNTS = [(2, 2), (2, 2), (3, 1), (2, 0), (2, 2)]  # 2, 4, 6, 7, 9 a class, on average


ARCHITECTURE = Architecture(6, 5, 3, (2, 1), (3,), (layer(4, 3), layer(3, relu=False)))


def payload_of(share: str = "dataset") -> Payload:
    return random_payload(ARCHITECTURE, COUNTS, seed=4, share=share)


@pytest.fixture(params=["dataset", "class"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "set.rud"
    bitstream.write(payload_of(request.param), path)
    return path


@pytest.mark.parametrize(("ipc", "kept"), [(2, 1), (3.9, 1), (4, 2), (6.5, 3), (8, 4), (9, 5), (1000, 5)])
def test_images_a_class(file: Path, tmp_path: Path, ipc: float, kept: int) -> None:
    out = tmp_path / "out.rud"
    result = rudcodec.truncate(file, out, ipc=ipc)
    data = out.read_bytes()
    assert (result.segments, result.total, result.data) == (kept, 5, data)
    assert result.bpc == 8 * len(data) / 2
    images = sum(map(sum, COUNTS[:kept]))
    assert (result.images, result.ipc) == (images, images / 2)
    whole, part = rudcodec.load(file), rudcodec.load(out)
    np.testing.assert_array_equal(part.images, whole.images[:images])
    np.testing.assert_array_equal(part.labels, whole.labels[:images])
    assert (part.classes, part.recipe) == (whole.classes, whole.recipe)
    # all but HEAD and the segments that go are the same bytes, and the independent decoder takes the file
    assert split(data)[1:] == split(file.read_bytes())[1 : kept + 3]
    assert b"".join(reference_decoder.decode(data)[1]) == part.images.tobytes()
    if kept == 5:
        assert data == file.read_bytes()


def test_every_size(file: Path) -> None:
    """At each possible size exactly, just below it, and just above it."""
    data = file.read_bytes()
    sizes = [bitstream.truncate(data, ipc=ipc).bpc for ipc in (2, 4, 6, 7, 9)]
    assert sizes == sorted(set(sizes)) and sizes[-1] == 8 * len(data) / 2
    for kept, bpc in enumerate(sizes, 1):
        assert bitstream.truncate(data, bpc=bpc).segments == kept
        assert bitstream.truncate(data, bpc=bpc + 1).segments == kept
        if kept > 1:
            assert bitstream.truncate(data, bpc=bpc - 1).segments == kept - 1
    with pytest.raises(BudgetError, match=f"{sizes[0]:g} bits per class, the least"):
        bitstream.truncate(data, bpc=sizes[0] - 1)
    assert bitstream.truncate(data, ipc=4, bpc=1e9).segments == 2
    assert bitstream.truncate(data, ipc=7, bpc=sizes[1]).segments == 2


def test_twice_is_once(file: Path) -> None:
    data = file.read_bytes()
    once, more = bitstream.truncate(data, ipc=4), bitstream.truncate(data, ipc=7)
    assert bitstream.truncate(more.data, ipc=4).data == once.data


def test_what_cannot_be_done_is_said(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.rud"
    with pytest.raises(BudgetError, match="2 images per class on average, the least"):
        rudcodec.truncate(file, out, ipc=1)
    with pytest.raises(SettingError, match="ipc or bpc"):
        rudcodec.truncate(file, out)
    for value in (0, -3, float("nan")):
        with pytest.raises(SettingError, match="above zero"):
            rudcodec.truncate(file, out, bpc=value)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(FormatError, match="segment 4"):
        rudcodec.truncate(file, out, ipc=2)
    assert not out.exists()


def test_in_place(file: Path) -> None:
    images = rudcodec.load(file).images
    rudcodec.truncate(file, file, ipc=4)
    np.testing.assert_array_equal(rudcodec.load(file).images, images[:8])


def run(*args: str | os.PathLike[str], stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, [os.fspath(a) for a in args], input=stdin, prog_name="rudcodec")


class TestCommand:
    def test_says_what_was_kept(self, file: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.rud"
        result = run("truncate", file, out, "--ipc", "5")
        assert result.exit_code == 0, result.output
        assert f"{out.stat().st_size:,} bytes" in result.stdout
        assert "4 images per class; 2 of 5 segments" in result.stdout
        piped = run("truncate", "-", tmp_path / "piped.rud", "--bpc", "1M", stdin=file.read_bytes())
        assert "5 of 5 segments" in piped.stdout
        assert (tmp_path / "piped.rud").read_bytes() == file.read_bytes()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([], ["--ipc", "--bpc"]),
            (["--ipc", "0"], ["--ipc", "above zero"]),
            (["--ipc", "1"], ["set.rud", "2 images per class"]),
            (["--bpc", "90"], ["set.rud", "bits per class"]),
        ],
    )
    def test_errors_are_one_line(
        self, file: Path, tmp_path: Path, options: list[str], words: list[str]
    ) -> None:
        result = run("truncate", file, tmp_path / "out.rud", *options)
        assert result.exit_code == 2 and result.stdout == "" and result.stderr.count("\n") == 1
        assert all(word in result.stderr for word in words)
        assert not (tmp_path / "out.rud").exists()

    def test_bad_files_are_named(self, file: Path, tmp_path: Path) -> None:
        file.write_bytes(file.read_bytes()[:-1])
        assert "set.rud: segment 4" in run("truncate", file, tmp_path / "out.rud", "--ipc", "2").stderr
        assert "there is no folder" in run("truncate", file, tmp_path / "no" / "x.rud", "--ipc", "2").stderr


class TestSalvageCommand:
    def test_saves_and_names_the_rest(self, file: Path, tmp_path: Path) -> None:
        whole = rudcodec.load(file)
        file.write_bytes(file.read_bytes()[:-9])
        plain = run("decompress", file, tmp_path / "plain")
        assert plain.exit_code == 2 and not (tmp_path / "plain").exists()
        result = run("decompress", file, tmp_path / "out", "--salvage")
        assert result.exit_code == 0
        assert result.stderr.count("\n") == 2 and "lost: segment 4, byte" in result.stderr
        assert "14 images" in result.stdout
        assert len(list((tmp_path / "out").rglob("*.png"))) == 14 < len(whole)

    def test_an_intact_file_is_just_decompressed(self, file: Path, tmp_path: Path) -> None:
        result = run("decompress", file, tmp_path / "out", "--salvage")
        assert result.exit_code == 0 and "lost" not in result.stderr
        assert len(list((tmp_path / "out").rglob("*.png"))) == 18

    def test_nothing_to_save(self, file: Path, tmp_path: Path) -> None:
        data = bytearray(file.read_bytes())
        data[8] ^= 1
        file.write_bytes(data)
        result = run("decompress", file, tmp_path / "out", "--salvage")
        assert result.exit_code == 2 and result.stderr.startswith("rudcodec: ") and "head" in result.stderr
        assert result.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def test_files_of_some_classes_each_lose_classes_by_name(tmp_path: Path) -> None:
    """Each segment of a merged file has the classes of one client."""
    clients = []
    for number, names in enumerate((("ant", "bee"), ("bee", "cicada"))):
        payload = random_payload(ARCHITECTURE, [(4, 4)], seed=number)
        clients.append(bitstream.encode(replace(payload, classes=names)))
    both = tmp_path / "both.rud"
    rudcodec.merge(clients, both)
    result = rudcodec.truncate(both.read_bytes(), tmp_path / "first.rud", ipc=4)
    assert (result.segments, result.images, result.lost) == (1, 8, ("cicada",))
    assert result.ipc == 8 / 3
    assert rudcodec.load(tmp_path / "first.rud").counts == (4, 4, 0)
    assert bitstream.truncate(both.read_bytes(), ipc=6).lost == ()
    said = run("truncate", both, tmp_path / "said.rud", "--ipc", "4")
    assert said.exit_code == 0 and "no image is left of cicada" in said.stderr
    written = run("decompress", tmp_path / "said.rud", tmp_path / "folder")
    assert written.exit_code == 0 and "no image is of cicada" in written.stderr


def test_networks_that_no_image_uses_are_left_out(tmp_path: Path) -> None:
    """Those of a class that has lost its images; the segments stay the same bytes."""
    payload = random_payload(
        ARCHITECTURE, [(2, 0, 1), (1, 0, 1), (1, 1, 1)], seed=3, share="class", classes=("ant", "bee", "cat")
    )
    data = bitstream.encode(payload)
    short = bitstream.truncate(data, ipc=2).data
    (model,) = bitstream.parse(short).models
    assert model.fields.classes == (0, 2)
    assert split(short)[-2:] == split(data)[-3:-1]
    whole = rudcodec.load(data)
    part, pixels, labels = reference_decoder.decode(short)
    assert b"".join(pixels) == whole.images[:5].tobytes() and part.classes == list(whole.classes)
    assert list(labels) == whole.labels[:5].tolist()
    assert bitstream.truncate(short, ipc=1).data == bitstream.truncate(data, ipc=1).data


@pytest.mark.parametrize("shares", [("dataset", "dataset"), ("class", "dataset"), ("dataset", "class")])
def test_models_that_no_segment_uses_are_left_out(shares: tuple[str, str]) -> None:
    """Of the first of merged files nothing is left but the file itself."""
    files = [
        bitstream.encode(random_payload(ARCHITECTURE, COUNTS, seed=seed, share=share))
        for seed, share in enumerate(shares)
    ]
    merged = bitstream.merge(files)
    assert bitstream.truncate(merged, ipc=9).data == files[0]
    assert bitstream.truncate(bitstream.merge([*files, files[0]]), ipc=18).data == merged


def test_extract_leaves_out_networks_that_no_image_uses() -> None:
    first = random_payload(ARCHITECTURE, [(2, 0, 1)], seed=3, share="class", classes=("ant", "bee", "cat"))
    second = random_payload(ARCHITECTURE, [(1,)], seed=4, classes=("dog",))
    merged = bitstream.merge([bitstream.encode(first), bitstream.encode(second)])
    whole = rudcodec.load(merged)
    for classes, groups in (
        (["ant", "bee"], [(0,)]),
        (["dog"], [None]),
        (["bee", "cat", "dog"], [(1,), None]),
    ):
        part = bitstream.extract(merged, classes=classes)
        assert [model.fields.classes for model in bitstream.parse(part).models] == groups
        keep = np.isin(whole.labels, [whole.classes.index(name) for name in classes])
        np.testing.assert_array_equal(rudcodec.load(part).images, whole.images[keep])


def test_models_stay_where_bytes_would_not_pay_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are shorter without the number of a model."""
    payloads = [random_payload(ARCHITECTURE, counts, seed=1) for counts in (COUNTS, [(90, 90)])]
    merged = bitstream.merge([bitstream.encode(payload) for payload in payloads])
    assert len(bitstream.parse(bitstream.truncate(merged, ipc=9).data).models) == 1
    monkeypatch.setattr(limits, "model_work", lambda *_: 0)
    monkeypatch.setattr(limits, "WORK_PER_BYTE", 1 << 15)
    excess = bitstream.parse(merged).total_work.excess
    monkeypatch.setattr(limits, "WORK", excess)
    short = bitstream.truncate(merged, ipc=9).data
    assert split(short)[1:] == split(merged)[1:-1] and len(bitstream.parse(short).models) == 2


def test_files_that_are_in_memory(file: Path, tmp_path: Path) -> None:
    data, out = file.read_bytes(), tmp_path / "out.rud"
    assert rudcodec.merge([data, io.BytesIO(data), file], out) == len(bitstream.merge([data] * 3))
    rudcodec.extract(memoryview(data), out, ipc=1)
    assert rudcodec.load(out).counts == (1, 1)
    with pytest.raises(SettingError, match="extract needs classes, ipc or hard"):
        rudcodec.extract(data, out)
    with pytest.raises(SettingError, match="ipc is nan, must be a whole number"):
        rudcodec.extract(data, out, ipc=float("nan"))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="merge takes a list of files"):
        rudcodec.merge(data, out)  # type: ignore[arg-type]


def test_numbers_and_names_are_no_silent_mixture() -> None:
    named, numbered = (
        bitstream.encode(replace(payload_of(), classes=names)) for names in (("ant", "bee"), ("0", "1"))
    )
    with pytest.warns(RuntimeWarning, match="classes of file 2 are numbers, those of file 1 are names"):
        merged = bitstream.merge([named, numbered])
    assert bitstream.parse(merged).classes == ("ant", "bee", "0", "1")
    assert bitstream.parse(bitstream.merge([numbered, numbered])).classes == ("0", "1")
