"""The curve as a picture."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

from rudcodec.optional import load_optional
from rudcodec.report.curves import Curve, curves_of, is_beaten
from rudcodec.report.points import Point
from rudcodec.text import short

Format = Literal["png", "svg"]

_INCHES, _DPI = (7.6, 5.0), 160
# colour-blind safe (Okabe and Ito): for white and for black paper
_COLOURS = {
    "label network": ("#8a5a00", "#e69f00"),
    "images alone": ("#007a5a", "#2fc79a"),
    "pictures": ("#c04a00", "#f0803c"),
    "pictures with label network": ("#a3497c", "#e08fbf"),
}
_OF_LABELS = {  # files, by their label mode: of whatever set a curve is, it looks alike
    "hard": (("#0072b2", "#56b4e9"), "o"),
    "network": (("#222222", "#eeeeee"), "X"),
    "soft": (("#6a4fb3", "#b8a4f0"), "P"),
}
_FURTHER = (  # of files with labels of others, and of other students
    *(("#a61c3c", "#ff8fa3"), ("#5b7f00", "#b5d94c"), ("#00798c", "#3fd0d4"), ("#b5179e", "#f472d0")),
    *(("#7a7a7a", "#a8a8a8"), ("#5c4033", "#c8a080")),
)
_LINE = {
    "set": "-",
    "label network": ":",
    "images alone": "-.",
    "pictures": "--",
    "pictures with label network": "--",
}
_MARKER = {"label network": "D", "images alone": "^", "pictures": "s", "pictures with label network": "v"}
_MARKERS = "ohp*"  # of further curves of one kind
_BEATEN = ("#d00000", "#ff6b6b")


def draw(points: Sequence[Point], format: Format, title: str = "", dark: bool = False) -> bytes:  # noqa: A002
    """Accuracy against bits per class as a PNG or SVG file, the latter the same each time.

    Whiskers are standard deviations over students. Where real images of a file's size are worth more than
    it, it has a ring.

    Args:
        points: at least one.
        format: of the file.
        title: stands above.
        dark: draw with light colours on a transparent ground, for a dark page.

    Raises:
        MissingPackageError: matplotlib isn't installed.
    """
    matplotlib = load_optional("matplotlib")
    backend = load_optional("matplotlib.backends.backend_agg")
    figures = load_optional("matplotlib.figure")
    paper = "#dddddd" if dark else "#222222"
    style = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), paper),
        **dict.fromkeys(("xtick.color", "ytick.color"), paper),
        "svg.hashsalt": "rudcodec",
        "svg.fonttype": "path",
        "font.size": 10,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a set's name may be in any script
        figure = figures.Figure(figsize=_INCHES, layout="constrained")
        backend.FigureCanvasAgg(figure)
        axes = figure.subplots()
        _draw_curves(axes, curves_of(points), points, dark)
        _draw_frame(axes, points, title)
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        file = io.BytesIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None} if format == "svg" else {}
        figure.savefig(file, format=format, dpi=_DPI, transparent=dark, metadata=metadata)
    return file.getvalue()


def _draw_curves(axes: Any, curves: Sequence[Curve], points: Sequence[Point], dark: bool) -> None:
    drawn: dict[str, int] = {}
    of_labels = dict(_OF_LABELS)
    for curve in curves:
        is_files = curve.kind == "set"
        deviations = [100 * point.std for point in curve.points]
        if is_files and (style := of_labels.pop(curve.points[0].label_mode, None)) is not None:
            number, (colour, marker) = 0, style
        else:
            number = drawn[curve.kind] = drawn.get(curve.kind, -1) + 1
            colour = _FURTHER[number % len(_FURTHER)] if is_files else _COLOURS[curve.kind]
            marker = _MARKERS[number % len(_MARKERS)] if is_files or number else _MARKER[curve.kind]
        axes.errorbar(
            [point.bpc for point in curve.points],
            [100 * point.mean for point in curve.points],
            yerr=deviations if any(deviations) else None,  # of single students there are none
            label=curve.name,
            color=colour[dark],
            marker=marker,
            linestyle=_LINE[curve.kind],
            linewidth=2.2 if is_files else 1.4,
            markersize=7 if is_files else 5.5,
            elinewidth=1.2,
            capsize=3,
            alpha=1.0 if is_files else 1 / (1 + number / 3),
            zorder=3 if is_files else 2,
        )
    beaten = [point for point in points if point.kind == "set" and is_beaten(point, points)]
    if beaten:
        axes.plot(
            [point.bpc for point in beaten],
            [100 * point.mean for point in beaten],
            "o",
            markersize=14,
            markerfacecolor="none",
            markeredgecolor=_BEATEN[dark],
            markeredgewidth=1.8,
            label="real images of the same size are better",
            zorder=4,
        )


def _draw_frame(axes: Any, points: Sequence[Point], title: str) -> None:
    ticker = load_optional("matplotlib.ticker")
    axes.set_xscale("log")
    low, high = min(point.bpc for point in points), max(point.bpc for point in points)
    room = max(1.15, 1.6 / math.sqrt(high / low))
    axes.set_xlim(low / room, high * room)
    ends = [100 * (point.mean + sign * point.std) for point in points for sign in (-1, 1)]
    margin = max(1.0, 0.08 * (max(ends) - min(ends)))
    axes.set_ylim(max(0.0, min(ends) - margin), min(100.0, max(ends) + margin) + 0.1)
    axes.xaxis.set_major_locator(ticker.FixedLocator(_ticks(points, high / low * room**2)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: tick_name(value)))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("bits per class (8 * bytes / classes)")
    axes.set_ylabel("accuracy on real images")
    axes.set_title(title, fontsize=11, loc="left")


def tick_name(bpc: float) -> str:
    """Rounded to two digits where that is nearly the same: 15k for 14,991, but 12.5k."""
    rounded = float(f"{bpc:.2g}")
    return short(rounded if abs(rounded / bpc - 1) < 0.01 else bpc)


def _ticks(points: Sequence[Point], span: float) -> list[float]:
    """The files' sizes, but none so near the one before, on an axis from 1 to ``span``, that they overlap."""
    ticks: list[float] = []
    for bpc in sorted({point.bpc for point in points if point.kind == "set"}):
        if not ticks or bpc > ticks[-1] * span**0.07:
            ticks.append(bpc)
    return ticks
