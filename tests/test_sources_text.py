"""Foreign names in messages, and inputs without end: nothing raw reaches a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_payload
from test_data import encoded, put, refusal, tarred, toy, zipped

from rudcodec import DataError, FormatError, RudError, bitstream
from rudcodec.data import Reading, load
from rudcodec.text import listed, shown

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run(
    *arguments: str, env: Mapping[str, str] | None = None, errors: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rudcodec.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, errors=errors)


def test_a_name_is_shown_as_it_is_or_with_escapes() -> None:
    assert shown("œuf 卵.png") == "œuf 卵.png"
    for odd in (ESCAPE, "a\nb", "a\u202eb", "a\udc80", "a\x00", "\u2028"):
        assert shown(odd).isprintable() and shown(odd) != odd
    assert len(shown("x" * 10**6)) < 400
    assert listed(["a", ESCAPE]) == f"a, {ESCAPE!r}" and listed([]) == "nothing"
    assert listed(map(str, range(99))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."


@pytest.mark.parametrize("kind", [RudError, DataError])
def test_no_error_carries_a_raw_control_character(kind: type[RudError]) -> None:
    assert str(kind(f"{ESCAPE}: broken\nfile")) == r"\x1b]0;owned\x07\x1b[31m: broken\nfile"
    assert str(FormatError("head", 3, ESCAPE)).isprintable()


def test_names_out_of_archives_arrays_and_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    images = np.zeros((4, 2, 2), np.uint8)
    arrays: dict[str, Any] = {ESCAPE: images}
    np.savez(tmp_path / "key.npz", **arrays)
    np.savez(tmp_path / "label.npz", images=images, labels=np.array(["a", "b", ESCAPE, "a"]))
    np.savez(tmp_path / "class.npz", images=images, labels=np.arange(4) % 2, classes=np.array(["a", ESCAPE]))
    torch.save({ESCAPE: torch.zeros(2)}, tmp_path / "key.pt")
    zipped(tmp_path / "class.zip", {f"{ESCAPE}/x.png": encoded(1), "b/x.png": encoded(1)})
    zipped(tmp_path / "file.zip", toy() | {f"cat/{ESCAPE}.png": b"x"})
    zipped(tmp_path / "way.zip", toy() | {f"../{ESCAPE}.png": b"x"})
    zipped(tmp_path / "end.zip", {f"cat/x.{ESCAPE}": b"x"})
    tarred(tmp_path / "split.tar", toy("train/") | {f"{ESCAPE}/x.png": encoded(1)})
    for source in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError) as caught:
            load(source, "all")
        assert str(caught.value).isprintable(), source


def test_a_report_is_safe_to_print(tmp_path: Path) -> None:
    odd = {f"cat/x.{ESCAPE}": b"", f"{ESCAPE}.png": encoded(1), f"dog/{ESCAPE}.png": b"x"}
    found = load(zipped(tmp_path / "x.zip", toy() | odd), "all", reading=Reading(skip_bad=True))
    assert found.report is not None and len(found.report.passed) == 2 and len(found.report.bad) == 1
    for line in (*found.report.lines(), *found.report.bad):
        assert line.isprintable()


def test_class_names_of_a_file_are_shown(tmp_path: Path) -> None:
    bitstream.write(replace(small_payload(), classes=("ant", "b\u202eee", "卵")), tmp_path / "x.rud")
    done = run("info", str(tmp_path / "x.rud"))
    assert "3 classes: ant, 'b\\u202eee', 卵" in done.stdout


def test_a_locale_without_the_letters_is_no_reason_to_stop(tmp_path: Path) -> None:
    bitstream.write(replace(small_payload(), classes=("ant", "œuf", "卵")), tmp_path / "x.rud")
    for locale in (ASCII, {"PYTHONIOENCODING": "latin-1"}):
        done = run("info", str(tmp_path / "x.rud"), env=os.environ | locale, errors="replace")
        assert (done.returncode, done.stderr) == (0, "")
        assert "3 classes: ant, " in done.stdout
    assert r"ant, \u0153uf, \u5375" in done.stdout


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudcodec.bitstream.files.LARGEST_FILE", 1 << 20)
    with pytest.raises(FormatError, match="more than 1048576 bytes"):
        bitstream.read_bytes("/dev/zero")
    with pytest.raises(DataError, match="/dev/zero: not a file or folder"):
        load("/dev/zero")


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m rudcodec.cli info - <&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "rudcodec: standard input is closed\n")


def test_an_archive_in_memory_names_nothing_raw(tmp_path: Path) -> None:
    data = io.BytesIO(zipped(tmp_path / "a.zip", toy()).read_bytes()[:-40])
    (tmp_path / "cut\x1b[1m.zip").write_bytes(data.getvalue())
    with pytest.raises(DataError, match="not an image set, but a truncated zip") as caught:
        load(tmp_path / "cut\x1b[1m.zip")
    assert str(caught.value).isprintable()


def test_one_thing_is_no_several(tmp_path: Path) -> None:
    one, labels = np.zeros((1, 4, 4), np.uint8), np.array([0])
    assert "1 image but 2 labels" in refusal((one, np.arange(2)), "all")
    assert "2 images but 1 label" in refusal((list(one.repeat(2, 0)), [0]), "all")
    np.savez(tmp_path / "s.npz", images=one, labels=labels, classes=np.array(["a", "b"]))
    report = load(tmp_path / "s.npz", "all").report
    assert report and ": 1 image of 2 classes (a, b), 0 (b) to 1 (a) of each" in next(report.lines())
    folders = put(tmp_path / "set", {"a/0.png": b"", "b/0.png": encoded(3), "b/1.png": encoded(3)})
    with pytest.raises(DataError, match="class 'a' has 1 picture, of which none can be read"):
        load(folders, "all", reading=Reading(skip_bad=True))
