"""Which of the processes that ``torchrun`` has started this one is, by what it says in the environment."""

from __future__ import annotations

import os

from rudcodec.errors import SettingError


def world_size() -> int:
    """How many processes there are; 1 without ``torchrun``. Raises SettingError if that can't be told."""
    given = os.environ.get("WORLD_SIZE", "1")
    if not (given.isascii() and given.isdigit() and int(given)):
        raise SettingError(
            f"the environment says WORLD_SIZE={given}; torchrun sets it to a number above zero"
        )
    return int(given)


def is_first_process() -> bool:
    """Whether this process is alone, or the first one."""
    return world_size() == 1 or os.environ.get("RANK", "0") == "0"
