"""Curves: points that are kept, tables, pictures and the page that they make, and two files side by side."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import hardly_trained, small_payload, stripes
from golden_payloads import random_labels
from PIL import Image
from test_output import one_line, run

import rudcodec
from rudcodec import DataError, SettingError, bitstream
from rudcodec.cli.budgets import Budgets
from rudcodec.data import load
from rudcodec.display import ProgressView
from rudcodec.files import write_bytes
from rudcodec.payload import LabelLayer
from rudcodec.report import JudgedFile, Ledger, Point, as_tsv
from rudcodec.report.curves import curves_of, is_beaten, verdicts
from rudcodec.run_files import MARKER
from rudcodec.settings import Settings

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
from rudcodec.report.figure import draw, tick_name
from rudcodec.report.page import Report, as_html
from rudcodec.runs import CheckpointFolder, ProgressReport

QUICK: list[str | Path] = ["--seeds", "2", "--steps", "2", "--width", "4", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of three sizes, ``1.rud``, ``2.rud``, ``3.rud``, and the real set ``real.npz``."""
    for segments in (1, 2, 3):
        bitstream.write(small_payload(segments, segments=10 * segments), tmp_path / f"{segments}.rud")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    names = np.array(["ant", "bee", "cicada"])
    np.savez(tmp_path / "real.npz", images=images, labels=np.repeat(np.arange(3), 20), classes=names)
    return tmp_path


def point(kind: str, bpc: float, mean: float, **more: object) -> Point:
    values: dict[str, object] = {
        "file": "a.rud",
        "sha256": f"{bpc:.0f}",
        "label_mode": "hard",
        "codec": "avif",
    }
    values |= {
        "quality": None,
        "size": round(bpc),
        "ipc": 5.0,
        "net": "ConvNet-3",
        "width": 8,
        "seeds": (0, 1),
    }
    return Point(kind=kind, bpc=bpc, mean=mean, std=0.01, **{**values, **more})  # type: ignore[arg-type]


def test_a_file_without_its_labels_is_as_large_as_one_of_hard_labels() -> None:
    files = {path.name: path.read_bytes() for path in (Path(__file__).parent / "golden").glob("*.rud")}
    names = [*(f"soft-{kind}.rud" for kind in ("ten", "all", "two")), "labels-mirror.rud", "example.rud"]
    for name in names:
        judged = JudgedFile.decode(name, files[name])
        assert judged.size_without_labels == len(bitstream.extract(files[name], hard=True)), name


def test_ticks_are_rounded_by_little() -> None:
    named = {
        14_991: "15k",
        29_918: "30k",
        12_500: "12.5k",
        107_000: "107k",
        1000: "1k",
        124_999: "125k",
        49_353: "49k",
    }
    assert {bpc: tick_name(bpc) for bpc in named} == named


KINDS = ("set", "pictures")


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


