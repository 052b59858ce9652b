"""Settings on the command line: their flags, and files of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from rudcodec.errors import SettingError
from rudcodec.options import Option, options_of, parse_option
from rudcodec.settings import Settings, parse_settings
from rudcodec.settings_file import parse_settings_file

from .commands import RareOption
from .values import naming, read_text


class _Value(click.ParamType):  # type: ignore[type-arg]  # only new versions of click have arguments there
    """A setting's value on the command line, parsed and checked as the schema says."""

    def __init__(self, name: str, known: Option) -> None:
        self.name, self.known = name, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse_option(Settings, self.name, value)
        except SettingError as error:
            self.fail(str(error).removeprefix(f"{self.name}: "), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(word) for word in self.known.allowed() if word.startswith(incomplete)]


def setting_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for every setting that has a flag of its own."""
    for field, known in reversed([*options_of(Settings)]):
        if not known.flag:
            continue
        arguments: dict[str, Any] = {"help": _help_line(field.default, known), "default": None}
        if "/" not in known.flag:
            arguments |= {"type": _Value(field.name, known), "metavar": known.metavar or "NAME"}
        if known.section:
            arguments |= {"cls": RareOption, "section": known.section}
        function = click.option(known.flag, field.name, **arguments)(function)
    return function


def _help_line(default: Any, known: Option) -> str:
    text = known.short or known.help
    return text if known.short or default in (None, math.inf) else f"{text} ({default})"


def given_settings(
    config: str | None,
    preset: str | None,
    overrides: tuple[tuple[str, str], ...],
    metadata: tuple[tuple[str, str], ...],
    flags: dict[str, Any],
    budget_bytes: int | None,
) -> tuple[dict[str, Any], str]:
    """What a file of settings, flags and --set say, the later of them above the earlier; and the preset."""
    given = {name: value for name, value in flags.items() if value is not None}
    changes = parse_settings(overrides)
    budgets = [{**given, **changes}.get(name) for name in ("bpc", "lmbda")] + [budget_bytes]
    number = sum(budget is not None for budget in budgets)
    if number > 1:
        raise click.UsageError("give one budget, --bpc, --bytes or --lmbda")
    file: dict[str, Any] = {}
    if config is not None:
        with naming(config):
            file = parse_settings_file(read_text(config))
    if number:
        file = {name: value for name, value in file.items() if name not in ("bpc", "lmbda")}
    options = file.get("utility_options", {}) | changes.get("utility_options", {})
    of_file = file.pop("preset", "balanced")
    tables = {"utility_options": options, "metadata": file.get("metadata", {}) | dict(metadata)}
    return {**file, **given, **changes, **tables}, preset or of_file
