"""Writes the tables of README.md, docs/results.md and results/README.md: python docs/make_results.py"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from measured import FOLDER, UNKNOWN, read_rows

from rudcodec.payload.recipes import Recipe, hard_recipe
from rudcodec.students.recipes import VIEW_BATCH, VIEW_STEPS

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
# set, label mode and budget of the rows of docs/results.md, and those that the README shows
HEADLINES = (
    ("cifar10", "network", 15_000),
    ("cifar10", "network", 30_000),
    ("cifar10", "network", 100_000),
    ("cifar10", "hard", 5_000),
    ("cifar10", "hard", 50_000),
    ("cifar10", "hard", 100_000),
    ("cifar100", "network", 20_000),
    ("cifar100", "network", 70_000),
    ("cifar100", "hard", 70_000),
    ("imagenette", "network", 70_000),
    ("imagenette", "network", 150_000),
    ("fashionmnist", "network", 25_000),
)
README = (HEADLINES[1], HEADLINES[2], HEADLINES[5], HEADLINES[7], HEADLINES[10])
Row = dict[str, str]


class Headline(NamedTuple):
    """The best known file of a set, label mode and budget, and real images as AVIF in as many bytes."""

    file: Row
    avif: Row | None
    budget: int


def pages() -> dict[Path, str]:
    """What each page says with its tables up to date."""
    rows = read_rows(TABLE)
    best = headlines(rows, HEADLINES)
    made = {
        DOCS.parent / "README.md": readme_table(headlines(rows, README)),
        DOCS / "results.md": f"{best_table(best)}\n{other_students(rows, best)}\n{commands(best)}",
        FOLDER / "README.md": tables(rows),
    }
    return {page: _within(page, text) for page, text in made.items()}


def _within(page: Path, made: str) -> str:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{made}{END}{rest.partition(END)[2]}"


def readme_table(best: list[Headline]) -> str:
    """What somebody wants to know first."""
    names = (
        *("data set", "file", "bits per class", "labels", "accuracy of a student", "real images as AVIF"),
        "time to compress",
    )
    return _table(names, [[_cells_of(one)[name] for name in names] for one in best])


def best_table(best: list[Headline]) -> str:
    """All that is known of the best files."""
    names = (
        *("set, judged on", "labels", "bits per class", "bytes", "images per class", "label network"),
        *("accuracy of a student", "real images as AVIF", "time to compress"),
    )
    rows = [[str(n), *(_cells_of(one)[name] for name in names)] for n, one in enumerate(best, start=1)]
    return _table(("", *names), rows)


def other_students(rows: list[Row], best: list[Headline]) -> str:
    """Students of the best files that aren't ConvNets."""
    cells = []
    for number, (file, _, budget) in enumerate(best, start=1):
        of_file = [row for row in rows if row["sha256"] == file["sha256"] and row["what"] == "file"]
        for net in dict.fromkeys(row["net"] for row in of_file if not row["net"].startswith("ConvNet")):
            student = _chosen([row for row in of_file if row["net"] == net])
            cells.append((str(number), net, _reached(student, budget), _reached(file, budget)))
    names = ("file of row", "student", "accuracy", "a ConvNet's")
    return f"### Other students\n\n{_table(names, cells)}"


def _cells_of(headline: Headline) -> dict[str, str]:
    """What tables say of a headline, by the names of their columns."""
    file, avif, budget = headline
    return {
        "data set": TITLES[file["set"]],
        "set, judged on": f"{TITLES[file['set']]}, {SPLITS[file['split']].removesuffix(' split')}",
        "file": f"{int(file['bytes']) / 1000:.1f} kB",
        "bytes": _number(file["bytes"]),
        "bits per class": _number(file["bpc"]),
        "labels": file["labels"],
        "images per class": _number(file["ipc"]),
        "label network": _network(file),
        "accuracy of a student": f"**{_accuracy(file)}**{_part_of_recipe(file, budget)}",
        "real images as AVIF": _reached(avif, budget) if avif else "not measured",
        "time to compress": _minutes(file["encode_seconds"]),
    }


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _reached(row: Row, budget: int) -> str:
    return _accuracy(row) + _part_of_recipe(row, budget)


def _part_of_recipe(row: Row, budget: int) -> str:
    """Of students that saw fewer images, or views, than the recipe of such a file shows today."""
    num_images = round(8 * int(row["bytes"]) / float(row["bpc"]) * float(row["ipc"]))
    recipe = hard_recipe(Recipe(mean=(0,), std=(1,)), budget, num_images)
    seen = int(row["steps"]) * int(row["batch"])
    shown = recipe.steps * recipe.batch if row["labels"] == "hard" else VIEW_STEPS * VIEW_BATCH
    return f", after {100 * seen / shown:.0f} % of the recipe" if seen < shown else ""


