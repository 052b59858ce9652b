"""The command line as a user or a script meets it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import rudcodec
from rudcodec.cli.main import main


def run(*args: str | os.PathLike[str], stdin: bytes = b"") -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [os.fspath(a) for a in args], input=stdin, prog_name="rudcodec")


def process(*args: str | os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "rudcodec.cli", *args], check=False, capture_output=True, text=True
    )


def assert_one_line(result: Result, *words: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr with these words in it."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("rudcodec: ")
    for word in words:
        assert word in result.stderr


FILES_OF = (
    "info", "verify", "truncate", "merge", "extract", "compress", "eval", "decompress", "decompress x",
    "curve", "eval x --real", "compress --config", "compress x", "experts", "experts x", "curve -o",
    "compare x",
)  # fmt: skip
"""What shells complete by names of files, after the command."""


class TestErrors:
    @pytest.mark.parametrize("command", ["info", "verify", "decompress"])
    @pytest.mark.parametrize("cut", ["empty", "garbage", "half", "one byte short", "one byte more"])
    def test_bad_file_is_one_line(self, rud: Path, tmp_path: Path, command: str, cut: str) -> None:
        data = rud.read_bytes()
        bad = tmp_path / "bad.rud"
        cuts = {
            "empty": b"",
            "garbage": b"Dear diary,\n" * 40,
            "half": data[: len(data) // 2],
            "one byte short": data[:-1],
            "one byte more": data + b"\0",
        }
        bad.write_bytes(cuts[cut])
        out = [tmp_path / "out"] if command == "decompress" else []
        assert_one_line(run(command, bad, *out), "bad.rud")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("command", ["info", "verify"])
    def test_missing_file_and_folder(self, tmp_path: Path, command: str) -> None:
        assert_one_line(run(command, tmp_path / "absent.rud"), "absent.rud")
        assert_one_line(run(command, tmp_path), str(tmp_path))

    def test_usage_is_one_line(self) -> None:
        assert_one_line(run("info"), "FILE", "rudcodec info --help")
        assert_one_line(run("inform", "x"), "inform", "rudcodec --help")
        assert_one_line(run("compress", "digits", "x.rud", "--bpc", "lots"), "--bpc", "lots")
        assert_one_line(run("compress", "digits", "x.rud", "--bpc", "0"), "above 0")
        assert_one_line(run("compress", "digits", "x.rud", "--bpc", "5k", "--bytes", "5kB"), "--bytes")

    def test_bad_output_is_noticed_before_work(self, tmp_path: Path) -> None:
        assert_one_line(
            run("compress", "digits", tmp_path / "no" / "x.rud", "--bpc", "5k"), "there is no folder"
        )
        assert_one_line(run("compress", "digits", tmp_path, "--bpc", "5k"), "is a folder")
        result = run("compress", "digits", tmp_path / "x.rud", "--bpc", "5k", "--log", tmp_path)
        assert_one_line(result, "is a folder")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.parametrize("word", ["--help", "--version"])
    def test_full_disk_has_no_traceback(self, word: str) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "rudcodec.cli", word],
                check=False,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode == 2
        assert done.stderr == "rudcodec: standard output: no space left on device\n"

    def test_a_closed_pipe_is_told_from_failures(self, rud: Path) -> None:
        words = f"{shlex.quote(sys.executable)} -m rudcodec.cli info --json {shlex.quote(str(rud))}"
        script = f"set -o pipefail; {words} | true"
        done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True)
        assert done.returncode in (0, 141) and "Traceback" not in done.stderr

    def test_empty_names_are_no_files(self, tmp_path: Path) -> None:
        assert_one_line(run("info", ""), "a file's name is empty")

    @pytest.mark.parametrize("words", [("--seed", "3"), ("--salvage", "--views", "2")])
    def test_options_that_would_do_nothing(self, rud: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
        assert_one_line(run("decompress", rud, tmp_path / "out", *words), words[0], "--views")
        assert not (tmp_path / "out").exists()

    def test_missing_source(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        assert_one_line(
            run("compress", tmp_path / "absent.zip", tmp_path / "x.rud", "--bytes", "5kB"), "absent.zip"
        )
        assert list(tmp_path.iterdir()) == []

    def test_process_has_no_traceback(self, tmp_path: Path) -> None:
        bad = tmp_path / "notes.txt"
        bad.write_text("notes")
        result = process("info", bad)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("rudcodec: ") and result.stderr.count("\n") == 1


class TestInfo:
    def test_rows_sum_to_the_file(self, rud: Path) -> None:
        result = run("info", rud, "--json")
        assert result.exit_code == 0, result.output
        info = json.loads(result.stdout)
        size = rud.stat().st_size
        assert sum(row["bytes"] for row in info["sections"]) == size == info["bytes"]
        assert [row["offset"] for row in info["sections"]] == list(
            np.cumsum([0, *(row["bytes"] for row in info["sections"])])[:-1]
        )
        assert info["bpc"] == pytest.approx(8 * size / 3)
        assert info["classes"] == ["ant", "bee", "cicada"]
        assert (info["images"], info["height"], info["width"], info["channels"]) == (12, 8, 8, 3)

    def test_table(self, rud: Path) -> None:
        result = run("info", rud)
        assert result.exit_code == 0 and result.stderr == ""
        assert f"{rud.stat().st_size:,} bytes" in result.stdout

    def test_standard_input(self, rud: Path) -> None:
        assert run("info", "-", "--json", stdin=rud.read_bytes()).stdout != ""


class TestVerify:
    def test_good(self, rud: Path) -> None:
        result = run("verify", rud)
        assert result.exit_code == 0 and "ok" in result.stdout

    def test_every_file_is_judged(self, rud: Path, tmp_path: Path) -> None:
        data = bytearray(rud.read_bytes())
        data[len(data) * 3 // 4] ^= 16
        bad = tmp_path / "bad.rud"
        bad.write_bytes(data)
        result = run("verify", bad, rud, "--json")
        assert result.exit_code == 2
        first, second = json.loads(result.stdout)
        assert (first["ok"], second["ok"]) == (False, True)
        assert first["error"] and second["error"] is None


class TestDecompress:
    def test_image_folder_reads_it(self, rud: Path, tmp_path: Path) -> None:
        datasets = pytest.importorskip("torchvision.datasets")
        folder = tmp_path / "synth"
        assert run("decompress", rud, folder).exit_code == 0
        expected = rudcodec.load(rud)
        found = datasets.ImageFolder(folder)
        assert tuple(found.classes) == expected.classes
        order = np.argsort(expected.labels, kind="stable")
        np.testing.assert_array_equal(
            np.stack([np.asarray(image) for image, _ in found]), expected.images[order]
        )
        assert found.targets == expected.labels[order].tolist()

    def test_refuses_a_folder_with_something_in_it(self, rud: Path, tmp_path: Path) -> None:
        folder = tmp_path / "synth"
        folder.mkdir()
        (folder / "precious").touch()
        assert_one_line(run("decompress", rud, folder), "synth")
        assert [p.name for p in folder.iterdir()] == ["precious"]


def test_reading_commands_import_no_torch(rud: Path, tmp_path: Path) -> None:
    commands: list[list[str | Path]]
    commands = [["info", rud, "--bits"], ["verify", rud], ["decompress", rud, tmp_path / "out"]]
    for command in commands:
        code = (
            "import sys\nfrom rudcodec.cli.main import main\n"
            "try: main(sys.argv[1:])\n"
            "except SystemExit as end: assert not end.code, end.code\n"
            "print(sorted({'torch', 'torchvision', 'sklearn', 'scipy'} & set(sys.modules)))"
        )
        result = subprocess.run(
            [sys.executable, "-c", code, *command], check=False, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "[]"


class TestHelp:
    @pytest.mark.parametrize("command", [[], *([name] for name in main.commands)])
    def test_fits_a_screen(self, command: list[str]) -> None:
        result = run(*command, "--help")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert 5 < len(lines) <= 24 and max(map(len, lines)) <= 80

    @pytest.mark.parametrize("command", ["compress", "eval", "experts"])
    def test_rare_options_stand_in_sections_of_their_own(self, command: str) -> None:
        short, long = run(command, "--help").stdout, run(command, "--help-all").stdout
        assert "--help-all" in short and "--skip-bad" not in short
        assert long.startswith(short) and "\nHow SRC is read:\n" in long and "--skip-bad" in long

    def test_version(self) -> None:
        assert run("--version").stdout == f"rudcodec {rudcodec.__version__}\n"

    @pytest.mark.parametrize(
        ("words", "completed"),
        [
            ("rudcodec com", ["compare", "compress"]),
            ("rudcodec compress --pres", ["--preset"]),
            ("rudcodec compress --preset b", ["balanced", "best"]),
            ("rudcodec compress --labels h", ["hard"]),
            *((f"rudcodec {words} d", None) for words in FILES_OF),
        ],
    )
    def test_a_shell_completes(self, words: str, completed: list[str] | None) -> None:
        result = subprocess.run(
            [sys.executable, "-c", "from rudcodec.cli.main import main; main(prog_name='rudcodec')"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ
            | {
                "_RUDCODEC_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
        )
        expected = ["file,d"] if completed is None else [f"plain,{word}" for word in completed]
        assert result.stdout.splitlines() == expected

    def test_both_modules_are_the_command(self) -> None:
        for module in ("rudcodec", "rudcodec.cli"):
            command = [sys.executable, "-m", module, "--version"]
            result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            assert result.stdout == run("--version").stdout
