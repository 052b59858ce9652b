"""How many threads torch is to use: by the cores that this process may use, not those of the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

_CHOSEN_BY_USERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_CGROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that this process may use at once: by its affinity, and by the quota of its control groups."""
    quota = min(_quotas(), default=math.inf)
    return max(1, min(_cores_by_affinity(), math.floor(min(quota, 1e6))))


def limit_threads(environment: MutableMapping[str, str]) -> None:
    """Set what torch's libraries read when they are loaded, unless the user has.

    Call it before torch is imported. Where no quota is less than the cores, torch's own choice stands.
    """
    if any(name in environment for name in _CHOSEN_BY_USERS):
        return
    cores = available_cores()
    if cores < _cores_by_affinity():
        environment["OMP_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(cores)
        environment.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(cores))


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas() -> Iterator[float]:
    """Those of all groups, from the process's own up to the root that it sees."""
    with suppress(OSError, ValueError):
        for line in _CGROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = _MOUNT / controllers
            for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
                yield _quota_in(folder)
                if folder == root:
                    break


def _quota_in(folder: Path) -> float:
    """The quota that a group's folder says, in cores; infinite where it says none."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()  # version 2
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return math.inf if int(quota) <= 0 else int(quota) / int(period)
    return math.inf