def commands(best: list[Headline]) -> str:
    """The commands that made each row, and real images beside it."""
    lines = [
        "### Commands",
        "",
        "These commands made the rows of the table, in its order; `SRC` is the set. At commits other than",
        "those named they may make other files: [what has changed](../results/README.md).",
        "",
    ]
    for number, (file, avif, _) in enumerate(best, start=1):
        lines += [
            f"{number}. {TITLES[file['set']]}, {_number(file['bpc'])} bits per class:",
            f"   {_made_by(file)}",
        ]
        if avif and avif["command"] != file["command"]:
            lines.append(f"   AVIF, {_number(avif['bpc'])} bits per class: {_made_by(avif)}")
    return "\n".join(lines) + "\n"


def headlines(rows: list[Row], wanted: Sequence[tuple[str, str, int]]) -> list[Headline]:
    """The rows of each set, label mode and budget."""
    best = []
    for name, labels, budget in wanted:
        near = [row for row in rows if row["set"] == name and _is_headline(row, budget)]
        file = _chosen([row for row in near if row["what"] == "file" and row["labels"] == labels])
        alike = [row for row in near if (row["split"], row["net"]) == (file["split"], file["net"])]
        avif = [row for row in alike if _is_avif(row) and row["labels"] == "hard"]
        best.append(Headline(file, _chosen(avif) if avif else None, budget))
    return best


def _made_by(row: Row) -> str:
    """The commands behind a row, and where they were run."""
    lines = ", then ".join(f"`{line}`" for line in row["command"].split("; "))
    note = f"; {row['note'][0].lower()}{row['note'][1:]}" if row["note"] else ""
    return f"{lines} ({row['machine']}, commit {row['commit']}{note})."


def merit(row: Row) -> tuple[bool, int, int]:
    """What makes a row better known than another that measured the same: its version is known, and then how
    many students there were, and how long they trained. Of equals, the later one counts."""
    steps = 0 if row["steps"] == UNKNOWN else int(row["steps"])
    return row["commit"] != UNKNOWN, int(row["seeds"]), steps


def _chosen(rows: list[Row]) -> Row:
    return max(reversed(rows), key=merit)


def _is_avif(row: Row) -> bool:
    """Whether a row is of real images in that format; rows also name others, and count or quality."""
    return row["what"].startswith("real images") and "avif" in row["what"].lower()


def _is_headline(row: Row, budget: float) -> bool:
    """Whether a row is of students of width 128 that followed the recipe to its end, at about a budget."""
    least = 0.88 if row["what"].startswith("real images") else 0.94  # the next quality may not fit
    if row["split"] not in ("val", "test"):  # images that the file was made from
        return False
    if row["bpc"] == UNKNOWN or row["width"] != "128" or not least <= float(row["bpc"]) / budget <= 1.06:
        return False
    return row["steps"] == UNKNOWN or int(row["steps"]) >= 1000


def tables(rows: list[Row]) -> str:
    """A table for each set, in the order of the results, and the notes of their rows."""
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    names = (
        *("trained on", "labels", "bits per class", "bytes", "images per class", "label network"),
        *("student", "steps of images", "accuracy", "time to compress"),
    )
    lines = []
    for name, split in dict.fromkeys((row["set"], row["split"]) for row in rows):
        cells = [_cells(row, notes) for row in rows if (row["set"], row["split"]) == (name, split)]
        lines += [f"## {TITLES.get(name, name)}, {SPLITS[split]}", "", _table(names, cells)]
    lines += ["## Notes", ""]
    lines += [f"({number}) {note[0].upper()}{note[1:]}.  " for number, note in enumerate(notes, start=1)]
    return "\n".join(lines) + "\n"


def _cells(row: Row, notes: list[str]) -> Sequence[str]:
    mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
    accuracy = _accuracy(row)
    students = "" if row["seeds"] in ("1", UNKNOWN) else f", {row['seeds']} students"
    width = f" w{row['width']}" if row["width"] not in ("", UNKNOWN) else ""
    return (
        row["what"] + mark,
        row["labels"],
        _number(row["bpc"]),
        _number(row["bytes"]),
        _number(row["ipc"]),
        _network(row),
        row["net"] + width,
        _steps(row),
        f"**{accuracy}**{students}" if row["what"] == "file" else accuracy + students,
        _minutes(row["encode_seconds"]) if row["what"] == "file" else "",
    )


def _steps(row: Row) -> str:
    batch = "" if row["batch"] == UNKNOWN else f" of {row['batch']}"
    return _number(row["steps"]) + batch


def _network(row: Row) -> str:
    return f"{row['label_network']} %" if row["label_network"] else ""


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
