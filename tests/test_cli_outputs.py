"""Where commands write: nothing is overwritten unasked, and - is standard input and output."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from test_output import one_line, run

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.metrics import Metrics
from rudcodec.cli.outputs import check_outputs
from rudcodec.display import ProgressView
from rudcodec.run_files import MARKER, lock_of


def unfinished_run(folder: Path) -> None:
    """As a process leaves it that was killed behind a checkpoint."""
    folder.mkdir()
    for name in (MARKER, "checkpoint-3.safetensors"):
        (folder / name).touch()


class TestForce:
    @pytest.mark.parametrize("option", [[], ["--preview"], ["--log"]])
    def test_compress(self, tmp_path: Path, option: list[str]) -> None:
        """Refused before the set is looked for, which is missing."""
        pytest.importorskip("torch")
        old, out = tmp_path / "old", tmp_path / "new.rud"
        old.write_text("precious")
        outputs: list[str | Path] = [out, *option, old] if option else [old]
        assert "exists already; --force" in one_line(run("compress", tmp_path / "no.zip", *outputs))
        assert "no.zip" in one_line(run("compress", tmp_path / "no.zip", *outputs, "--force"))
        assert old.read_text() == "precious"

    def test_compress_that_writes_nothing_or_goes_on(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        out = tmp_path / "old.rud"
        out.touch()
        command: list[str | Path] = ["compress", tmp_path / "no.zip", out]
        assert "no.zip" in one_line(run(*command, "--dry-run"))
        assert "exists already" in one_line(run(*command, "--resume"))
        unfinished_run(tmp_path / "old.rud.run")
        assert "no.zip" in one_line(run(*command, "--resume"))
        assert "no.zip" in one_line(run(*command, "--dry-run"))
        assert "holds an unfinished run; --resume" in one_line(run(*command))

    @pytest.mark.parametrize(
        ("state", "complaint"),
        [
            ("unfinished", "out.rud.run: holds an unfinished run; --resume"),
            ("busy", "out.rud.run: another run is using this folder"),
            ("foreign", "out.rud.run: holds files that are not of a run"),
            ("file", "out.rud.run: is a file"),
        ],
    )
    def test_a_log_outlasts_a_run_that_can_not_begin(
        self, tmp_path: Path, state: str, complaint: str
    ) -> None:
        """It is that of the other run. Refused before the set is looked for, which is missing."""
        pytest.importorskip("torch")
        folder, log = tmp_path / "out.rud.run", tmp_path / "log.jsonl"
        log.write_text('{"settings": {"bpc": 800.0}}\n{"stage": "warm-up"}\n')
        before = log.read_bytes()
        if state == "file":
            folder.touch()
        else:
            unfinished_run(folder)
        if state == "foreign":
            (folder / MARKER).unlink()
        command: list[str | Path] = ["compress", tmp_path / "no.zip", tmp_path / "out.rud", "--log", log]
        with lock_of(folder) if state == "busy" else nullcontext():
            for flag in ["--force"] if state == "unfinished" else ["--force", "--resume"]:
                assert complaint in one_line(run(*command, flag))
        if state != "file":
            with (
                pytest.raises(rudcodec.DataError, match=complaint.partition(":")[2]),
                lock_of(folder) if state == "busy" else nullcontext(),
            ):
                rudcodec.compress(tmp_path / "no.zip", tmp_path / "out.rud", checkpoints=folder)
        assert log.read_bytes() == before

    @pytest.mark.parametrize(
        ("text", "is_free"),
        [
            ("", False),
            ("my notes", False),
            ("bpc = 800\n", False),
            ('{"settings": {"bpc": 800.0}}\n{"stage": "sel', True),
            ('{"settings": {"bpc": 800.0}}\n{"result": {"size": 9}}\n', False),
        ],
    )
    def test_a_new_run_takes_the_log_of_one_that_was_killed(
        self, tmp_path: Path, text: str, is_free: bool
    ) -> None:
        """And neither files of settings and notes nor logs of runs that came to their end."""
        pytest.importorskip("torch")
        log = tmp_path / "old.txt"
        log.write_text(text)
        said = one_line(run("compress", tmp_path / "no.zip", tmp_path / "out.rud", "--resume", "--log", log))
        assert ("no.zip" if is_free else "old.txt: exists already") in said
        assert log.read_text() == text

    def test_a_device_is_not_overwritten(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        assert "no.zip" in one_line(run("compress", tmp_path / "no.zip", "/dev/null"))

    def test_truncate(self, rud: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.rud"
        assert run("truncate", rud, out, "--ipc", "2").exit_code == 0
        first = out.read_bytes()
        assert "exists already" in one_line(run("truncate", rud, out, "--ipc", "4"))
        assert out.read_bytes() == first
        assert run("truncate", rud, out, "--ipc", "4", "--force").exit_code == 0
        assert out.read_bytes() == rud.read_bytes()

    def test_decompress_does_not_replace_what_it_reads(self, rud: Path, tmp_path: Path) -> None:
        before = rud.read_bytes()
        command: list[str | Path] = ["decompress", rud, rud, "--format", "npz"]
        assert "is what is read" in one_line(run(*command, "--force"))
        assert "exists already" in one_line(run(*command))
        with pytest.raises(rudcodec.DataError, match="is what is read"):
            rudcodec.decompress(rud, rud, format="npz")
        assert rud.read_bytes() == before

    @pytest.mark.parametrize("option", ["", "--log", "--preview"])
    def test_compress_does_not_replace_what_it_reads(self, option: str, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        path = tmp_path / ("set.png" if option == "--preview" else "set.npz")
        path.write_bytes(b"precious")
        (tmp_path / "link").symlink_to(path)
        before: list[str | Path] = [tmp_path / "out.rud", option] if option else []
        command = ["compress", path, *before, tmp_path / "link", "--force"]
        assert "link: is what is read, which not even --force" in one_line(run(*command))
        assert path.read_bytes() == b"precious"
        if not option:
            with pytest.raises(rudcodec.DataError, match="is what is read"):
                rudcodec.compress(path, path, bpc=1000)

    @pytest.mark.parametrize("read", ["file", "set"])
    def test_curve_does_not_replace_what_it_reads(self, read: str, rud: Path, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        pytest.importorskip("matplotlib")
        path = tmp_path / "curve.tsv"
        path.write_bytes(rud.read_bytes() if read == "file" else b"precious")
        before = path.read_bytes()
        file, real = (path, tmp_path / "no.zip") if read == "file" else (rud, path)
        command: list[str | Path] = ["curve", file, "--real", real, "-o", path, "--force"]
        assert "curve.tsv: is what is read, which not even --force" in one_line(run(*command))
        assert path.read_bytes() == before

    def test_decompress_replaces_what_it_has_written(self, rud: Path, tmp_path: Path) -> None:
        out = tmp_path / "synth"
        assert run("decompress", rud, out).exit_code == 0
        assert "not an empty folder" in one_line(run("decompress", rud, out))
        small = tmp_path / "small-1.rud"
        small.write_bytes(bitstream.truncate(rud.read_bytes(), ipc=2).data)
        assert run("decompress", small, out, "--force").exit_code == 0
        assert len(list(out.rglob("*.png"))) == len(rudcodec.load(small)) == 6

    @pytest.mark.parametrize("name", ["notes.txt", "ant/notes.txt", "labels.json"])
    def test_decompress_removes_nothing_else(self, rud: Path, tmp_path: Path, name: str) -> None:
        out = tmp_path / "synth"
        assert run("decompress", rud, out).exit_code == 0
        (out / name).write_text("precious")
        before = sorted(out.rglob("*"))
        assert "not even --force" in one_line(run("decompress", rud, out, "--force"))
        assert sorted(out.rglob("*")) == before and (out / name).read_text() == "precious"

    def test_decompress_says_where_a_link_leads(self, rud: Path, tmp_path: Path) -> None:
        out, link = tmp_path / "synth", tmp_path / "link"
        link.symlink_to(out)
        assert run("decompress", rud, out).exit_code == 0
        said = one_line(run("decompress", rud, link, "--force"))
        assert f"is a link, which --force doesn't replace; name {out.resolve()} instead" in said

    def test_decompress_keeps_what_a_foreign_labels_file_lists(self, rud: Path, tmp_path: Path) -> None:
        out = tmp_path / "mine"
        (out / "img").mkdir(parents=True)
        (out / "img" / "00000.png").write_bytes(b"mine")
        (out / "labels.json").write_text('{"labels": {"img/00000.png": 3}}')
        assert "not even --force" in one_line(run("decompress", rud, out, "--force"))
        assert (out / "img" / "00000.png").read_bytes() == b"mine"

    def test_decompress_keeps_the_old_folder_until_the_new_one_is_complete(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "synth"
        assert run("decompress", rud, out).exit_code == 0
        before = {path: path.read_bytes() for path in out.rglob("*.png")}

        def full(image: np.ndarray) -> bytes:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("rudcodec.export.folders.png", full)
        result = run("decompress", rud, out, "--force")
        assert result.exit_code == 2 and "No space left on device" in result.stderr.splitlines()[-1]
        assert {path: path.read_bytes() for path in out.rglob("*.png")} == before
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["synth"]

    def test_decompress_removes_an_old_folder_that_a_kill_has_kept(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "synth"
        with monkeypatch.context() as killed:
            killed.setattr("rudcodec.files.shutil.rmtree", lambda path, **_: None)
            for _ in range(2):
                assert run("decompress", rud, out, "--force").exit_code == 0
            assert len([path for path in tmp_path.iterdir() if path.is_dir()]) > 1
        assert run("decompress", rud, out, "--force").exit_code == 0
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["synth"]

    def test_two_outputs_are_two_files(self, tmp_path: Path) -> None:
        same = run(
            "compress", tmp_path / "no.zip", tmp_path / "a.png", "--preview", tmp_path / "x" / ".." / "a.png"
        )
        assert same.exit_code == 2 and "2 outputs can't be the same file" in same.stderr
        assert not list(tmp_path.iterdir())

    @pytest.mark.filterwarnings("default:.*is given 2 times:RuntimeWarning")
    def test_a_file_that_is_merged_twice(self, rud: Path, tmp_path: Path) -> None:
        result = run("merge", rud, rud, "-o", tmp_path / "out.rud")
        assert result.exit_code == 0 and f"{rud} is given 2 times" in result.stderr

    def test_a_preview_is_a_png(self, tmp_path: Path) -> None:
        result = run("compress", tmp_path / "no.zip", tmp_path / "a.rud", "--preview", tmp_path / "a.jpg")
        assert "--preview writes a PNG file, not .jpg" in one_line(result)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which takes nothing")
    def test_a_log_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        result = run("compress", "digits", tmp_path / "a.rud", "--bpc", "2k", "--log", "/dev/full")
        assert result.exit_code == 2
        assert result.stderr.endswith("rudcodec: /dev/full: can't be written (No space left on device)\n")
        assert not list(tmp_path.iterdir())

    @pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="needs /dev/null")
    def test_a_device_takes_any_number_of_outputs(self, tmp_path: Path) -> None:
        result = run("compress", tmp_path / "no.zip", "/dev/null", "--preview", "/dev/null")
        assert "no.zip" in one_line(result)


class TestDash:
    def test_truncate_from_pipe_to_pipe(self, rud: Path) -> None:
        result = run("truncate", "-", "-", "--ipc", "2", stdin=rud.read_bytes())
        assert result.exit_code == 0
        assert result.stdout_bytes == bitstream.truncate(rud.read_bytes(), ipc=2).data
        assert "standard output: " in result.stderr

    @pytest.mark.parametrize("command", ["verify", "compare", "merge -o out.rud"])
    def test_only_one_thing_comes_from_there(self, rud: Path, command: str) -> None:
        result = run(*command.split(), "-", "-", stdin=rud.read_bytes())
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == "rudcodec: only one input can be -, standard input"

    def test_only_one_thing_goes_there(self) -> None:
        result = run("compress", "digits", "-", "--log", "-")
        assert "only one output can be -" in one_line(result)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
class TestNamesOfStreams:
    @pytest.mark.parametrize(
        ("command", "out", "to"),
        [
            ("truncate small.rud OUT --ipc 2", "/dev/stdout", "| cat >"),
            ("truncate small.rud OUT --ipc 2", "/dev/stdout", ">"),
            ("truncate small.rud OUT --ipc 2", "/proc/self/fd/1", ">>"),
            ("truncate small.rud OUT --ipc 2", "out.rud", ">"),
            ("extract small.rud OUT --ipc 2", "link", "| cat >"),
            ("merge half.rud half.rud -o OUT -q", "/dev/fd/1", ">"),
        ],
    )
    def test_standard_output_gets_the_data_alone(self, rud: Path, command: str, out: str, to: str) -> None:
        """A pipe or a file, whatever it is called; never what the command says, too."""
        folder = rud.parent
        if out.startswith("/proc") and not Path(out).exists():
            pytest.skip("needs /proc")
        (folder / "link").symlink_to("/dev/stdout")
        (folder / "half.rud").write_bytes(bitstream.extract(rud.read_bytes(), ipc=1))
        (folder / "out.rud").touch()
        line = f"{shlex.quote(sys.executable)} -m rudcodec.cli {command.replace('OUT', out)} {to} out.rud"
        done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(rudcodec.load(folder / "out.rud")) == 6
        assert len(list(folder.iterdir())) == 4

    def test_decompress_to_standard_output(self, rud: Path) -> None:
        line = f"{shlex.quote(sys.executable)} -m rudcodec.cli decompress small.rud /dev/stdout"
        for more, code in ((" > a.npz", 2), (" --format npz > a.npz", 0)):
            done = subprocess.run(["sh", "-c", line + more], cwd=rud.parent, capture_output=True, check=False)
            assert done.returncode == code, done.stderr
        with np.load(rud.parent / "a.npz") as archive:
            assert len(archive["images"]) == 12

    def test_compress_takes_it_for_standard_output(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        said = one_line(run("compress", tmp_path / "no.zip", "/dev/stdout", "--resume"))
        assert "a run to standard output keeps no checkpoints" in said
        for option in ("--log", "--preview"):
            said = one_line(run("compress", tmp_path / "no.zip", "-", option, "/dev/stdout"))
            assert "only one output can be -" in said
        assert "doesn't go to standard output" in one_line(run("curve", "a.rud", "-o", "/dev/stdout"))

    def test_messages_go_to_standard_error(self, rud: Path, tmp_path: Path) -> None:
        assert "/dev/stderr: is standard error" in one_line(run("truncate", rud, "/dev/stderr", "--ipc", "2"))
        line = f"{shlex.quote(sys.executable)} -m rudcodec.cli truncate small.rud a --ipc 2 --force 2> a"
        assert subprocess.run(["sh", "-c", line], cwd=tmp_path, check=False).returncode == 2
        assert "a: is standard error" in (tmp_path / "a").read_text()

    def test_standard_input_has_a_name(self, rud: Path) -> None:
        for way in ("cat small.rud |", "< small.rud"):
            line = f"{way} {shlex.quote(sys.executable)} -m rudcodec.cli verify /dev/stdin"
            done = subprocess.run(["sh", "-c", line], cwd=rud.parent, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr


def test_one_thing_is_not_several(rud: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.rud"
    name = rudcodec.load(rud).classes[0]
    assert "1 image of 1 class\n" in run("extract", rud, one, "--class", name, "--ipc", "1").stdout
    assert (
        "1 image per class; 1 of 1 segment kept\n"
        in run("truncate", one, tmp_path / "a", "--ipc", "1").stdout
    )
    assert "1 image, 1 class, " in run("decompress", one, tmp_path / "b").stdout
    said = run("info", one).stdout.splitlines()
    assert said[1].startswith("1 colour image of 8x8, 1 per class; ") and said[2].startswith("1 class: ")


class TestQuiet:
    def test_nothing_is_said_but_results(self, rud: Path, tmp_path: Path) -> None:
        commands: list[list[str | Path]] = [
            ["truncate", rud, tmp_path / "a.rud", "--ipc", "2"],
            ["decompress", rud, tmp_path / "b"],
            ["verify", rud],
        ]
        for command in commands:
            result = run(*command, "-q")
            assert (result.exit_code, result.output) == (0, "")
        assert run("info", rud, "-q").output == run("info", rud).output != ""
        assert "absent" in one_line(run("info", tmp_path / "absent", "-q"))

    def test_quiet_and_verbose(self, rud: Path) -> None:
        assert "exclude each other" in one_line(run("info", rud, "-q", "-v"))

    def test_verbose_says_where_an_error_comes_from(self, tmp_path: Path) -> None:
        result = run("info", tmp_path / "absent", "-v")
        assert result.exit_code == 2 and "Traceback" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("rudcodec: ")


def killed_at_a_move(number: int, *command: str | Path) -> bool:
    """Run a command in a process that dies instead of renaming for the ``number``th time; whether it has."""
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1] != 0
    calls, rename = itertools.count(), Path.rename

    def dies(path: Path, target: Path) -> Path:
        if next(calls) == number:
            os._exit(9)
        return rename(path, target)

    setattr(Path, "rename", dies)  # noqa: B010  (mypy)
    try:
        run(*command)
    finally:
        os._exit(0)


class TestNames:
    """Of outputs, that lead elsewhere, or nowhere."""

    def test_a_folder_by_a_way_around(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Through what is replaced itself, or from within."""
        out = tmp_path / "out"
        around = out / ".." / "out"
        out.mkdir()
        for _ in range(2):
            assert run("decompress", rud, around, "--force").exit_code == 0
            assert (out / "labels.json").is_file()
            assert {path.name for path in tmp_path.iterdir()} == {"out", rud.name}
        (out / "labels.json").unlink()
        assert "not even --force" in one_line(run("decompress", rud, around, "--force"))
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        assert run("decompress", rud, ".").exit_code == 0
        assert (tmp_path / "empty" / "labels.json").is_file()

    @pytest.mark.parametrize("fails", [None, "ant", "labels.json"])
    def test_the_working_directory_stays_where_it_is(
        self, fails: str | None, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, rename = tmp_path / "out", Path.rename
        out.mkdir()
        monkeypatch.chdir(out)
        small = tmp_path / "small-1.rud"
        small.write_bytes(bitstream.truncate(rud.read_bytes(), ipc=2).data)
        assert run("decompress", rud, ".").exit_code == 0
        before = sorted(out.rglob("*"))

        failures: list[Path] = []

        def fails_at_a_new_one(path: Path, target: Path) -> Path:
            if path.name == fails and path.parent.name.endswith("-tmp") and not failures:
                failures.append(path)
                raise OSError(5, "Input/output error")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fails_at_a_new_one)
        result = run("decompress", small, ".", "--force")
        assert Path.cwd() == out.resolve()
        if fails is None:
            assert result.exit_code == 0 and len(list(out.rglob("*.png"))) == 6
            assert {path.name for path in out.iterdir()} == {"ant", "bee", "cicada", "labels.json"}
        else:
            assert result.exit_code == 2 and sorted(out.rglob("*")) == before

    @pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
    @pytest.mark.parametrize("way", ["new", "empty", "replaced", "working directory"])
    def test_a_killed_save_is_mended_by_the_next(
        self, way: str, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = tmp_path / "small-1.rud"
        small.write_bytes(bitstream.truncate(rud.read_bytes(), ipc=2).data)
        moves = 0
        while True:
            parent = tmp_path / str(moves)
            out = parent / "out"
            out.mkdir(parents=True) if way == "empty" else parent.mkdir()
            if way in ("replaced", "working directory"):
                assert run("decompress", small, out).exit_code == 0
            monkeypatch.chdir(out if way == "working directory" else parent)
            name = "." if way == "working directory" else "out"
            was_killed = killed_at_a_move(moves, "decompress", rud, name, "--force")
            assert run("decompress", rud, name, "--force").exit_code == 0, moves
            assert len(list(out.rglob("*.png"))) == 12
            assert {path.name for path in out.iterdir()} == {"ant", "bee", "cicada", "labels.json"}
            assert [path.name for path in parent.iterdir()] == ["out"]
            moves += 1
            if not was_killed:
                break
        assert moves > 1

    @pytest.mark.parametrize("fails", ["bee", "labels.json"])
    def test_an_empty_folder_that_cannot_be_filled_stays_empty(
        self, fails: str, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, rename = tmp_path / "out", Path.rename
        out.mkdir()

        def is_interrupted(path: Path, target: Path) -> Path:
            if path.name == fails and target.parent == out:
                raise OSError(5, "Input/output error")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", is_interrupted)
        assert run("decompress", rud, out).exit_code == 2
        assert list(out.iterdir()) == []

    def test_a_folder_that_cannot_be_replaced_stays(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, rename = tmp_path / "out", Path.rename
        assert run("decompress", rud, out).exit_code == 0
        before = sorted(out.rglob("*"))

        def fails_at_the_new_one(path: Path, target: Path) -> Path:
            if path.name.endswith("-tmp"):
                raise OSError(5, "Input/output error")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fails_at_the_new_one)
        result = run("decompress", rud, out, "--force")
        assert result.exit_code == 2 and "Input/output error" in result.stderr.splitlines()[-1]
        assert sorted(out.rglob("*")) == before
        assert {path.name for path in tmp_path.iterdir()} == {"out", rud.name}

    @pytest.mark.parametrize("command", ["truncate", "decompress", "extract"])
    def test_an_empty_name_is_none(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        options = [] if command == "decompress" else ["--ipc", "1"]
        assert "is a variable of the shell not set?" in one_line(run(command, rud, "", *options))
        if options:
            assert "names a folder; give a file" in one_line(run(command, rud, "new/", *options))
        assert [path.name for path in tmp_path.iterdir()] == [rud.name]

    def test_a_link_to_itself_and_a_closed_output(
        self, rud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert "symbolic links" in one_line(run("truncate", rud, tmp_path / "a", "--ipc", "1"))
        monkeypatch.setattr("rudcodec.cli.outputs.sys.stdout", None)
        with pytest.raises(rudcodec.DataError, match="standard output is closed"):
            check_outputs([Path("-")], force=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("info absent.rud 2>&-", 2, ""),  # not on standard output instead
        ("eval small.rud --real digits >&-", 2, "rudcodec: standard output is closed\n"),
    ],
)
def test_closed_streams(command: str, code: int, said: str, rud: Path) -> None:
    pytest.importorskip("torch")
    line = f"{shlex.quote(sys.executable)} -m rudcodec.cli {command}"
    done = subprocess.run(["sh", "-c", line], cwd=rud.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (code, said)


def test_the_log_of_a_process_that_was_killed_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from rudcodec.runs import ProgressReport

    log = tmp_path / "log.jsonl"
    log.write_text('{"settings": {}}\n{"stage": "warm-up", "st')
    with ProgressView(quiet=True) as view, Metrics(view, log, None, append=True) as metrics:
        metrics(ProgressReport("joint", 1, 2))
    first, half, last = log.read_text().splitlines()
    assert (first, half) == ('{"settings": {}}', '{"stage": "warm-up", "st')
    assert json.loads(last)["stage"] == "joint"
