"""Linux's control groups, by which containers bound what a process may have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def group_folders(controller: str) -> Iterator[Path]:
    """The folders of all groups that bound a controller, ``cpu`` or ``memory``: from the process's own up to
    the root that it sees; none where there are no groups."""
    with suppress(OSError, ValueError):
        for line in _GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = _MOUNT / controllers
            for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
                yield folder
                if folder == root:
                    break
