"""Writes docs/settings.md from the schema of settings: python docs/make_settings.py"""

from __future__ import annotations

from pathlib import Path

from rudcodec.options import table
from rudcodec.plugins import UTILITIES
from rudcodec.settings import PRESETS, Settings

BUDGET = (
    "Without `bpc` and `lmbda`, a class gets as many bytes as the square root of what its images take",
    "uncompressed: height * width * channels * images. That is 30,000 bits for CIFAR-10 (4,500 images a",
    "class to train on), 9,400 for CIFAR-100, 52,000 for ImageNette at 128 x 128, 810 for the",
    "digits. It is never less than one image a class takes together with head and networks, and never more",
    "than a quarter of what the images take as AVIF of quality 50, measured on 64 of them at most, fewer of",
    "large ones; a set so small that the two contradict each other needs a budget. A distilled set without",
    "the real one, all of whose images are coded, gets half of what they take as AVIF.",
)
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
        *BUDGET,
        "",
        "`metadata`, on the command line `--meta KEY=VALUE`, is what the file says of itself: up to 256",
        "pairs of texts, such as name, source, licence, creator. They count towards the file's size.",
        "",
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
