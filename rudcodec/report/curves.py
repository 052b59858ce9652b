"""Points that belong together: curves, and what they say of files and real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rudcodec.report.points import Point
from rudcodec.text import points_above, short


@dataclass(frozen=True)
class Curve:
    """Points of one kind, smallest first; ``name`` is for a legend."""

    name: str
    points: tuple[Point, ...]

    @property
    def kind(self) -> str:
        """What the points are, see :data:`rudcodec.comparison.Kind`."""
        return self.points[0].kind


def curves_of(points: Sequence[Point]) -> list[Curve]:
    """The curves that points make: of files by label mode and student, then of what would replace them."""
    nets = {point.student for point in points if point.net}
    groups: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda point: (_ORDER[point.kind], point.label_mode)):
        name = curve_name(point) + (f", {point.student}" if point.net and len(nets) > 1 else "")
        groups.setdefault(name, []).append(point)
    return [Curve(name, tuple(sorted(group, key=lambda point: point.bpc))) for name, group in groups.items()]


def curve_name(point: Point) -> str:
    """What a legend or a column calls points of this kind."""
    names = {
        "set": _FILES[point.label_mode],
        "label network": "the label networks alone",
        "images alone": "the files' images, hard labels",
        "pictures": f"real images as {point.codec}, hard labels",
        "pictures with label network": f"real images as {point.codec}, the same label network",
    }
    return names[point.kind]


def replacements(point: Point, points: Sequence[Point]) -> list[Point]:
    """Real images of a file's size, judged by the same students: the points that it is to be above."""
    return [
        other
        for other in points
        if other.kind.startswith("pictures")
        and (other.sha256, other.student, other.seeds) == (point.sha256, point.student, point.seeds)
    ]


def is_beaten(point: Point, points: Sequence[Point]) -> bool:
    """Whether real images of a file's size are worth more than the file."""
    return any(points_above(point.mean, other.mean) < 0 for other in replacements(point, points))


def verdicts(points: Sequence[Point]) -> list[str]:
    """A sentence for each kind of real images and of student: how far the files are above them, or where they
    aren't; and for each learned codec, whose weights aren't counted."""
    students = {point.student for point in points if point.kind == "set"}
    gains: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point.kind == "set":
            whose = f", by students {point.student}" if len(students) > 1 else ""
            for other in replacements(point, points):
                gains.setdefault(curve_name(other) + whose, []).append(
                    (point.bpc, points_above(point.mean, other.mean))
                )
    weights = {f"{point.codec} q{point.quality}": point.uncounted for point in points if point.uncounted}
    free = [f"Not counted: the weights of {codec}, {size:,} bytes." for codec, size in weights.items()]
    return [_verdict(name, pairs) for name, pairs in gains.items()] + free


def _verdict(name: str, gains: list[tuple[float, float]]) -> str:
    lost = [f"{short(bpc)} bits per class (by {-gain:.1f} points)" for bpc, gain in sorted(gains) if gain < 0]
    if lost:
        return f"Better than the files are {name} at {', '.join(lost)}."
    low, high = min(gain for _, gain in gains), max(gain for _, gain in gains)
    if high == 0:
        return f"The files are worth as much as {name}."
    span = f"{low:.1f}" if high == low else f"{low:.1f} to {high:.1f}"
    return f"The files are {span} points above {name}."


_ORDER = {
    kind: number
    for number, kind in enumerate(
        ("set", "label network", "images alone", "pictures", "pictures with label network")
    )
}
_FILES = {
    "hard": "files with hard labels",
    "soft": "files with soft labels",
    "network": "files with a label network",
}
