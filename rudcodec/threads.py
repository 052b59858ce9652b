"""How many threads torch is to use: by the cores that this process may use, not those of the machine."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from rudcodec.control_groups import group_folders

SMALL_IMAGE = 16 * 16
"""Pixels of an image; with no more, several threads wait for each other longer than they work."""

_NUMBERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_set_here: set[str] = set()


def available_cores() -> int:
    """Cores that this process may use at once: by its affinity, and by the quota of its control groups."""
    quota = min(map(_quota_in, group_folders("cpu")), default=math.inf)
    return max(1, min(_cores_by_affinity(), math.floor(min(quota, 1e6))))


def prepare_threads(environment: MutableMapping[str, str]) -> None:
    """Set what torch's libraries read when they are loaded, unless the user has.

    As many threads as there are cores to use, where a quota makes these fewer than torch sees; and threads
    that sleep while they wait: those that spin keep others from the cores (see experiments/). Call it before
    torch is imported.
    """
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    if available_cores() < _cores_by_affinity():
        _set_number(environment, available_cores())


def prepare_for_images(environment: MutableMapping[str, str], height: int, width: int) -> None:
    """Let a single thread work, unless the user says how many, on images so small that there is nothing to
    share."""
    if height * width > SMALL_IMAGE or not _set_number(environment, 1):
        return
    if torch := sys.modules.get("torch"):  # which no longer looks at the environment
        torch.set_num_threads(1)


def _set_number(environment: MutableMapping[str, str], number: int) -> bool:
    """Whether the number of threads isn't the user's, and has been set."""
    if any(name in environment and name not in _set_here for name in _NUMBERS):
        return False
    _set_here.update(_NUMBERS)
    environment.update(dict.fromkeys(_NUMBERS, str(number)))
    return True


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_in(folder: Path) -> float:
    """The quota that a group's folder says, in cores; infinite where it says none."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()  # version 2
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return math.inf if int(quota) <= 0 else int(quota) / int(period)
    return math.inf
