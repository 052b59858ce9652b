"""What all commands have in common: ``-q`` and ``-v``, and help that fits a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from rudcodec.devices import AUTO, DEVICES, check_device
from rudcodec.errors import SettingError

_LEVEL = "rudcodec.level"
_ALL = "rudcodec.help-all"
_QUIET, _VERBOSE = -1, 1


class RareOption(click.Option):
    """An option that ``--help`` leaves out and ``--help-all`` lists under the heading ``section``."""

    def __init__(self, *args: Any, section: str, **known: Any) -> None:
        super().__init__(*args, **known)
        self.section = section


class Command(click.Command):
    """A command that can be told to be quiet or to say more, and whose help has two lengths."""

    def __init__(self, *args: Any, **known: Any) -> None:
        super().__init__(*args, **known)
        self.params += [
            _level_option("-q", "--quiet", _QUIET, "Say nothing but errors and what was asked for."),
            _level_option("-v", "--verbose", _VERBOSE, "Say more; of an error, where it came from."),
        ]
        if self._sections():
            self.params.append(
                click.Option(
                    ["--help-all"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_all,
                    help="Show the rarer options, too.",
                )
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Common options, and with ``--help-all`` the rare ones by sections."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        common = [one for one in options if not isinstance(one, RareOption)]
        _write_options(ctx, formatter, "Options", common)
        if ctx.meta.get(_ALL):
            for name, rare in self._sections().items():
                _write_options(ctx, formatter, name, rare)

    def _sections(self) -> dict[str, list[click.Parameter]]:
        sections: dict[str, list[click.Parameter]] = {}
        for one in self.params:
            if isinstance(one, RareOption):
                sections.setdefault(one.section, []).append(one)
        return sections


class _Device(click.ParamType):  # type: ignore[type-arg]  # only new versions of click have arguments there
    """The name of a device of torch's."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            check_device(value)
        except SettingError as error:
            self.fail(str(error).removeprefix("device: "), param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in DEVICES if name.startswith(incomplete)]


device_flag = click.option(
    "--device",
    type=_Device(),
    default=AUTO,
    metavar="NAME",
    help="auto, cpu, cuda, mps, ... (auto).",
)


def command(name: str, summary: str) -> Callable[[Callable[..., None]], Command]:
    """The decorator of a command; ``summary`` is its line in the list of commands."""
    return click.command(name, cls=Command, short_help=summary)


def is_quiet() -> bool:
    """Whether ``-q`` was given."""
    return _level() == _QUIET


def is_verbose() -> bool:
    """Whether ``-v`` was given."""
    return _level() == _VERBOSE


def closing(text: str, err: bool = False) -> None:
    """Say what has been done, on stdout or, where that carries a file, on stderr; not with ``-q``."""
    if not is_quiet():
        click.echo(text, err=err)


def _level() -> int:
    ctx = click.get_current_context(silent=True)
    level: int = 0 if ctx is None else ctx.meta.get(_LEVEL, 0)
    return level


def _level_option(short: str, name: str, level: int, text: str) -> click.Option:
    def set_level(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        if not given:
            return
        if ctx.meta.setdefault(_LEVEL, level) != level:
            raise click.UsageError("-q and -v exclude each other", ctx)

    return click.Option([short, name], is_flag=True, expose_value=False, callback=set_level, help=text)


def _show_all(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _write_options(
    ctx: click.Context, formatter: click.HelpFormatter, name: str, options: Sequence[click.Parameter]
) -> None:
    records = [record for one in options if (record := one.get_help_record(ctx)) is not None]
    if records:
        with formatter.section(name):
            formatter.write_dl(records)
