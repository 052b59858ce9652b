"""Which of the processes that ``torchrun`` has started this one is, by what it says in the environment."""

from __future__ import annotations

import os


def world_size() -> int:
    """How many processes there are; 1 without ``torchrun``."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process is alone, or the first one."""
    return world_size() == 1 or os.environ.get("RANK", "0") == "0"
