"""Pieces of HTML: foreign texts made harmless, tables, pictures that are part of the page."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence

from rudcodec.text import escaped, shown


def text(foreign: str) -> str:
    """A text from outside, such as the name of a class, as HTML."""
    return html.escape(shown(foreign))


def sentence(ours: str) -> str:
    """A text of our own as HTML, the whole of it; what is foreign in it can't do harm."""
    return html.escape(escaped(ours))


def name(foreign: str) -> str:
    """A name from outside, cut by the browser if it is long; the whole of it is seen by pointing at it."""
    return f'<span class="name" title="{text(foreign)}">{text(foreign)}</span>'


def data_url(contents: bytes, kind: str) -> str:
    """Where a browser finds a picture that needs no file; ``kind`` is such as ``image/png``."""
    return f"data:{kind};base64,{b64encode(contents).decode()}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", kind: str = "") -> str:
    """A table of cells that are HTML already, with ``<td ...>`` around them or without; the first cell of a
    row is its heading."""
    lines = [f'<div class="wide"><table class="{kind}">' if kind else '<div class="wide"><table>']
    if caption:
        lines.append(f"<caption>{caption}</caption>")
    if head:
        cells = "".join(_cell(cell, "th") for cell in head)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for first, *rest in rows:
        cells = "".join(_cell(cell, "td") for cell in rest)
        lines.append(f"<tr><th>{first}</th>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(contents: str, tag: str) -> str:
    return contents if contents.startswith("<td") else f"<{tag}>{contents}</{tag}>"
