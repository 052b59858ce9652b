"""Results as data: the table of measured points, what is made of it, and what fills it."""

from __future__ import annotations

import hashlib
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

import rudcodec

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_documents_are_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_results.py"))
    for page, text in made["pages"]().items():
        assert page.read_text() == text, "run make results"


def test_best_rows_say_what_they_were_made_by() -> None:
    """Their commands, students of fewer steps than today; and no time of encoding where nothing was."""
    made = runpy.run_path(str(ROOT / "docs" / "make_results.py"))
    rows = made["read_rows"](made["TABLE"])
    best = made["headlines"](rows, made["HEADLINES"])
    assert set(made["README"]) <= set(made["HEADLINES"])
    table, commands = made["best_table"](best).splitlines(), made["commands"](best)
    assert len(table) == len(best) + 2
    for (file, avif, budget), line in zip(best, table[2:], strict=True):
        assert avif is None or "avif" in avif["what"].lower()
        assert f" {int(file['bytes']):,} |" in line
        hard = 4000 * 256 if budget >= 50_000 else 1000 * 64
        part = int(file["steps"]) * int(file["batch"]) / (hard if file["labels"] == "hard" else 32_000 * 32)
        said = f"%**, after {100 * part:.0f} % of the recipe"
        assert (said in line) == (part < 1) and ("%**, after" in line) == (part < 1)
        for command in file["command"].split("; "):
            assert f"`{command}`" in commands
    images = [line for line in made["tables"](rows).splitlines() if line.startswith("| real images")]
    assert images and all(line.endswith("|  |") for line in images)


def test_headlines_compare_students_of_one_split_and_net() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_results.py"))
    rows = made["read_rows"](made["TABLE"])
    (file,) = [row for row in rows if row["bytes"] == "37433"]
    avif = file | {"what": "real images as avif, hard labels", "labels": "hard", "bpc": "29000"}
    wanted = [("cifar10", "network", 30_000)]
    ((best, beside, _),) = made["headlines"]([file, avif], wanted)
    assert best == file and beside == avif
    for field, other in (("split", "test"), ("net", "AlexNet"), ("split", "train"), ("bpc", "20000")):
        ((best, beside, _),) = made["headlines"]([file, avif | {field: other}], wanted)
        assert best == file and beside is None


def test_curves_show_label_networks_at_their_own_size() -> None:
    pytest.importorskip("matplotlib")
    made = runpy.run_path(str(ROOT / "docs" / "make_curves.py"))
    rows = made["read_rows"](made["TABLE"])
    images = made["image_rows_of"](rows)
    (file,) = [row for row in rows if row["bytes"] == "37433"]
    _, network = made["points_of"](file, images[file["sha256"]])
    assert (network.kind, network.size) == ("label network", 37433 - 11486)
    assert network.bpc == pytest.approx(8 * network.size / 10, abs=1)
    assert len(made["points_of"](file, None)) == 1


def test_every_row_makes_sense() -> None:
    from measured import FOLDER, UNKNOWN, read_rows

    for path in FOLDER.glob("*.tsv"):
        for row in read_rows(path):
            assert 0 < float(row["mean"]) <= 100 and int(row["seeds"]) > 0
            assert bool(row["std"]) == (int(row["seeds"]) > 1)
            for name in ("bpc", "bytes", "ipc", "steps", "batch"):
                assert row[name] == UNKNOWN or float(row[name]) > 0, (name, row)
            assert row["command"] and row["labels"] in ("hard", "soft", "network")


def test_files_that_are_kept_have_been_measured() -> None:
    from measured import FOLDER, read_rows

    rows = [row for row in read_rows(FOLDER / "accuracy.tsv") if row["what"] == "file"]
    files = sorted((FOLDER / "files").iterdir())
    assert files
    for path in files:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found = [row for row in rows if row["sha256"] == digest]
        assert found, f"{path.name}: no row of accuracy.tsv is of it"
        data = rudcodec.load(path)
        for row in found:
            assert (int(row["bytes"]), float(row["ipc"])) == (len(content), data.ipc), path.name


@pytest.mark.slow
def test_rows_are_listed_run_and_not_run_again(tmp_path: Path) -> None:
    import paper_table

    table = tmp_path / "rows.tsv"
    case = ["--set", "digits", "--bpc", "1500", "--seeds", "1", "--steps", "2", "--width", "4"]
    settings = ["--setting", "warmup=2", "--setting", "tune=2", "--setting", "joint=0", "--setting", "ipc=2"]
    words = [*case, *settings, "--baseline", "none", "--device", "cpu", "--table", str(table)]
    words += ["--folder", str(tmp_path / "files")]

    def run(*more: str) -> str:
        result = CliRunner().invoke(paper_table.main, [*words, *more])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert run("--list").startswith("not run digits") and not table.exists()
    run()
    first = table.read_bytes()
    header, row = first.decode().splitlines()
    values = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    (file,) = (tmp_path / "files").rglob("*.rud")
    assert (values["set"], values["split"], values["labels"], values["what"]) == (
        "digits",
        "val",
        "hard",
        "file",
    )
    assert int(values["bytes"]) == file.stat().st_size and len(values["sha256"]) == 64
    assert values["encode_seconds"].isdigit() and values["date"].startswith("20")
    run()
    assert table.read_bytes() == first
    assert run("--list").startswith("run     digits")


@pytest.mark.slow
def test_several_files_at_once(tmp_path: Path) -> None:
    import paper_table
    from measured import read_rows

    table = tmp_path / "rows.tsv"
    words = ["--set", "digits", "--bpc", "1500", "--bpc", "1600", "--seeds", "1", "--steps", "2"]
    words += ["--setting", "warmup=2", "--setting", "tune=2", "--setting", "joint=0", "--setting", "ipc=2"]
    words += ["--width", "4", "--baseline", "none", "--device", "cpu", "--table", str(table), "--jobs", "2"]
    words += ["--folder", str(tmp_path / "files")]
    result = CliRunner().invoke(paper_table.main, words)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("measured: digits: ") == 2
    assert len(read_rows(table)) == 2
    result = CliRunner().invoke(paper_table.main, [*words, "--bpc", "1"])
    assert result.exit_code == 1 and "failed: digits: " in result.stdout
    (log,) = [path for path in tmp_path.rglob("log") if "too small" in path.read_text()]
    assert str(log) in result.stderr


def test_mistakes(tmp_path: Path) -> None:
    import paper_table

    table = tmp_path / "rows.tsv"
    table.write_text("date\tmean\n")
    result = CliRunner().invoke(paper_table.main, ["--list", "--table", str(table)])
    assert result.exit_code == 1 and "isn't that of a table of results" in result.stderr
    result = CliRunner().invoke(paper_table.main, ["--list", "--utility", "mmm"])
    assert result.exit_code == 2 and "the plan has no such files" in result.stderr
    result = CliRunner().invoke(paper_table.main, ["--list", "--set", "mnits"])
    assert result.exit_code == 2 and "no set of the plan is called mnits" in result.stderr
