"""The table of what has been measured: ``results/*.tsv``, one row a point."""

from __future__ import annotations

import csv
import platform
import subprocess
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from rudcodec.errors import DataError
from rudcodec.files import write_bytes
from rudcodec.threads import available_cores

FOLDER = Path(__file__).parents[1] / "results"
UNKNOWN = "unknown"
COLUMNS = (
    *("date", "commit", "machine", "command", "what", "set", "split", "bpc", "bytes", "labels", "ipc"),
    *("label_network", "net", "width", "steps", "batch", "seeds", "mean", "std"),
    *("encode_seconds", "eval_seconds", "sha256", "note"),
)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, none if it isn't there. Raises DataError where its columns are others."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    reader = csv.DictReader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DataError(f"{path}: the first line isn't that of a table of results: {', '.join(COLUMNS)}")
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(f"{path}: line {number} hasn't {len(COLUMNS)} columns")
    return rows


def append_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Add rows to a table, which is complete before and after. Raises DataError."""
    lines = [COLUMNS, *([row[name] for name in COLUMNS] for row in (*read_rows(path), *rows))]
    write_bytes("".join("\t".join(line) + "\n" for line in lines).encode(), path)


def machine(device: str) -> str:
    """What computes: the processor and the number of cores, or the GPU."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{available_cores()} cores of {names[0] if names else platform.machine()}"


def commit() -> str:
    """The commit that is checked out, with a plus if files differ from it."""
    words = ["git", "-C", str(FOLDER.parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return found.stdout.strip()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
