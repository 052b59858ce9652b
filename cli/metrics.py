"""Where the progress of an encode goes: the terminal, a file of JSON lines, TensorBoard."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rudcodec.display import ProgressView
from rudcodec.errors import DataError

from .outputs import STANDARD_OUTPUT, shown_output
from .values import finite

if TYPE_CHECKING:
    from rudcodec.distill import CompressResult
    from rudcodec.runs import ProgressReport
    from rudcodec.settings import Settings


def is_unfinished(path: Path | None) -> bool:
    """Whether there is the log of a run that wrote no file: one that was killed before a checkpoint, say."""
    if path is None or not path.is_file():
        return False
    try:
        text = path.read_text(encoding="utf-8")
        first = json.loads(text.partition("\n")[0])
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and "settings" in first and '\n{"result"' not in text


class Metrics:
    """A context manager; call it with what the encoder reports.

    Args:
        view: the terminal.
        log: a file for JSON lines, or None.
        board: a folder for TensorBoard, or None.
        append: to ``log``, instead of beginning it anew.

    Raises DataError where ``log`` can't be written.
    """

    def __init__(self, view: ProgressView, log: Path | None, board: Path | None, append: bool) -> None:
        self._view = view
        self._log, self._append = log, append
        self._lines: Any = None
        self._board = None if board is None else _writer(board)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._board is not None:
            self._stack.callback(self._board.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settings(self, settings: Settings) -> None:
        """Keep the settings of the run."""
        self._write({"settings": settings.as_dict()})
        if self._board is not None:
            self._board.add_text("settings", str(settings))

    def result(self, result: CompressResult) -> None:
        """Keep what has been written."""
        facts = {"path": str(result.path), "size": result.size, "bpc": result.bpc, "ipc": result.ipc}
        self._write({"result": facts | {"psnr": result.psnr, "target_psnr": result.target_psnr}})

    def __call__(self, report: ProgressReport) -> None:
        self._view.show(report)
        self._write(dataclasses.asdict(report))
        if self._board is not None:
            for name in ("bpc", "utility", "psnr"):
                if (value := getattr(report, name)) is not None:
                    self._board.add_scalar(f"{report.stage}/{name}", value, report.step)

    def _write(self, record: dict[str, Any]) -> None:
        if self._log is None:
            return
        try:
            if self._lines is None:
                self._lines = self._open(self._log)
            self._lines.write(json.dumps(finite(record)) + "\n")
            self._lines.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DataError(f"{shown_output(self._log)}: can't be written ({error.strerror})") from None

    def _open(self, log: Path) -> Any:
        """The log; not before there is a record, so that a set that can't be read leaves an old one alone."""
        if log == STANDARD_OUTPUT:
            return sys.stdout
        # without a buffer, which would be tried again when a full disk has ended the run
        file = self._stack.enter_context(log.open("a+b" if self._append else "wb", buffering=0))
        if self._append and file.seekable() and file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # half a line, of a process that was killed
                file.write(b"\n")
        return TextIOWrapper(file, encoding="utf-8", write_through=True)


def _writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)
