"""Whether a device has the memory that a utility is going to need."""

from __future__ import annotations

import torch

from rudcodec.errors import SettingError
from rudcodec.memory import free_memory


def require_memory(device: torch.device, needed: int, what: str, advice: str) -> None:
    """Raise SettingError, before work is done in vain, if ``what`` takes more bytes than a device has.

    Where the system doesn't say what it has, all is well.
    """
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    if 0 < free < needed:
        raise SettingError(
            f"utility: {what} takes {needed / 1e9:.1f} GB, and {device.type} has {free / 1e9:.1f} GB; "
            f"{advice}"
        )
