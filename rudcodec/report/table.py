"""Points as a table of tab-separated values, for other programs."""

from __future__ import annotations

from collections.abc import Sequence

from rudcodec.report.points import Point

COLUMNS = (
    *("file", "kind", "codec", "quality", "labels", "bpc", "bytes", "ipc"),
    *("net", "width", "steps", "batch", "seeds", "mean", "std", "accuracies"),
    *("split", "real_images", "eval_seconds", "device", "changes", "sha256"),
)


def as_tsv(points: Sequence[Point], split: str, changes: str = "") -> str:
    """A header and a row for each point; accuracies are in percent, lists are separated by commas.

    ``split``: of the real images; ``changes``: of the recipes, such as "lr=0.1".
    """
    rows = [COLUMNS, *(_row(point, split, changes) for point in points)]
    return "".join("\t".join(row) + "\n" for row in rows)


def _row(point: Point, split: str, changes: str) -> tuple[str, ...]:
    has_students = bool(point.net)
    return (
        " ".join(point.file.split()),
        point.kind,
        point.codec,
        "" if point.quality is None else str(point.quality),
        point.labels,
        f"{point.bpc:.1f}",
        str(point.size),
        f"{point.ipc:g}",
        point.net,
        "" if point.width is None else str(point.width),
        str(point.steps) if has_students else "",
        str(point.batch) if has_students else "",
        ",".join(map(str, point.seeds)),
        f"{100 * point.mean:.2f}",
        f"{100 * point.std:.2f}" if len(point.seeds) > 1 else "",
        ",".join(f"{100 * one:.2f}" for one in point.accuracies),
        split,
        str(point.real_images) if has_students else "",
        f"{point.seconds:.0f}" if has_students else "",
        point.device,
        changes if has_students else "",
        point.sha256,
    )
