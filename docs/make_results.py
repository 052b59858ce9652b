"""Writes the tables of README.md and docs/results.md: python docs/make_results.py"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from measured import FOLDER, UNKNOWN, read_rows

DOCS = Path(__file__).parent
TABLE = FOLDER / "accuracy.tsv"
BEGIN, END = "<!-- made by docs/make_results.py -->", "<!-- end of what is made -->"
SPLITS = {"val": "validation split", "test": "test split", "train": "training split", "all": "all images"}
TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "fashionmnist": "Fashion-MNIST",
    "imagenette": "ImageNette",
}
# set, label mode and budget of the README's rows
HEADLINES = (
    ("cifar10", "network", 15_000),
    ("cifar10", "network", 30_000),
    ("cifar10", "network", 100_000),
    ("cifar10", "hard", 50_000),
    ("cifar10", "hard", 100_000),
    ("cifar100", "network", 20_000),
    ("cifar100", "network", 70_000),
    ("cifar100", "hard", 70_000),
    ("imagenette", "network", 70_000),
    ("imagenette", "network", 150_000),
    ("fashionmnist", "network", 25_000),
)
FEWER_STEPS = re.compile(r"([\d,]+) steps of \d+ instead of ([\d,]+)")  # in a note
Row = dict[str, str]


def pages() -> dict[Path, str]:
    """What each page says with its tables up to date."""
    rows = read_rows(TABLE)
    results = f"{tables(rows)}\n{commands(rows)}"
    made = {DOCS / "results.md": results, DOCS.parent / "README.md": headlines(rows)}
    return {page: _within(page, text) for page, text in made.items()}


def _within(page: Path, made: str) -> str:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n{END}{rest.partition(END)[2]}"


def headlines(rows: list[Row]) -> str:
    """The best known file of each set, label mode and budget, beside real images in as many bytes."""
    pairs = headline_rows(rows)
    machines = " or ".join(dict.fromkeys(file["machine"] for file, _ in pairs))
    names = (
        *("set, judged on", "bits per class", "file", "labels", "students", "AVIF"),
        *(f"encoding on {machines}", "further options"),
    )
    lines = [f"| {' | '.join(names)} |", "| --- " * len(names) + "|"]
    for file, avif in pairs:
        fewer = ", fewer steps" if FEWER_STEPS.search(file["note"]) else ""
        options = further_options(file["command"])
        cells = (
            f"{TITLES[file['set']]}, {SPLITS[file['split']].removesuffix(' split')}",
            _number(file["bpc"]),
            f"{int(file['bytes']) / 1000:.1f} kB",
            file["labels"],
            f"**{_accuracy(file)}**{fewer}",
            _accuracy(avif) if avif else "",
            _minutes(file["encode_seconds"]),
            f"`{options}`" if options else "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def commands(rows: list[Row]) -> str:
    """The commands that made each row of the README, and real images beside it."""
    lines = [
        "### Commands",
        "",
        "These commands made the rows of the README's table, in its order; `SRC` is the set.",
        "",
    ]
    for number, (file, avif) in enumerate(headline_rows(rows), start=1):
        fewer = FEWER_STEPS.search(file["note"])
        steps = f"{_number(file['steps'])} steps" + (f" instead of the recipe's {fewer[2]}" if fewer else "")
        lines += [
            f"{number}. {TITLES[file['set']]}, {_number(file['bpc'])} bits per class:",
            f"   {_accuracy(file)} by students of {steps}.",
            f"   {_made_by(file)}",
        ]
        if avif and avif["command"] != file["command"]:
            lines.append(f"   AVIF, {_number(avif['bpc'])} bits per class: {_made_by(avif)}")
    return "\n".join(lines) + "\n"


def headline_rows(rows: list[Row]) -> list[tuple[Row, Row | None]]:
    """The rows of the README: a file, and, where there are any, real images with hard labels in as many
    bytes."""
    pairs = []
    for name, labels, budget in HEADLINES:
        near = [row for row in rows if row["set"] == name and _is_headline(row, budget)]
        file = _chosen([row for row in near if row["what"] == "file" and row["labels"] == labels])
        hard = [row for row in near if row["what"].startswith("real images") and row["labels"] == "hard"]
        pairs.append((file, _chosen(hard) if hard else None))
    return pairs


def further_options(command: str) -> str:
    """What ``compress`` was told besides set, file, budget and label mode."""
    words = shlex.split(command.partition(";")[0])
    options = words[words.index("out.rud") + 1 :]
    for name in ("--bpc", "--labels"):
        if name in options:
            at = options.index(name)
            del options[at : at + 2]
    return shlex.join(options)


def _made_by(row: Row) -> str:
    """The commands behind a row, and where they were run."""
    lines = ", then ".join(f"`{line}`" for line in row["command"].split("; "))
    note = f"; {row['note']}" if row["note"] else ""
    return f"{lines} ({row['machine']}, commit {row['commit']}{note})."


def merit(row: Row) -> tuple[bool, int]:
    """What makes a row better known than another that measured the same: its version is known, and then how
    many students there were. Of equals, the later one counts."""
    return row["commit"] != UNKNOWN, int(row["seeds"])


def _chosen(rows: list[Row]) -> Row:
    return max(reversed(rows), key=merit)


def _is_headline(row: Row, budget: float) -> bool:
    """Whether a row is of students of width 128 that followed the recipe to its end, at about a budget."""
    least = 0.88 if row["what"].startswith("real images") else 0.94  # the next quality may not fit
    if row["bpc"] == UNKNOWN or row["width"] != "128" or not least <= float(row["bpc"]) / budget <= 1.06:
        return False
    return row["steps"] == UNKNOWN or int(row["steps"]) >= 1000


def tables(rows: list[Row]) -> str:
    """A table for each set, in the order of the results, and the notes of their rows."""
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    lines = []
    for name, split in dict.fromkeys((row["set"], row["split"]) for row in rows):
        lines += [f"### {TITLES.get(name, name)}, {SPLITS[split]}", "", *_head()]
        lines += [_line(row, notes) for row in rows if (row["set"], row["split"]) == (name, split)]
        lines.append("")
    lines += [f"({number}) {note[0].upper()}{note[1:]}.  " for number, note in enumerate(notes, start=1)]
    return "\n".join(lines) + "\n"


def _head() -> tuple[str, str]:
    columns = (
        *("trained on", "labels", "bpc", "bytes", "images a class", "label network"),
        *("student", "steps", "accuracy", "encoding"),
    )
    return f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"


def _line(row: Row, notes: list[str]) -> str:
    mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
    accuracy = _accuracy(row)
    students = "" if row["seeds"] in ("1", UNKNOWN) else f", {row['seeds']} students"
    width = f" w{row['width']}" if row["width"] not in ("", UNKNOWN) else ""
    cells = (
        row["what"] + mark,
        row["labels"],
        _number(row["bpc"]),
        _number(row["bytes"]),
        _number(row["ipc"]),
        f"{row['label_network']} %" if row["label_network"] else "",
        row["net"] + width,
        _number(row["steps"]),
        f"**{accuracy}**{students}" if row["what"] == "file" else accuracy + students,
        _minutes(row["encode_seconds"]) if row["what"] == "file" else "",
    )
    return f"| {' | '.join(cells)} |"


def _accuracy(row: Row) -> str:
    return f"{row['mean']} ± {row['std']} %" if row["std"] else f"{row['mean']} %"


def _number(value: str) -> str:
    """With commas; a dash for what isn't known."""
    return "-" if value == UNKNOWN else f"{float(value):,.10g}" if value else ""


def _minutes(seconds: str) -> str:
    if seconds in ("", UNKNOWN):
        return "-" if seconds else ""
    minutes = round(int(seconds) / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
