"""The ``rudcodec`` command: its subcommands, and the one place where an error becomes a line on stderr.

Heavy imports (torch above all) stay inside the functions that need them: ``info`` answers in a blink.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from rudcodec.errors import RudError
from rudcodec.interrupts import Interrupted, end_in_order
from rudcodec.optional import EXTRAS, missing
from rudcodec.threads import prepare_threads

from .cache import cache
from .commands import is_verbose
from .compare import compare
from .compress import compress
from .curve import curve
from .decompress import decompress
from .evaluate import evaluate
from .experts import experts
from .extract import extract
from .info import info
from .merge import merge
from .truncate import truncate
from .verify import verify


class Failure(click.ClickException):
    """An error a user can cause: one line, exit code 2."""

    exit_code = 2


class Ended(click.ClickException):
    """A signal has ended the command: one line, the exit code that shells use for it."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number  # type: ignore[misc]  # click declares it for the class


class Commands(click.Group):
    """A group whose failures are one line each: ``rudcodec: what and where``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; what a user can cause comes out as a ClickException."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return self._invoke(ctx)
            except (Failure, Ended) as error:
                if is_verbose():
                    traceback.print_exception(error.__cause__)
                raise

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RudError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Interrupted) else signal.SIGINT
            raise Ended(str(error) or "interrupted", number) from error
        except MemoryError as error:
            raise Failure("out of memory") from error
        except RuntimeError as error:
            # torch's: of a GPU, of the host
            if type(error).__name__ != "OutOfMemoryError" and "DefaultCPUAllocator" not in str(error):
                raise
            raise Failure("out of memory") from error
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            raise Failure(str(missing(error.name))) from error
        except OSError as error:
            raise _failure(error) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Like click's, but every error is one line on stderr (click shows usage errors on four)."""
        if sys.stderr is None:  # closed; messages must not go to standard output instead
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a name that the locale can't write is no reason to stop
                stream.reconfigure(errors="backslashreplace")
        end_in_order()
        prepare_threads(os.environ)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            sys.exit(super().main(args, prog_name, complete_var, standalone_mode=False, **extra))
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _fail(error)
        except OSError as error:  # of --help and --version, which are said before there is a command
            _fail(_failure(error))


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    """One line, above a live display if there is one."""
    where = f"{filename}:{lineno}: {category.__name__}: " if is_verbose() else ""
    # not click.echo, which writes past a live display
    print(f"rudcodec: warning: {where}{' '.join(str(message).split())}", file=sys.stderr)


def _failure(error: OSError) -> click.ClickException:
    """What is said of it. What is written to a pipe that nobody reads any more ends the command as SIGPIPE
    would."""
    if error.strerror is None:
        raise error
    if error.errno == errno.EPIPE:
        return Ended("nobody reads the output any more", getattr(signal, "SIGPIPE", 13))  # not on Windows
    # files that are written say their names
    stream = "standard output" if error.errno == errno.ENOSPC else "input or output"
    return Failure(f"{error.filename or stream}: {error.strerror.lower()}")


def _fail(error: click.ClickException) -> NoReturn:
    text = " ".join(error.format_message().splitlines())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.rstrip('.')} (see {error.ctx.command_path} --help)"
    click.echo(f"rudcodec: {text}", err=True)
    sys.exit(2 if isinstance(error, click.FileError) else error.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rudcodec", prog_name="rudcodec", message="%(prog)s %(version)s")
def main() -> None:
    """Compress a labelled image set into a tiny training set, and use that.

    The size of a .rud file is rated in bits per class (bpc): 8 * bytes / classes. In place of a file, - is
    standard input or output.
    """


for command in (
    *(compress, info, decompress, truncate, merge, extract, compare),
    *(evaluate, curve, experts, cache, verify),
):
    main.add_command(command)
