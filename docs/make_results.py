"""Writes the tables of docs/results.md from results/accuracy.tsv: python docs/make_results.py"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from measured import FOLDER, UNKNOWN, read_rows

FILE = Path(__file__).with_name("results.md")
TABLE = FOLDER / "accuracy.tsv"
BEGIN, END = "<!-- made by docs/make_results.py -->", "<!-- end of what is made -->"
SPLITS = {"val": "validation split", "test": "test split", "train": "training split", "all": "all images"}


def text() -> str:
    """The whole page: what is written by hand, with the tables in their place."""
    page = FILE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.partition(END)[2]}"


def tables() -> str:
    """A table for each set, in the order of the results, and the notes of their rows."""
    rows = read_rows(TABLE)
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    lines = []
    for name, split in dict.fromkeys((row["set"], row["split"]) for row in rows):
        lines += [f"### {name}, {SPLITS[split]}", "", *_head()]
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


def _line(row: dict[str, str], notes: list[str]) -> str:
    mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
    accuracy = f"{row['mean']} ± {row['std']} %" if row["std"] else f"{row['mean']} %"
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
        _minutes(row["encode_seconds"]),
    )
    return f"| {' | '.join(cells)} |"


def _number(value: str) -> str:
    """With commas; a dash for what isn't known."""
    return "-" if value == UNKNOWN else f"{float(value):,.10g}" if value else ""


def _minutes(seconds: str) -> str:
    if seconds in ("", UNKNOWN):
        return "-" if seconds else ""
    minutes = round(int(seconds) / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
