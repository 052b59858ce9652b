"""Whole numbers that users give, of whichever library."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from rudcodec.errors import SettingError

MAX_SEED = (1 << 63) - 1
"""The largest seed that torch and numpy both take."""
MAX_WIDTH = 1 << 16
"""Channels of networks whose width users choose, far beyond any that can be trained."""
MAX_STUDENTS = 10_000
"""The most students that are judged together, if only their number is given."""


def whole(name: str, value: SupportsIndex, least: int, most: int) -> int:
    """A number, such as numpy's, as Python's own. Raises SettingError unless it is in ``least..most``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise SettingError(f"{name} is {value!r}, must be a whole number") from None
    if not least <= number <= most:
        raise SettingError(f"{name} is {number}, must be {least}..{most}")
    return number
