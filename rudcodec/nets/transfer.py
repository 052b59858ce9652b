"""Values on their way to a GPU and back, without waiting for it. On a CPU these are plain copies."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rudcodec.data.mapped import is_large, release_pages


def from_array(array: NDArray[np.generic]) -> Tensor:
    """A tensor of an array's values, to be read only: a copy where the array is read-only, of which torch
    would warn, but not of a mapped file, which may be larger than memory."""
    if isinstance(array, np.memmap) and array.flags.c_contiguous and not array.flags.writeable:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(array)
    return torch.from_numpy(np.require(array, requirements=("C", "W")))


def to_device(values: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the host's memory on a device, which goes on with its work meanwhile."""
    if torch.device(device).type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


class DeviceImages:
    """Images of which a device takes some at a time: they are on it, but large sets stay in the host's memory
    or in their mapped file.

    Attributes:
        images: uint8 (N, H, W, C).
        device: what takes them.

    Args:
        images: the same as an array.
        device: the same.
    """

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        self.device = device
        self.images = from_array(images)
        self._mapped: NDArray[np.uint8] | None = None
        if not is_large(images.nbytes):
            self.images = self.images.to(device)
        elif isinstance(images, np.memmap):
            self._mapped = images

    @property
    def are_on_device(self) -> bool:
        """Whether all images are."""
        return self._mapped is None and self.images.device.type == self.device.type

    def take(self, rows: Tensor) -> Tensor:
        """The images of these rows, int64 (n,) in the host's memory, on the device."""
        if self.are_on_device:
            return self.images[to_device(rows, self.device)]
        images = self.images[rows]
        if self._mapped is not None:
            release_pages(self._mapped)
        return to_device(images, self.device)


@functools.cache
def constant(values: tuple[int, ...], device: torch.device) -> Tensor:
    """The values as float32 (n,) on a device: the same tensor in each call, to be read only."""
    with torch.inference_mode(False):  # or else no graph could use it later
        return torch.tensor(values, dtype=torch.float32, device=device)


class LateNumber:
    """A number that each step of a loop computes, read without waiting: from a CPU at once, from a GPU a step
    later, when it has long been there."""

    def __init__(self) -> None:
        self._copy: Tensor | None = None
        self._copied: torch.cuda.Event | None = None

    def follow(self, value: Tensor) -> float | None:
        """Take a step's number, and return the newest one that is known; None if there is none yet."""
        if value.device.type != "cuda":
            return float(value)
        last_value = self.state()
        self._copy = value.detach().to("cpu", non_blocking=True)
        self._copied = torch.cuda.Event()
        self._copied.record()
        return last_value

    def state(self) -> float | None:
        """The number of a GPU's last step, which :meth:`follow` hasn't returned yet; None without one."""
        if self._copied is not None:
            self._copied.synchronize()
        return None if self._copy is None else float(self._copy)

    def restore(self, state: float | None) -> None:
        self._copy, self._copied = None if state is None else torch.tensor(state, dtype=torch.float64), None
