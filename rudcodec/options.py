"""Options: fields of a dataclass that say all there is to know of them.

One description of an option makes its check, its parsing from text, its flag on the command line and its line
in the documentation. :class:`rudcodec.settings.Settings` and the ``Options`` of utilities are made of these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, get_args, get_type_hints

import numpy as np

from rudcodec.errors import SettingError

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its name, type and default.

    Attributes:
        help: one line, for ``--help`` and the documentation.
        flag: the flag's name on the command line, such as ``"--bpc"``; empty: by ``--set`` only.
        metavar: what stands for its value in ``--help``.
        choices: allowed values of a text; a function where they aren't known before other packages are.
        minimum, maximum, above, below: bounds of a number.
        unit: of a number, for messages and documentation.
        default: how the documentation calls the default, where the value itself says nothing.
        short: the line for ``--help``, where ``help`` and the default are too long for it.
        section: heading under which ``--help-all`` lists a flag that ``--help`` leaves out; empty: both do.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    choices: Any = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""
    default: str = ""
    short: str = ""
    section: str = ""

    def allowed(self) -> tuple[str, ...]:
        """The allowed values of a text; empty: any."""
        choices: tuple[str, ...] = self.choices() if callable(self.choices) else self.choices
        return choices


def option(default: Any, description: str, **known: Any) -> Any:
    """A dataclass field that is an option; ``known`` as in :class:`Option`, ``shown`` is its ``default``."""
    shown = known.pop("shown", "")
    return field(default=default, metadata={_KEY: Option(description, default=shown, **known)})


def options_of(owner: type) -> Iterator[tuple[Field[Any], Option]]:
    """The options of a dataclass, in order."""
    for one in fields(owner):
        if _KEY in one.metadata:
            yield one, one.metadata[_KEY]


def check_options(values: Any) -> None:
    """Check every option of a dataclass. Raises SettingError, which begins with the option's name."""
    for one, known in options_of(type(values)):
        value = getattr(values, one.name)
        _check(one.name, value, _types(type(values), one.name), known)
        if isinstance(value, Real) and not is_finite(value) and value != one.default:
            raise SettingError(f"{one.name}: {shown_number(value)}; it must be finite")
        object.__setattr__(values, one.name, plain_number(value))


def plain_number(value: Any) -> Any:
    """The same value, of Python's own types: JSON doesn't know numpy's numbers."""
    return value.item() if isinstance(value, np.generic) else value


def _types(owner: type, name: str) -> tuple[type, ...]:
    """What an option's value may be; ``NoneType`` among them where it may be missing."""
    hint = _type_hints(owner)[name]
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


@cache
def _type_hints(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


def _check(name: str, value: Any, types: tuple[type, ...], known: Option) -> None:
    if value is None and type(None) in types:
        return
    if isinstance(value, bool) != (bool in types) or not isinstance(
        value, tuple(_ABSTRACT[one] for one in types)
    ):
        expected = " or ".join(_TYPE_NAMES[one] for one in types)
        raise SettingError(f"{name}: {value!r} is not {expected}")
    if isinstance(value, str):
        allowed = known.allowed()
        if allowed and value not in allowed:
            raise SettingError(f"{name}: {value!r} is none of {', '.join(allowed)}{guess(value, allowed)}")
    elif isinstance(value, Real) and (broken := _broken_bound(value, known)):
        unit = f" {known.unit}" if known.unit else ""
        raise SettingError(f"{name}: {shown_number(value)}{unit}; it must be {broken}")


def is_finite(number: Any) -> bool:
    """Whether a float holds such a number; none holds a whole number of hundreds of digits."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def shown_number(number: Any) -> str:
    """A number for a message."""
    try:
        return f"{number:,.12g}"
    except OverflowError:  # a whole number that no float can hold
        return "a number of hundreds of digits"


def _broken_bound(value: Any, known: Option) -> str:
    """The bound that a number is beyond; NaN is beyond all. Empty if there is none."""
    if known.minimum is not None and not value >= known.minimum:
        return f"at least {known.minimum:,.12g}"
    if known.maximum is not None and not value <= known.maximum:
        return f"at most {known.maximum:,.12g}"
    if known.above is not None and not value > known.above:
        return f"above {known.above:,.12g}"
    if known.below is not None and not value < known.below:
        return f"below {known.below:,.12g}"
    return ""


# numpy's numbers are welcome, too
_ABSTRACT: dict[type, Any] = {int: Integral, float: Real, str: str, bool: bool, type(None): type(None)}
_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    type(None): "none",
}


def guess(word: str, known: tuple[str, ...]) -> str:
    """The question whether a similar known word is meant; nothing where there is none."""
    near = get_close_matches(word, known, 1)
    return f"; is it {near[0]!r}?" if near else ""


def check_option(owner: type, name: str) -> None:
    """Raise SettingError if a dataclass has no such option."""
    names = tuple(one.name for one, _ in options_of(owner))
    if name not in names:
        raise SettingError(
            f"there is no setting {name!r}{guess(name, names) or ', only ' + ', '.join(names)}"
        )


def parse_option(owner: type, name: str, text: str) -> Any:
    """The value that a text gives an option of a dataclass. Raises SettingError."""
    check_option(owner, name)
    types = _types(owner, name)
    if text == "none" and type(None) in types:
        return None
    if str in types:
        return text
    if bool in types:
        if text not in ("true", "false"):
            raise SettingError(f"{name}: {text!r} is neither true nor false")
        return text == "true"
    if float not in types and text.isdecimal() and len(text) < 20:
        return int(text)
    try:
        number = _number(text)  # of any sign: a bound says what is wrong with it
    except ValueError as error:
        raise SettingError(f"{name}: {error}") from None
    if float not in types:
        if number != int(number):
            raise SettingError(f"{name}: {text!r} is not a whole number")
        return int(number)
    return number


def parse_amount(text: str) -> float:
    """A positive number: ``50000``, ``50k``, ``1.2M``, ``1e5``. Raises ValueError."""
    number = _number(text)
    if number <= 0:
        raise ValueError(f"{text!r} is not above zero")
    return number


def _number(text: str) -> float:
    """A number with or without a suffix. Raises ValueError."""
    match = re.fullmatch(r"(-?(?:\d+\.?\d*|\.\d+))(e[+-]?\d+)? ?([a-z]*)", text.strip().lower())
    if match is None or match[3] not in _SUFFIXES:
        raise ValueError(f"{text!r} is not a number such as 800, 50k or 1.2M")
    number = float(match[1] + (match[2] or "")) * _SUFFIXES[match[3]]
    if math.isinf(number):
        raise ValueError(f"{text!r} is too large")
    return number


def parse_bytes(text: str) -> int:
    """A number of bytes, one at least: ``62500``, ``62kB``, ``64KiB``. Raises ValueError."""
    value = int(parse_amount(text.strip().lower().removesuffix("b")))
    if value == 0:
        raise ValueError(f"{text!r} is less than a byte")
    return value


def table(owner: type) -> str:
    """The options of a dataclass as a Markdown table."""
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for one, known in options_of(owner):
        name = f"`{one.name}`" + (f", `{known.flag}`" if known.flag else "")
        allowed = known.choices if isinstance(known.choices, tuple) else ()
        description = known.help + (
            f" One of {', '.join(f'`{word}`' for word in allowed)}." if allowed else ""
        )
        default = known.default or f"`{one.default if one.default is not MISSING else ''}`"
        lines.append(f"| {name} | {default} | {description} |")
    return "\n".join(lines) + "\n"