class TestCurve:
    def test_a_folder_has_page_pictures_and_table(self, folder: Path) -> None:
        files = [folder / name for name in ("2.rud", "1.rud")]
        options: list[str | Path] = [
            "--real",
            folder / "real.npz",
            "--baseline",
            "jpeg",
            "-o",
            folder / "out",
            *QUICK,
        ]
        result = run("curve", *files, *options)
        assert result.exit_code == 0, result.output
        out = folder / "out"
        names = {"report.html", "curve.png", "curve.svg", "curve.tsv", "measured.jsonl"}
        assert {path.name for path in out.iterdir()} == names
        with Image.open(out / "curve.png") as picture:
            assert picture.format == "PNG" and picture.width > 800
        rows = list(csv.DictReader(StringIO((out / "curve.tsv").read_text()), delimiter="\t"))
        own = [row for row in rows if row["kind"] == "set"]
        assert [Path(row["file"]).name for row in own] == ["1.rud", "2.rud"]  # the smallest first
        assert [int(row["bytes"]) for row in own] == [(folder / f"{n}.rud").stat().st_size for n in (1, 2)]
        pictures = [row for row in rows if row["kind"] == "pictures"]
        assert all(row["codec"] == "jpeg" and int(row["bytes"]) <= int(own[1]["bytes"]) for row in pictures)
        row = own[0]
        assert (row["labels"], row["net"], row["width"], row["steps"]) == ("hard", "ConvNet-3", "4", "2")
        assert (row["seeds"], row["split"], row["real_images"]) == ("0,1", "val", "6")
        assert len(row["accuracies"].split(",")) == 2 and len(row["sha256"]) == 64
        page = (out / "report.html").read_text()
        assert not re.search(r"""(?:src|href|srcset)=["'](?!data:|#)|@import|url\(|<script""", page)
        for word in (
            "ant",
            "bee",
            "cicada",
            "1.rud",
            "2.rud",
            row["sha256"],
            "networks",
            "prefers-color-scheme",
        ):
            assert word in page

    def test_a_report_is_written_when_there_is_room(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = folder / "out"
        command: list[str | Path] = ["curve", folder / "1.rud", "--real", folder / "real.npz"]
        command += ["--baseline", "none", "-o", out, *QUICK]
        with monkeypatch.context() as full:

            def no_room(data: bytes, path: Path) -> None:
                if path.suffix == ".png":
                    raise DataError(f"{path}: can't be written (No space left on device)")
                write_bytes(data, path)

            full.setattr("rudcodec.files.write_bytes", no_room)
            result = run(*command)
            assert result.exit_code == 2 and "No space left" in result.stderr.splitlines()[-1]
        assert {path.name for path in out.iterdir()} == {"measured.jsonl"}
        result = run(*command)
        assert result.exit_code == 0 and "has 1 of 1 results already" in result.stderr
        assert (out / "report.html").exists() and (out / "curve.png").exists()

    def test_what_is_kept_is_not_measured_again(self, folder: Path) -> None:
        options: list[str | Path] = ["--real", folder / "real.npz", "--baseline", "none", *QUICK]
        first = run("curve", folder / "1.rud", *options, "-o", folder / "a.tsv", "-q")
        assert first.exit_code == 0 and first.stderr == ""
        kept = folder / "a.measured.jsonl"
        before = kept.read_bytes()
        assert "exists already" in one_line(run("curve", folder / "1.rud", *options, "-o", folder / "a.tsv"))
        more: list[str | Path] = ["-o", folder / "a.tsv", "-o", folder / "a.svg", "--force"]
        both = run("curve", folder / "1.rud", folder / "3.rud", *options, *more)
        assert "a.measured.jsonl: has 1 of 2 results already" in both.stderr
        assert kept.read_bytes().startswith(before)
        assert (folder / "a.svg").read_bytes().startswith(b"<?xml")
        other = run("curve", folder / "1.rud", *options, *more, "--set", "lr=0.1")  # another recipe
        assert "results already" not in other.stderr and other.exit_code == 0
        assert "changed of the files' recipes: lr=0.1, steps=2\n" in other.stdout

    def test_a_label_network_and_its_baselines(self, folder: Path) -> None:
        payload = random_labels(small_payload(segments=40), (LabelLayer(4, "mean"),), seed=1)
        bitstream.write(payload, folder / "labelled.rud")
        options: list[str | Path] = [
            "--real",
            folder / "real.npz",
            "--baseline",
            "jpeg",
            *QUICK,
            "-o",
            folder / "c.html",
        ]
        result = run("curve", folder / "labelled.rud", *options)
        assert result.exit_code == 0, result.output
        lines = [json.loads(line) for line in (folder / "c.measured.jsonl").read_text().splitlines()]
        kinds = ["set", "label network", "images alone", "pictures", "pictures with label network"]
        assert [line["key"]["kind"] for line in lines] == kinds
        page = (folder / "c.html").read_text()
        assert "the label networks alone" in page and "real images as jpeg, the same label network" in page

    @pytest.mark.slow
    @pytest.mark.usefixtures("one_attempt")
    @hardly_trained
    def test_a_set_is_compressed_first(self, tmp_path: Path) -> None:
        data = stripes()
        source, out = tmp_path / "stripes.npz", tmp_path / "out"
        np.savez(source, images=data.images, labels=data.labels, classes=np.array(data.classes))
        short = [
            word
            for name in ("warmup=2", "tune=2", "joint=1", "ipc=2", "mm.steps=3")
            for word in ("--set", name)
        ]
        command: list[str | Path] = [
            "curve",
            source,
            "--bpc",
            "2k,1500",
            "--baseline",
            "none",
            *short,
            *QUICK,
            "-o",
            out,
        ]
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert {"1.5k.rud", "2k.rud"} <= {path.name for path in out.iterdir()}
        assert result.stderr.count("utility networks 12/12") == 1  # for both
        assert not (out / "learnt").exists()
        assert all(8 * (out / f"{k}k.rud").stat().st_size / 2 <= 1000 * k for k in (1.5, 2))
        written = (out / "2k.rud").read_bytes(), (out / "2k.rud").stat().st_mtime_ns
        again = run(*command, "--force")
        assert "has 2 of 2 results already" in again.stderr and "dB" not in again.stderr
        assert written == ((out / "2k.rud").read_bytes(), (out / "2k.rud").stat().st_mtime_ns)
        other = run(*command, "--set", "seed=1", "-o", tmp_path / "x.tsv")
        assert "exists already" in one_line(other)

    @pytest.mark.slow
    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
    def test_a_killed_job_goes_on(self, folder: Path) -> None:
        files = [str(folder / f"{n}.rud") for n in (1, 2, 3)]
        options = ["--real", str(folder / "real.npz"), "--baseline", "none", "-o", str(folder / "a.tsv")]
        long = ["--seeds", "1", "--steps", "400", "--width", "4", "--device", "cpu"]
        process = subprocess.Popen([sys.executable, "-m", "rudcodec", "curve", *files, *options, *long])
        kept = folder / "a.measured.jsonl"
        deadline = time.monotonic() + 60
        while not kept.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        first = kept.read_text().splitlines()
        assert 1 <= len(first) < 3 and not (folder / "a.tsv").exists()
        again = run("curve", *files, *options, *long)
        assert again.exit_code == 0, again.output
        assert f"has {len(first)} of 3 results already" in again.stderr
        assert kept.read_text().splitlines()[: len(first)] == first

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ("1.rud", "--real"),
            ("absent.rud --real real.npz", "absent.rud"),
            ("real.npz --real real.npz", "real.npz"),
            ("1.rud --real absent.npz", "absent.npz"),
            ("1.rud --real real.npz -o x.pdf", "x.pdf: a report is .html"),
            ("1.rud --real real.npz -o no/x.svg", "there is no folder"),
            ("1.rud --real real.npz -o 1.rud/", "1.rud: is a file"),
            ("1.rud --real real.npz -o a -o b", "only one of the outputs can be a folder"),
            ("1.rud --real real.npz --set warmup=3", "a recipe has no 'warmup'"),
            ("1.rud --real real.npz --preset fast", "--preset and --size go with --bpc"),
            ("real.npz --bpc 5k -o x.svg", "--bpc makes files"),
            ("real.npz 1.rud --bpc 5k", "one SRC"),
            ("real.npz --bpc 5k,much", "'much' is not a number"),
            ("real.npz --bpc 5k --set bpc=3k", "the budgets are those of --bpc"),
            ("real.npz --bpc 1", "1 is too small for any image per class"),
            ("1.rud --real real.npz -o a.svg/ -o b/", "only one of the outputs can be a folder"),
        ],
    )
    def test_mistakes(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, words: str, complaint: str
    ) -> None:
        monkeypatch.chdir(folder)
        before = sorted(folder.iterdir())
        assert complaint in one_line(run("curve", *words.split(), "-q"))
        assert sorted(folder.iterdir()) == before

    def test_a_file_of_another_job_is_not_taken_for_this_ones(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Jobs with other settings write files of the same names."""
        made = []

        def compress(train: object, path: Path, settings: Settings, **_: object) -> SimpleNamespace:
            made.append(settings.seed)
            path.write_bytes(f"seed {settings.seed}".encode())
            return SimpleNamespace(seconds=1.0, size=6, ipc=1)

        monkeypatch.setattr("rudcodec.compress", compress)
        train = load(folder / "real.npz", "train")

        def job(seed: int, force: bool = False) -> None:
            settings = Settings.preset("fast", labels="hard", ipc=2, seed=seed, bpc=1.0)
            budgets = Budgets(train, settings, [5000.0], folder)
            budgets.check(force)
            with ProgressView(quiet=True) as view:
                (path,) = budgets.encode(view)
            assert path.read_bytes() == f"seed {seed}".encode()

        job(1)
        job(1)
        with pytest.raises(DataError, match="exists already, and isn't known to be of this set"):
            job(2)
        job(2, force=True)
        with pytest.raises(DataError, match="exists already, and isn't known to be of this set"):
            job(1)
        job(1, force=True)
        assert made == [1, 2, 1]

    def test_a_job_is_killed_as_a_file_is_done(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before its run is gone, or it has its name: it isn't made anew, and an old file stays till then."""
        made = []

        def compress(train: object, path: Path, settings: Settings, **run: Any) -> SimpleNamespace:
            made.append(path)
            run["checkpoints"].mkdir()
            (run["checkpoints"] / MARKER).write_text('{"made by the run": true}')
            path.write_bytes(b"new")
            return SimpleNamespace(seconds=1.0, size=3, ipc=1)

        def job() -> None:
            budgets = Budgets(train, settings, [5000.0], folder)
            budgets.check(force=True)
            with ProgressView(quiet=True) as view:
                budgets.encode(view)

        monkeypatch.setattr("rudcodec.compress", compress)
        train = load(folder / "real.npz", "train")
        settings = Settings.preset("fast", labels="hard", ipc=2, bpc=1.0)
        for owner, name in ((Ledger, "add"), (Path, "replace")):
            (folder / "encoded.jsonl").unlink(missing_ok=True)
            (folder / "5k.rud").write_bytes(b"old")
            before = len(made)
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, interrupted)
                with pytest.raises(KeyboardInterrupt):
                    job()
            assert (folder / "5k.rud").read_bytes() == b"old"
            job()
            assert (folder / "5k.rud").read_bytes() == b"new" and len(made) == before + 1
            assert not list(folder.glob(".5k.rud*")) and not (folder / "5k.rud.run").exists()

    @pytest.mark.slow
    def test_a_run_of_another_job_is_refused_before_anything_is_encoded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or removed, where that is allowed; the same job goes on with it."""
        train, compress, made = stripes(), rudcodec.compress, []
        (tmp_path / ".2.4k.rud.notes").write_text("mine")

        def job(seed: int, *sizes: float, force: bool = False) -> None:
            settings = Settings(bpc=1.0, ipc=2, warmup=4, joint=0, tune=2, seed=seed, device="cpu")
            budgets = Budgets(train, settings, sizes, tmp_path)
            budgets.check(force)
            with ProgressView(quiet=True) as view:
                budgets.encode(view)

        def killed(seed: int, *sizes: float, force: bool = False) -> None:
            """As soon as there is a checkpoint."""

            def save(kept: CheckpointFolder, state: Any) -> None:
                save_state(kept, state)
                raise KeyboardInterrupt

            save_state, soon = CheckpointFolder.save, partial(compress, checkpoint_seconds=0)
            with monkeypatch.context() as patch:
                patch.setattr(CheckpointFolder, "save", save)
                patch.setattr("rudcodec.compress", soon)
                with pytest.raises(KeyboardInterrupt):
                    job(seed, *sizes, force=force)

        def counted(*words: Any, **more: Any) -> object:
            result = compress(*words, **more)
            made.append(result.path)
            return result

        monkeypatch.setattr("rudcodec.compress", counted)
        killed(1, 2400.0)
        run = tmp_path / "2.4k.rud.run"
        (kept,) = run.glob("checkpoint-*")
        with pytest.raises(SettingError, match=r"2\.4k\.rud\.run: .* has seed 1, not 2; .*, or use --force"):
            job(2, 2000.0, 2400.0)
        assert not made and kept.exists()
        job(1, 2400.0)
        assert len(made) == 1 and not run.exists()

        killed(2, 2400.0, force=True)
        assert [*run.glob("checkpoint-*")]
        job(3, 2000.0, 2400.0, force=True)
        assert len(made) == 3 and not run.exists()
        names = {"2k.rud", "2.4k.rud", ".2.4k.rud.notes", "encoded.jsonl"}
        assert {path.name for path in tmp_path.iterdir()} == names

    def test_a_class_without_images_is_none_of_the_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor of the baseline's: students are checked on classes that the files will have."""
        monkeypatch.setattr("rudcodec.compress", lambda *_, **__: pytest.fail("compresses"))
        images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
        np.savez(tmp_path / "real.npz", images=images, labels=np.arange(60) % 2, classes=["a", "b", "none"])
        words: list[str | Path] = ["--bpc", "9k", "-o", tmp_path / "report", "--set", "ipc=2"]
        with pytest.raises(pytest.fail.Exception, match="compresses"):
            run("curve", tmp_path / "real.npz", *words)

    def test_a_new_file_of_another_job_is_refused_or_removed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of one that was killed before the file got its name; and so is a folder of something else."""
        monkeypatch.setattr("rudcodec.compress", lambda *_, **__: pytest.fail("compresses"))
        train = load(folder / "real.npz", "train")
        settings = Settings.preset("fast", labels="hard", ipc=2, bpc=1.0)
        budgets = Budgets(train, settings, [5000.0, 9000.0], folder)
        other = folder / ".9k.rud.0123456789abcdef"
        other.write_bytes(b"of another job")
        with pytest.raises(DataError, match=r"9k\.rud\.0123456789abcdef: is of an interrupted job.*--force"):
            budgets.check(force=False)
        assert other.exists()
        budgets.check(force=True)
        with ProgressView(quiet=True) as view, pytest.raises(pytest.fail.Exception):
            budgets.encode(view)
        assert not other.exists()
        for name in ("9k.rud.run", "learnt"):
            (folder / name).mkdir()
            (folder / name / "thesis.txt").write_text("mine")
            with pytest.raises(DataError, match=f"{name}: holds files that are not of a run"):
                budgets.check(force=False)
            (folder / name / "thesis.txt").unlink()

    def test_an_encode_of_several_does_not_say_what_is_left_in_all(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Other encodes follow, and students."""

        def compress(train: object, path: Path, settings: Settings, **run: Any) -> SimpleNamespace:
            run["report"](ProgressReport("warm-up", 1, 2, remaining=3.0, run_remaining=60.0))
            path.write_bytes(b"a file")
            return SimpleNamespace(seconds=1.0, size=6, ipc=1)

        monkeypatch.setattr("rudcodec.compress", compress)
        settings = Settings.preset("fast", labels="hard", ipc=2, bpc=1.0)
        budgets = Budgets(load(folder / "real.npz", "train"), settings, [5000.0, 9000.0], folder)
        with ProgressView() as view:
            budgets.encode(view)
        said = capsys.readouterr().err
        assert "warm-up 1/2  0:03 left\n" in said and "left in all" not in said

    def test_a_baseline_without_images_of_a_class_fails_before_sets_are_compressed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images, names = np.zeros((9, 8, 8, 3), np.uint8), np.array(["ant", "bee", "cicada"])
        few, all_three = np.arange(9) % 2, np.arange(9) % 3
        np.savez(
            folder / "gap.npz", x_train=images, y_train=few, x_test=images, y_test=all_three, classes=names
        )
        monkeypatch.setattr("rudcodec.compress", lambda *_, **__: pytest.fail("compresses"))
        words: list[str | Path] = ["--real", folder / "gap.npz", "--split", "test", "-o", folder / "new"]
        result = run("curve", folder / "real.npz", "--bpc", "9k", "--set", "ipc=2", *words)
        assert result.exit_code == 2 and "class cicada has no image" in result.stderr.splitlines()[-1]
        assert not (folder / "new").exists()

    def test_a_spoilt_ledger_is_named(self, folder: Path) -> None:
        (folder / "a.measured.jsonl").write_text('{"key": {}, "result": 1}\n{"key"\n')
        result = run("curve", folder / "1.rud", "--real", folder / "real.npz", "-o", folder / "a.tsv")
        assert "a.measured.jsonl: line 2 is not a result" in one_line(result)


