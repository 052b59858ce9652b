"""How much memory this process has taken, how much there is, and what may lie in it at once."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from rudcodec.control_groups import group_folders

_GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),  # version 2
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""A control group's files of its limit and of what is used; in ``memory.stat`` the name of what it would give
up."""


def peak_memory() -> int:
    """Largest resident size in bytes: since the process began, or since Linux was told to forget it. 0 where
    the system doesn't say."""
    if stated := _stated("/proc/self/status", "VmHWM"):
        return stated
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def total_memory() -> int:
    """Bytes of main memory that this process can have at most, by what the machine has and by its control
    groups. 0 where the system doesn't say."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    limits = (limit for folder in group_folders("memory") if (limit := _limit_of(folder)) is not None)
    return min((pages, *limits))


def free_memory() -> int:
    """Bytes of main memory that this process can still have, by what the machine has and by its control
    groups. 0 where the system doesn't say."""
    whole = _stated("/proc/meminfo", "MemAvailable")
    return min(
        (whole, *(left for folder in group_folders("memory") if (left := _left_in(folder)) is not None))
    )


def _limit_of(folder: Path) -> int | None:
    """Bytes that a control group may have; None where it has no limit."""
    for limit, _, _ in _GROUP_FILES:
        with suppress(OSError, ValueError):  # no such file, or no limit: "max"
            return int((folder / limit).read_text())
    return None


def _left_in(folder: Path) -> int | None:
    """Bytes that a control group has left; None where it has no limit."""
    if (limit := _limit_of(folder)) is None:
        return None
    for _, used, cached in _GROUP_FILES:
        with suppress(OSError, ValueError):
            left = limit - int((folder / used).read_text())
            return max(0, left + _cached(folder / "memory.stat", cached))
    return None


def _cached(file: Path, name: str) -> int:
    """Bytes of files that a group counts as used, but would give up."""
    with suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0


def images_at_once(height: int, width: int) -> int:
    """How many images of a size a network without gradients looks at in one piece: 500, and no more pixels
    than these have at 64 x 64."""
    return max(1, min(500, 500 * 64 * 64 // (height * width)))


def _stated(file: str, name: str) -> int:
    """Bytes, of a line of one of Linux's files in kilobytes; 0 where there is none."""
    try:
        for line in Path(file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
