"""Draws docs/curves/*.png, accuracy against bits per class of what is measured: python docs/make_curves.py"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from make_results import SPLITS, TABLE, TITLES, UNKNOWN, Row, merit, read_rows

from rudcodec.comparison import Kind
from rudcodec.report.figure import draw
from rudcodec.report.points import Point

FOLDER = Path(__file__).parent / "curves"
NEAR = 1.12  # files whose sizes differ by less than this are versions of one: the best known is drawn


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    measured = read_rows(TABLE)
    image_rows = image_rows_of(measured)
    rows = [row for row in measured if is_comparable(row)]
    for name, split in dict.fromkeys((row["set"], row["split"]) for row in rows):
        own = [row for row in rows if (row["set"], row["split"]) == (name, split)]
        judged = best_known([row for row in own if not _is_cut_short(row, own)], image_rows)
        points = [point for point in judged if point.kind != "images alone"]
        if len({point.bpc for point in points if point.kind == "set"}) > 1:
            title = f"{TITLES.get(name, name)}, {SPLITS[split]}; ConvNets of width 128"
            (FOLDER / f"{name}.png").write_bytes(draw(points, "png", title))


def is_comparable(row: Row) -> bool:
    """Whether a row is of students as most of them are, and of a known size."""
    is_long = row["steps"] != UNKNOWN and int(row["steps"]) >= 1000
    return row["bpc"] != UNKNOWN and is_long and row["net"].startswith("ConvNet") and row["width"] == "128"


def image_rows_of(rows: list[Row]) -> dict[str, Row]:
    """By a file's digest the row of its images alone, which says what they take of the file."""
    images = [row for row in rows if row["what"] == "the files' images, hard labels"]
    return {row["sha256"]: row for row in images if row["sha256"] != UNKNOWN}


def best_known(rows: list[Row], image_rows: dict[str, Row]) -> list[Point]:
    """A point for what each row judged, of several at about one size the best known; and for the label
    networks of these files."""
    best: list[Row] = []
    for row in sorted(rows, key=merit):
        best = [old for old in best if not _is_same(old, row)] + [row]
    return [point for row in best for point in points_of(row, image_rows.get(row["sha256"]))]


def points_of(row: Row, images: Row | None) -> list[Point]:
    """Of the students that a row tells of; and of the file's label network at its own size, which is that of
    the file without its ``images``, where the row of these is known."""
    kind, codec = kind_of(row)
    what = {"file": row["command"], "sha256": row["sha256"], "label_mode": row["labels"], "quality": None}
    size, bpc = int(row["bytes"]), float(row["bpc"])
    mean, std = float(row["mean"]) / 100, float(row["std"] or 0) / 100
    points = [Point(**what, kind=kind, codec=codec, size=size, bpc=bpc, ipc=0, mean=mean, std=std, net="x")]
    if kind == "set" and row["label_network"] and images is not None:
        size, bpc = size - int(images["bytes"]), bpc - float(images["bpc"])
        own = float(row["label_network"]) / 100
        points.append(Point(**what, kind="label network", codec="", size=size, bpc=bpc, ipc=0, mean=own))
    return points


def kind_of(row: Row) -> tuple[Kind, str]:
    """What a row judged, and the codec of real images."""
    if row["what"] == "file":
        return "set", ""
    codec = re.search("avif|webp|jpeg", row["what"].lower())
    if codec is None:
        return "images alone", ""
    return ("pictures" if row["labels"] == "hard" else "pictures with label network"), codec[0].upper()


def _is_cut_short(row: Row, rows: list[Row]) -> bool:
    """Whether a row is of real images under a label network that trained for less long than a file of that
    size: beside it they would look worse than they are."""
    files = [one for one in rows if kind_of(one)[0] == "set" and one["labels"] == row["labels"]]
    near = [one for one in files if 1 / NEAR < float(one["bpc"]) / float(row["bpc"]) < NEAR]
    is_network = kind_of(row)[0] == "pictures with label network"
    return is_network and any(int(one["steps"]) > int(row["steps"]) for one in near)


def _is_same(old: Row, new: Row) -> bool:
    same = (*kind_of(old), old["labels"]) == (*kind_of(new), new["labels"])
    return same and 1 / NEAR < float(old["bpc"]) / float(new["bpc"]) < NEAR


if __name__ == "__main__":
    main()