class TestPieces:
    def test_ledger(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.jsonl"
        one, other = Ledger(path), Ledger(path)
        one.add({"b": 1, "a": [2, None]}, {"x": 0.5})
        other.add({"a": 3}, "begun")  # of another process: neither loses what the other has
        assert Ledger(path).get({"a": [2, None], "b": 1}) == {"x": 0.5}
        assert Ledger(path).get({"a": 3}) == "begun" and Ledger(path).get({"a": 4}) is None

    def test_results_outlast_their_file(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "measured.jsonl")
        ledger.add({"a": 1}, 10)
        ledger.path.unlink()
        ledger.add({"a": 2}, 20)
        assert (ledger.get({"a": 1}), Ledger(ledger.path).get({"a": 1})) == (10, 10)

    def test_processes_that_add_at_once_lose_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.jsonl"

        def add(number: int) -> None:
            for i in range(20):
                Ledger(path).add({"process": number, "i": i}, i)

        with ThreadPoolExecutor(
            4
        ) as pool:  # locks are of open files, so that threads wait for each other, too
            list(pool.map(add, range(4)))
        assert len(path.read_text().splitlines()) == 80
        assert [one.name for one in tmp_path.iterdir()] == ["kept.jsonl"]

    def test_curves_run_from_small_to_large(self) -> None:
        """Also where files of several label modes have real images beside them."""
        sizes = {"hard": (5e3, 5e4, 1e5), "network": (1.5e4, 3e4)}
        points = [
            point(kind, bpc, 0.5, label_mode=mode)
            for mode, each in sizes.items()
            for bpc in each
            for kind in KINDS
        ]
        curves = {curve.name: [one.bpc for one in curve.points] for curve in curves_of(points)}
        assert curves["real images as avif, hard labels"] == [5e3, 1.5e4, 3e4, 5e4, 1e5]
        assert curves["files with hard labels"] == [5e3, 5e4, 1e5]

    def test_verdicts_are_of_each_student(self) -> None:
        points = [
            point(kind, 800, mean, net=net, width=None)
            for net, means in (("MLP", (0.5, 0.7)), ("ViT", (0.6, 0.6)))
            for kind, mean in zip(KINDS, means, strict=True)
        ]
        worse, equal = verdicts(points)
        assert worse.startswith(
            "Better than the files are real images as avif, hard labels, by students MLP at"
        )
        assert equal == "The files are worth as much as real images as avif, hard labels, by students ViT."

    def test_table(self) -> None:
        made = point("set", 800, 0.75, steps=5, batch=4, accuracies=(0.74, 0.76), real_images=9, device="cpu")
        header, row = as_tsv([made], "test").splitlines()
        assert dict(zip(header.split("\t"), row.split("\t"), strict=True)) == {
            "file": "a.rud",
            "kind": "set",
            "codec": "avif",
            "quality": "",
            "labels": "hard",
            "bpc": "800.0",
            "bytes": "800",
            "ipc": "5",
            "net": "ConvNet-3",
            "width": "8",
            "steps": "5",
            "batch": "4",
            "seeds": "0,1",
            "mean": "75.00",
            "std": "1.00",
            "accuracies": "74.00,76.00",
            "split": "test",
            "real_images": "9",
            "eval_seconds": "0",
            "device": "cpu",
            "changes": "",
            "sha256": "800",
        }

    def test_what_was_changed_of_recipes_stands_by_what_students_did(self, rud: Path) -> None:
        file = JudgedFile.decode("a.rud", rud.read_bytes())
        made = point("set", 800, 0.75, sha256=file.sha256)
        network = point("label network", 80, 0.5, sha256=file.sha256, net="", seeds=())
        _, *rows = as_tsv([made, network], "val", "lr=0.1, steps=9").splitlines()
        assert [row.split("\t")[-2] for row in rows] == ["lr=0.1, steps=9", ""]
        report = Report((file,), (made,), "ants", "val", "1", changes="lr=0.1, steps=9")
        assert "Changed for the students here: lr=0.1, steps=9" in as_html(report)
        assert "Changed" not in as_html(replace(report, changes=""))

    def test_pages_say_their_own_sentences_as_a_whole(self, rud: Path) -> None:
        file = JudgedFile.decode("a.rud", rud.read_bytes())
        refusal = " ".join(f"word-{number}" for number in range(99))
        changes = f"lr=0.1, augment={refusal}"
        made = point("set", 800, 0.75, sha256=file.sha256)
        report = Report((file,), (made,), "ants", "val", "1", (f"{refusal} <b>",), changes)
        page = as_html(report)
        assert f"<p>{refusal} &lt;b&gt;</p>" in page and page.count(changes) == 2

    def test_each_curve_of_files_has_a_colour(self) -> None:
        """As many as there are of three label modes and three networks."""
        kinds = [(mode, net) for mode in ("hard", "soft", "network") for net in ("MLP", "VGG-11", "LeNet")]
        points = [point("set", 800, 0.5, label_mode=mode, net=net, width=None) for mode, net in kinds]

        def colours(number: int) -> int:
            return len(set(re.findall(rb"stroke: (#\w{6})", draw(points[:number], "svg", dark=True))))

        assert colours(9) - colours(1) == 8

    def test_where_real_images_win_is_said_and_drawn(self) -> None:
        points = [point("set", 800, 0.6), point("pictures", 700, 0.7, sha256="800")]
        named = "real images as avif, hard labels at 800 bits per class (by 10.0 points)"
        assert verdicts(points) == [f"Better than the files are {named}."]
        better = [points[0], point("pictures", 700, 0.5, sha256="800")]
        assert verdicts(better) == ["The files are 10.0 points above real images as avif, hard labels."]
        nearly = [points[0], point("pictures", 700, 0.6004, sha256="800")]
        assert verdicts(nearly) == ["The files are worth as much as real images as avif, hard labels."]
        assert is_beaten(points[0], points) and not is_beaten(points[0], nearly)
        learned = [
            points[0],
            point("pictures", 700, 0.5, sha256="800", codec="mbt2018", quality=3, uncounted=4000),
        ]
        assert verdicts(learned)[1:] == ["Not counted: the weights of mbt2018 q3, 4,000 bytes."]
        assert draw(points, "svg") == draw(points, "svg")
        assert (
            len(draw(points, "svg")) > len(draw(better, "svg")) + 1000
        )  # a ring, and its line in the legend

    def test_sections_sum_to_the_file(self, rud: Path) -> None:
        file = JudgedFile.decode("x", rud.read_bytes())
        assert sum(file.section_sizes.values()) == rud.stat().st_size
        assert list(file.section_sizes) == ["head", "recipe", "networks", "images"]

    def test_names_are_harmless_and_many_classes_are_a_picture(self, rud: Path) -> None:
        file = JudgedFile.decode("<b>&$x_1$", rud.read_bytes())
        many = tuple(tuple(int(i == j) for j in range(3)) for i in range(3))
        made = point(
            "set", 800, 0.5, file=file.name, sha256=file.sha256, per_class=(1, None, 0), confusion=many
        )
        page = as_html(Report((file,), (made,), "<i>", "val", "1"))
        assert "<b>&$" not in page and "&lt;b&gt;&amp;$x_1$" in page and "<i>" not in page.split("<p")[0]


class TestCompare:
    def test_two_files(self, folder: Path) -> None:
        result = run("compare", folder / "1.rud", folder / "2.rud")
        assert result.exit_code == 0 and "PSNR" not in result.stdout
        sizes = [(folder / f"{n}.rud").stat().st_size for n in (1, 2)]
        (line,) = (line for line in result.stdout.splitlines() if line.startswith("bytes "))
        assert line.split() == ["bytes", f"{sizes[0]:,}", f"{sizes[1]:,}", f"{sizes[1] - sizes[0]:+,}"]

    def test_images_and_students(self, folder: Path) -> None:
        bitstream.write(small_payload(5, segments=10), folder / "like-1.rud")
        options: list[str | Path] = ["--real", folder / "real.npz", *QUICK, "--json"]
        result = run("compare", folder / "1.rud", folder / "like-1.rud", *options)
        assert result.exit_code == 0, result.output
        facts = json.loads(result.stdout)
        assert 0 < facts["psnr"] < 50
        rows = {row["name"]: (row["a"], row["b"]) for row in facts["rows"]}
        assert 0 <= rows["students, %"][0] <= 100 and rows["labels"] == ("hard", "hard")
        assert facts["changes"] == {"steps": 2}
        same = run("compare", folder / "1.rud", folder / "1.rud")
        assert "the images are equal" in same.stdout

    def test_a_file_without_a_recipe(self, folder: Path) -> None:
        """Or with one of a newer version, which is as good as none."""
        bitstream.write(replace(small_payload(5, segments=10), recipe=None), folder / "bare.rud")
        result = run("compare", folder / "bare.rud", folder / "1.rud")
        assert result.exit_code == 0, result.output
        (line,) = (line for line in result.stdout.splitlines() if line.startswith("recipe "))
        assert "none that this version understands" in line and line.endswith("differs")

    def test_mistakes(self, folder: Path) -> None:
        assert "absent.rud" in one_line(run("compare", folder / "1.rud", folder / "absent.rud"))
        assert "real.npz: " in one_line(run("compare", folder / "real.npz", folder / "1.rud"))
