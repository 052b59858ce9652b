"""Which device networks run on."""

from __future__ import annotations

import torch

from rudcodec.devices import AUTO
from rudcodec.errors import SettingError


def pick_device(name: str | torch.device = AUTO) -> torch.device:
    """A device by name; ``auto`` is CUDA where there is one, else CPU. Raises SettingError."""
    device = _named(name)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises any of these
        raise _unusable(name, error) from error
    return device


def is_cuda(name: str | torch.device) -> bool:
    """Whether a device by name is CUDA's; nothing is done on it. Raises SettingError."""
    return _named(name).type == "cuda"


def _named(name: str | torch.device) -> torch.device:
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise _unusable(name, error) from error


def _unusable(name: str | torch.device, error: Exception) -> SettingError:
    """The first sentence of torch's pages."""
    reason = str(error).partition("\n")[0].split(". ")[0].rstrip(".")
    return SettingError(f"device: {str(name)!r} can't be used ({reason})")
