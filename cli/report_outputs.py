"""Where a report goes: files whose endings say what they are to be, or a folder with all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rudcodec.errors import DataError
from rudcodec.files import names_folder
from rudcodec.optional import require

from .outputs import STANDARD_OUTPUT, check_outputs, destination

if TYPE_CHECKING:
    from rudcodec.report.page import Report

_ENDINGS = (".html", ".htm", ".png", ".svg", ".tsv")
_IN_FOLDER = ("report.html", "curve.png", "curve.svg", "curve.tsv")
_LEDGER = "measured.jsonl"


@dataclass(frozen=True)
class ReportOutputs:
    """The outputs of a command.

    Attributes:
        folder: where all goes that has no place of its own; None: there is none.
        files: what is written at the end.
        ledger: where results are kept as they come.
    """

    folder: Path | None
    files: tuple[Path, ...]
    ledger: Path

    @classmethod
    def of(cls, outs: Sequence[str]) -> Self:
        """What ``-o`` says, several times perhaps. Raises DataError: an ending that no output has."""
        folders, files = [], []
        for out in outs:
            path = destination(out)
            if path == STANDARD_OUTPUT:
                raise DataError("a report is files or a folder, and doesn't go to standard output")
            is_folder = path.is_dir() or names_folder(out)
            if path.suffix.lower() in _ENDINGS and not is_folder:
                files.append(path)
            elif path.suffix and not is_folder:
                raise DataError(
                    f"{out}: a report is {', '.join(_ENDINGS)}, or a folder, whose name ends with a slash"
                )
            else:
                folders.append(path)
        if len(folders) > 1:
            raise DataError(f"{folders[1]}: only one of the outputs can be a folder, and {folders[0]} is")
        folder = folders[0] if folders else None
        if folder is None:
            return cls(None, tuple(files), files[0].with_suffix(f".{_LEDGER}"))
        return cls(folder, (*(folder / name for name in _IN_FOLDER), *files), folder / _LEDGER)

    def check(self, force: bool, sources: Collection[str]) -> None:
        """Refuse, before any work, what can't be written, is there already or is read. Raises DataError."""
        if any(path.suffix.lower() != ".tsv" for path in self.files):
            require("matplotlib")
        if self.folder is None or self.folder.is_dir():
            check_outputs(self.files, force, sources=sources)
            return
        if self.folder.exists():
            raise DataError(f"{self.folder}: is a file, not a folder for a report")
        if not self.folder.parent.is_dir():
            raise DataError(f"{self.folder}: there is no folder {self.folder.parent}")
        others = [path for path in self.files if path.parent != self.folder]
        check_outputs(others, force, sources=sources)

    def make_folder(self) -> None:
        """Make the folder, if there is to be one. Raises DataError."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.folder}: can't be made ({error.strerror})") from None

    def write(self, report: Report) -> None:
        """Write all files, once all of them are made; if one can't be written, no new one is left, so that
        the same command can write them when there is room. Raises DataError."""
        from rudcodec.files import write_bytes

        made = [(path, _made(report, path.suffix.lower())) for path in self.files]
        new = [path for path in self.files if not path.exists()]
        try:
            for path, contents in made:
                write_bytes(contents, path)
        except BaseException:
            for path in new:
                path.unlink(missing_ok=True)
            raise


def _made(report: Report, suffix: str) -> bytes:
    from rudcodec.report.figure import draw
    from rudcodec.report.page import as_html
    from rudcodec.report.table import as_tsv

    if suffix == ".tsv":
        return as_tsv(report.points, report.split, report.changes).encode()
    if suffix in (".html", ".htm"):
        return as_html(report).encode()
    return draw(report.points, "png" if suffix == ".png" else "svg", report.title)
