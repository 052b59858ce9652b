"""Which device networks run on."""

from __future__ import annotations

import torch

from rudcodec.errors import SettingError


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """A device by name; ``auto`` is CUDA where there is one, else CPU. Raises SettingError."""
    if isinstance(name, str) and name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, with pages of text
        raise SettingError(f"device {name!r} can't be used") from error
    return device
