"""Settings on the command line: their flags, and files of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Self

import click
from click.shell_completion import CompletionItem

from rudcodec.errors import SettingError
from rudcodec.options import Option, options_of, parse_option
from rudcodec.settings import PRESETS, RUN_SECTION, Settings, parse_settings
from rudcodec.settings_file import parse_settings_file

from .commands import RareOption
from .values import Input, byte_amount, key_value, naming, read_text


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


@dataclass(frozen=True)
class GivenSettings:
    """What a command line says of settings.

    Attributes:
        values: settings by name, without a budget in bytes.
        preset: the one whose settings all others are.
        budget_bytes: the budget, where it is one in bytes.
        config: the file of settings, where there is one.
    """

    values: Mapping[str, Any]
    preset: str
    budget_bytes: int | None
    config: str | None

    @classmethod
    def of(
        cls,
        flags: Mapping[str, Any],
        overrides: Iterable[tuple[str, str]],
        metadata: Iterable[tuple[str, str]],
        preset: str | None,
        budget_bytes: int | None,
        config: str | None,
    ) -> Self:
        """What a file of settings, flags and --set say, the later of them above the earlier. Raises RudError;
        click.UsageError."""
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
        return cls({**file, **given, **changes, **tables}, preset or of_file, budget_bytes, config)

    def settings(self, distilled: bool, num_classes: int | None = None) -> Settings:
        """The settings, for a set that is ``distilled`` already or not.

        ``num_classes``: None while the set isn't read; a budget in bytes then counts as any budget, so that
        all else can be checked. Raises SettingError.
        """
        values = dict(self.values)
        if self.budget_bytes is not None:
            values["bpc"] = 1.0 if num_classes is None else 8 * self.budget_bytes / num_classes
        return Settings.preset(self.preset, distilled, **values)


def setting_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add all flags that say settings; the command gets them as one argument, ``given``."""
    options = [(field, known) for field, known in options_of(Settings) if known.flag]

    @wraps(command)
    def with_given(
        overrides: tuple[tuple[str, str], ...],
        metadata: tuple[tuple[str, str], ...],
        preset: str | None,
        budget_bytes: int | None,
        config: str | None,
        **flags: Any,
    ) -> None:
        values = {field.name: flags.pop(field.name) for field, _ in options}
        given = GivenSettings.of(values, overrides, metadata, preset, budget_bytes, config)
        command(given=given, **flags)

    function: Callable[..., None] = with_given
    for flag in reversed(_OTHERS):
        function = flag(function)
    for field, known in reversed(options):
        arguments: dict[str, Any] = {"help": _help_line(field.default, known), "default": None}
        if "/" not in known.flag:
            arguments |= {"type": _Value(field.name, known), "metavar": known.metavar or "NAME"}
        if known.section:
            arguments |= {"cls": RareOption, "section": known.section}
        function = click.option(known.flag, field.name, **arguments)(function)
    return function


_OTHERS = (
    click.option(
        "--bytes", "budget_bytes", type=byte_amount, metavar="N", help="Or budget in bytes, such as 62kB."
    ),
    click.option(
        "--preset",
        type=click.Choice([*PRESETS]),
        metavar="NAME",
        help="Training time: fast, balanced, best (balanced).",
    ),
    click.option(
        "--config", type=Input(), metavar="FILE", help="Take settings from FILE: TOML, or what --log wrote."
    ),
    click.option(
        "--set",
        "overrides",
        type=key_value,
        multiple=True,
        metavar="KEY=VALUE",
        help="Change any setting, or mm.runs=8 of a utility.",
    ),
    click.option(
        "--meta",
        "metadata",
        type=key_value,
        multiple=True,
        metavar="KEY=VALUE",
        cls=RareOption,
        section=RUN_SECTION,
        help="What the file says of itself: licence=CC0, name, source, ...",
    ),
)
"""Flags beside those that settings have of their own."""


def _help_line(default: Any, known: Option) -> str:
    text = known.short or known.help
    return text if known.short or default in (None, math.inf) else f"{text} ({default})"
