"""Settings in a file: TOML that somebody wrote, or the JSON lines that ``rudcodec compress --log`` wrote."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from rudcodec.errors import SettingError
from rudcodec.options import check_option, parse_option
from rudcodec.plugins import UTILITIES
from rudcodec.settings import Settings


def parse_settings_file(text: str) -> dict[str, Any]:
    """The settings that a file's text gives, as arguments of :meth:`rudcodec.settings.Settings.preset`.

    Of TOML: each key is a setting or ``preset``; numbers may be texts such as ``"50k"``; a table ``[mm]`` has
    the options of that utility, ``[metadata]`` what the file says of itself. Of JSON lines: the last
    ``settings`` record, which says all that was chosen.

    Raises:
        SettingError: the text is neither, or a name or a value makes no sense.
    """
    text = text.removeprefix("\ufeff")  # as Windows' editors begin a file
    settings = _of_log(text) if text.lstrip()[:1] == "{" else _of_toml(text)
    # a value that makes no sense is this file's, whatever else is set
    Settings(**{name: value for name, value in settings.items() if name not in ("preset", "utility_options")})
    return settings


def _of_toml(text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        raise SettingError(f"is not TOML ({error})") from None
    settings: dict[str, Any] = {}
    for name, value in table.items():
        if name == "metadata" and isinstance(value, dict):
            settings[name] = value
        elif isinstance(value, dict):
            settings.setdefault("utility_options", {}).update(_of_utility(name, value))
        elif name == "preset":
            if not isinstance(value, str):
                raise SettingError(f"preset: {value!r} is not a text")
            settings[name] = value
        else:
            check_option(Settings, name)
            is_text = isinstance(value, str)
            settings[name] = parse_option(Settings, name, value) if is_text else _plain(value)
    return settings


def _of_log(text: str) -> dict[str, Any]:
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            record = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise SettingError(f"line {number} is not JSON") from None
        if isinstance(record, dict) and isinstance(record.get("settings"), dict):
            records.append(record["settings"])
    if not records:
        raise SettingError("has no settings: it is not what --log writes")
    for name in records[-1].keys() - {"utility_options", "metadata"}:
        check_option(Settings, name)
    given = {name: value for name, value in records[-1].items() if value is not None}
    for name in ("utility_options", "metadata"):
        if not isinstance(given.get(name, {}), dict):
            raise SettingError(f"{name}: {given[name]!r} is not a table")
    if "lmbda" in given:  # the budget then follows from it
        given.pop("bpc", None)
    return given


def _of_utility(utility: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if utility not in UTILITIES.names():
        raise SettingError(f"[{utility}]: no utility is called so, only {', '.join(UTILITIES.names())}")
    return {f"{utility}.{name}": _plain(value) for name, value in options.items()}


def _plain(value: Any) -> Any:
    """The same value; 1e6, which is a float of TOML, as the whole number that it stands for."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
