"""Writes docs/settings.md from the schema of settings: python docs/make_settings.py"""

from __future__ import annotations

from pathlib import Path

from rudcodec.options import table
from rudcodec.plugins import UTILITIES
from rudcodec.settings import PRESETS, Settings

FILE = Path(__file__).with_name("settings.md")


def text() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "What an encode can be told: on the command line by the flag or by `--set NAME=VALUE`, in Python by",
        "`rudcodec.compress(..., NAME=VALUE)`. This page is made by `docs/make_settings.py`.",
        "",
        table(Settings),
        "`--preset` sets some of them at once:",
        "",
        "| preset | settings |",
        "| --- | --- |",
    ]
    for name, values in PRESETS.items():
        changes = ", ".join(f"`{key}={value}`" for key, value in values.items())
        lines.append(f"| `{name}` | {changes or 'the defaults'} |")
    for name in UTILITIES.builtins:
        options = UTILITIES.load(name).Options
        lines += ["", f"## Options of the utility `{name}`", "", f"Such as `--set {name}.NAME=VALUE`.", ""]
        lines.append(table(options).rstrip("\n"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
