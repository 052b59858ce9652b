"""How much memory this process has taken, how much there is, and what may lie in it at once."""

from __future__ import annotations

import sys
from pathlib import Path


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


def free_memory() -> int:
    """Bytes of main memory that programs can still have. 0 where the system doesn't say."""
    return _stated("/proc/meminfo", "MemAvailable")


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
