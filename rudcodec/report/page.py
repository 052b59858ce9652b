"""A report as one page of HTML, which needs no other file and no network."""

from __future__ import annotations

from dataclasses import dataclass

from rudcodec.report.curves import curve_name, replacements, verdicts
from rudcodec.report.figure import draw
from rudcodec.report.file_section import file_section
from rudcodec.report.judged import JudgedFile
from rudcodec.report.markup import data_url, name, sentence, table, text
from rudcodec.report.points import Point
from rudcodec.report.style import STYLE
from rudcodec.text import average, escaped, percent, points_above, short


@dataclass(frozen=True, eq=False)
class Report:
    """What a report is of.

    Attributes:
        files: smallest first.
        points: of these files, at least one.
        source: what the real images are called; ``split``: which of them judged students.
        version: of rudcodec.
        refusals: what couldn't be measured, and why.
        changes: what was changed of the files' recipes, such as "lr=0.1"; empty if nothing.
    """

    files: tuple[JudgedFile, ...]
    points: tuple[Point, ...]
    source: str
    split: str
    version: str
    refusals: tuple[str, ...] = ()
    changes: str = ""

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"{escaped(self.source)} ({self.split}): accuracy by bits per class"


def as_html(report: Report) -> str:
    """The page. Raises MissingPackageError where matplotlib isn't installed."""
    light, dark = (draw(report.points, "svg", dark=dark) for dark in (False, True))
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{sentence(report.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f"<h1>{sentence(report.title)}</h1>",
        f'<p class="soft">{_students(report)}</p>',
        "<picture>",
        f'<source media="(prefers-color-scheme: dark)" srcset="{data_url(dark, "image/svg+xml")}">',
        f'<img class="curve" src="{data_url(light, "image/svg+xml")}" alt="accuracy against bits per class">',
        "</picture>",
        *(f"<p>{sentence(said)}</p>" for said in (*verdicts(report.points), *report.refusals)),
        _overview(report),
        *(file_section(report, number) for number in range(len(report.files))),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _students(report: Report) -> str:
    judged = [point for point in report.points if point.net]
    nets = ", ".join(dict.fromkeys(point.student for point in judged))
    count = len(judged[0].seeds)
    students = "one student" if count == 1 else f"{count} students"
    steps: dict[int, dict[str, None]] = {}
    for point in judged:
        steps.setdefault(point.steps, {})["files" if point.kind == "set" else curve_name(point)] = None
    each = ", ".join(
        f"{number:,} steps" + (f" ({', '.join(what)})" if len(steps) > 1 else "")
        for number, what in sorted(steps.items())
    )
    counts = sorted({point.real_images for point in judged})
    judged_on = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    if report.changes:
        each += f", by recipes of which this was changed: {report.changes}"
    return sentence(
        f"{students} of each kind ({nets}), {each}, trained from scratch and judged on "
        f"{judged_on} real images after the last step; ± is the standard deviation over students. "
        f"rudcodec {report.version}."
    )


def _overview(report: Report) -> str:
    """A row for each file and kind of students."""
    others = list(dict.fromkeys(curve_name(point) for point in report.points if point.kind != "set"))
    nets = {point.student for point in report.points if point.net}
    rows = []
    for number, file in enumerate(report.files):
        mine = [point for point in report.points if point.sha256 == file.sha256]
        for point in (one for one in mine if one.kind == "set"):
            beside = {curve_name(one): one for one in mine if one.student in ("", point.student)}
            student = [text(point.student)] if len(nets) > 1 else []
            rows.append(
                [
                    f'<a href="#file-{number}">{name(file.name)}</a>',
                    short(point.bpc),
                    f"{point.size:,}",
                    average(point.ipc),
                    file.label_mode,
                    *student,
                    f"<b>{_percent(point)}</b>",
                    *(_other(point, beside.get(title)) for title in others),
                ]
            )
    student = ["student"] if len(nets) > 1 else []
    head = ["file", "bits per class", "bytes", "images per class", "labels", *student, "students", *others]
    return table(head, rows)


def _other(point: Point, other: Point | None) -> str:
    """What is beside a file; of real images also how far the file is above them."""
    if other is None:
        return ""
    if other not in replacements(point, [other]):
        return _percent(other)
    gain = points_above(point.mean, other.mean)
    kind = "better" if gain >= 0 else "worse"
    return f'{_percent(other)} <span class="{kind}">({gain:+.1f})</span>'


def _percent(point: Point) -> str:
    return percent(point.mean, point.std, len(point.seeds))
