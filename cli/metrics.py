"""Where the progress of an encode goes: the terminal, a file of JSON lines, TensorBoard."""

from __future__ import annotations

import dataclasses
import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rudcodec.errors import SettingError

from .progress import ProgressView
from .values import finite, short

if TYPE_CHECKING:
    from rudcodec.distill import Settings
    from rudcodec.distill.settings import Progress


class Metrics:
    """A context manager; call it with what the encoder reports.

    Args:
        view: the terminal.
        log: a file for JSON lines, or None.
        board: a folder for TensorBoard, or None.
        append: to ``log``, instead of beginning it anew.

    Attributes:
        bpc: the last estimate.

    Raises SettingError where TensorBoard isn't installed.
    """

    def __init__(self, view: ProgressView, log: Path | None, board: Path | None, append: bool) -> None:
        self.bpc = 0.0
        self._view = view
        self._log, self._append = log, append
        self._lines: Any = None
        self._board = None if board is None else _writer(board)
        self._calls = 0
        self._stack = ExitStack()

    def __enter__(self) -> Metrics:
        if self._log is not None:
            mode = "a" if self._append else "w"
            self._lines = self._stack.enter_context(self._log.open(mode, encoding="utf-8"))
        if self._board is not None:
            self._stack.callback(self._board.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settings(self, settings: Settings) -> None:
        """Keep the settings of the run."""
        self._write({"settings": dataclasses.asdict(settings)})
        if self._board is not None:
            self._board.add_text("settings", str(settings))

    def __call__(self, progress: Progress) -> None:
        self.bpc = progress.bpc or self.bpc
        facts = [f"{short(progress.bpc)} bpc"] if progress.bpc is not None else []
        facts += [f"utility {progress.utility:.4g}"] if progress.utility is not None else []
        facts += [f"{progress.psnr:.2f} dB"] if progress.psnr is not None else []
        self._view(progress.stage, progress.step, progress.steps, *facts, remaining=progress.remaining)
        self._write(dataclasses.asdict(progress))
        self._calls += 1
        if self._board is not None:
            for name in ("bpc", "utility", "psnr"):
                if (value := getattr(progress, name)) is not None:
                    self._board.add_scalar(f"{progress.stage}/{name}", value, self._calls)

    def _write(self, record: dict[str, Any]) -> None:
        if self._lines is not None:
            print(json.dumps(finite(record)), file=self._lines, flush=True)


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingError("--tensorboard needs tensorboard: pip install tensorboard") from error
    return SummaryWriter(folder)
