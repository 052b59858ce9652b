"""What becomes of damaged files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rudcodec.errors import RudError


@contextmanager
def refusing(refusal: Callable[[Exception], Exception]) -> Iterator[None]:
    """Raises what ``refusal`` makes of whatever is raised inside; errors that a user can read pass."""
    try:
        yield
    except RudError:
        raise
    except Exception as error:  # noqa: BLE001  (libraries raise all sorts of things at damaged files)
        raise refusal(error) from None


def as_text(data: bytes) -> str:
    """A text in UTF-8, without the mark that some programs begin it with. Raises ValueError, which says in
    which line it is something else."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is no UTF-8 in line {line}; save it as that") from None


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a text of JSON is; None if it is damaged or something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
