"""Aligned tables on standard output; never cut or wrapped, so that they can be read by grep and awk too."""

from __future__ import annotations

from collections.abc import Sequence

import click


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> None:
    """Print rows of cells under a header, and a last row of totals.

    ``header``: column names; one that begins with ``>`` has its cells to the right.
    """
    right = [name.startswith(">") for name in header]
    names = [name.removeprefix(">") for name in header]
    ends = [] if total is None else [total]
    widths = [max(map(len, column)) for column in zip(names, *rows, *ends, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    click.secho(line(names), bold=True)
    for row in rows:
        click.echo(line(row))
    for row in ends:
        click.secho(line(row), bold=True)
