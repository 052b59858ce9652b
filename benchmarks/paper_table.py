"""The table of results, filled row by row: files of several sets, budgets, label modes and utilities.

    python benchmarks/paper_table.py --list
    python benchmarks/paper_table.py --set digits
    python benchmarks/paper_table.py --set cifar10 --source cifar10=PATH --bpc 30k --labels network
    make results

Compresses what hasn't been run yet, trains students on it and on real images at equal bytes, and appends a
row for each point to results/accuracy.tsv, from which docs/make_results.py makes the tables of
docs/results.md. Rows that are there are not run again; encodes and points that a killed run has finished are
kept in ``--folder``. ``--jobs 6`` measures six files at once, for a GPU that one doesn't fill: with NVIDIA's
daemon for that, ``nvidia-cuda-mps-control -d``, none waits for another there.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from measured import FOLDER, UNKNOWN, append_rows, commit, machine, read_rows
from paper_plan import PLAN, Asked, Case, cases_of
from trials_common import Script

from rudcodec.cli.budgets import Budgets
from rudcodec.cli.judging import CODEC
from rudcodec.cli.values import amount, key_value
from rudcodec.comparison import Comparison
from rudcodec.data import LabelledImages, Split, load
from rudcodec.data.matching import matching
from rudcodec.display import ProgressView
from rudcodec.report import JudgedFile, Ledger, Point
from rudcodec.report.curves import curve_name
from rudcodec.report.measuring import Measuring, tasks_of
from rudcodec.settings import Settings, parse_settings
from rudcodec.students import Panel, StudentSpec

TABLE = FOLDER / "accuracy.tsv"


def measure(case: Case, source: str, asked: Asked, view: ProgressView) -> list[dict[str, str]]:
    """The rows of a case, whose file and points are kept as they come."""
    train = load(source, "train")
    settings = Settings.preset(
        "balanced",
        labels=case.labels,
        utility=case.utility,
        device=asked.device,
        **{**parse_settings(asked.settings), "bpc": 1.0},
    )
    folder = asked.folder / case.folder
    folder.mkdir(parents=True, exist_ok=True)
    ledger, size = Ledger(folder / "measured.jsonl"), amount(case.bpc)
    budgets = Budgets(train, settings, (size,), folder)
    budgets.check(force=False)
    (path,) = budgets.encode(view)
    file = JudgedFile.decode(path.name, path.read_bytes())
    points = _points(file, (source, case.split, train), asked, (ledger, view))
    seconds = budgets.seconds(size)
    shared = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(points[0].device),
        "command": case.command(asked),
        "set": case.name,
        "split": case.split,
        "encode_seconds": UNKNOWN if seconds is None else f"{seconds:.0f}",
        "sha256": file.sha256,
        "note": "",
    }
    network = [point.mean for point in points if point.kind == "label network"]
    return [shared | _row(point, network) for point in points if point.kind != "label network"]


def measure_at_once(jobs: int, cases: list[Case], sources: dict[str, str], asked: Asked, table: Path) -> None:
    """Add the rows of some cases as they come, of so many at once, each measured by a process of its own.

    Raises ClickException in the end, if one has failed.
    """
    failed = []
    with ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(_measure_alone, case, sources, asked): case for case in cases}
        try:
            for run in as_completed(runs):
                rows, log = run.result()
                append_rows(table, rows)
                failed += [] if rows else [log]
                state = "measured" if rows else "failed"
                click.echo(f"{state}: {runs[run].name}: {runs[run].command(asked)}")
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C, which the processes get, too
    if failed:
        raise click.ClickException(f"some have failed, see {', '.join(map(str, failed))}")


def _measure_alone(case: Case, sources: dict[str, str], asked: Asked) -> tuple[list[dict[str, str]], Path]:
    """The rows of a case, none if it has failed, and where its process has said why."""
    folder = asked.folder / case.folder
    folder.mkdir(parents=True, exist_ok=True)
    table, log = folder / "rows.tsv", folder / "log"
    source = ["--source", f"{case.name}={sources[case.name]}"] if case.name in sources else []
    words = [sys.executable, __file__, *case.filters, *source, *asked.options, "--table", str(table)]
    with log.open("w") as file:
        done = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, check=False)
    rows = [] if done.returncode else read_rows(table)
    return [row for row in rows if row["command"] == case.command(asked)], log


def _points(
    file: JudgedFile, real: tuple[str, Split, LabelledImages], asked: Asked, kept: tuple[Ledger, ProgressView]
) -> list[Point]:
    source, split, train = real
    ledger, view = kept
    shape, classes = file.data.images.shape[1:], file.data.classes
    panel = Panel((StudentSpec("convnet", asked.width, asked.device),), range(asked.seeds))
    measuring = Measuring(ledger, view, panel.keeper)
    comparison = Comparison(
        file.name,
        file.data,
        file.size_without_labels,
        matching(load(source, split), split, shape, classes),
        panel,
        {} if asked.steps is None else {"steps": asked.steps},
        measuring.progress,
    )
    codecs: list[Any] = [] if asked.baseline == "none" else [asked.baseline]
    tasks = [*tasks_of(file, comparison, matching(train, "train", shape, classes), codecs)]
    return measuring.run(tasks)


def _row(point: Point, network: list[float]) -> dict[str, str]:
    return {
        "what": "file" if point.kind == "set" else curve_name(point),
        "bpc": f"{point.bpc:.0f}",
        "bytes": str(point.size),
        "labels": point.labels,
        "ipc": f"{point.ipc:g}",
        "label_network": f"{100 * network[0]:.1f}" if network and point.labels == "network" else "",
        "net": point.net,
        "width": "" if point.width is None else str(point.width),
        "steps": str(point.steps),
        "batch": str(point.batch),
        "seeds": str(len(point.seeds)),
        "mean": f"{100 * point.mean:.1f}",
        "std": f"{100 * point.std:.1f}" if len(point.seeds) > 1 else "",
        "eval_seconds": f"{point.seconds:.0f}",
    }


@click.command(cls=Script)
@click.option("--list", "only_list", is_flag=True, help="Say which rows there are, and which nobody has run.")
@click.option("--set", "sets", multiple=True, help="Only these sets (all of the plan).")
@click.option("--bpc", multiple=True, help="These budgets instead of the plan's, such as 30k.")
@click.option("--labels", multiple=True, help="Only these label modes.")
@click.option("--utility", multiple=True, help="Only these utilities.")
@click.option("--source", "sources", type=key_value, multiple=True, help="Where a set is: NAME=PATH.")
@click.option("--setting", "settings", type=key_value, multiple=True, help="Of all encodes: warmup=400.")
@click.option("--seeds", type=click.IntRange(1), default=3, help="Students of each point (3).")
@click.option("--width", type=click.IntRange(1), default=128, help="Of a student (128).")
@click.option("--steps", type=click.IntRange(1), help="Of a student, instead of the recipe's.")
@click.option("--baseline", type=CODEC, default="avif", help="Of real images (avif), or none.")
@click.option("--device", default="auto")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Files that are measured at once (1).")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("out/paper"), help="For the files.")
@click.option("--table", type=click.Path(path_type=Path), default=TABLE, help="Where rows go.")
def main(
    only_list: bool,
    sets: tuple[str, ...],
    bpc: tuple[str, ...],
    labels: tuple[str, ...],
    utility: tuple[str, ...],
    sources: tuple[tuple[str, str], ...],
    table: Path,
    jobs: int,
    **asked: Any,
) -> None:
    """Measure the rows of the table of results that nobody has run yet."""
    wanted = Asked(**asked)
    unknown = set(sets) - {name for name, *_ in PLAN}
    if unknown:
        raise click.BadParameter(f"no set of the plan is called {min(unknown)}", param_hint="--set")
    done = {(row["set"], row["command"]) for row in read_rows(table)}
    cases = list(cases_of(sets, bpc=bpc, labels=labels, utility=utility))
    if not cases:
        raise click.BadParameter("the plan has no such files: see --list", param_hint="--labels, --utility")
    for case in cases:
        amount(case.bpc)
    to_do = [case for case in cases if (case.name, case.command(wanted)) not in done]
    if only_list:
        for case in cases:
            state = "not run" if case in to_do else "run"
            click.echo(f"{state:<8}{case.name:<14}{case.command(wanted)}")
    elif jobs > 1:
        measure_at_once(jobs, to_do, dict(sources), wanted, table)
    else:
        with ProgressView() as view:
            for case in to_do:
                view.say(f"{case.name}: {case.command(wanted)}")
                rows = measure(case, dict(sources).get(case.name, case.name), wanted, view)
                append_rows(table, rows)


if __name__ == "__main__":
    main()
