"""The processes that share a run (``torchrun``), and what they send each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from rudcodec.devices import AUTO
from rudcodec.errors import SettingError
from rudcodec.nets.device import is_cuda
from rudcodec.processes import world_size
from rudcodec.text import counted

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process's ``rank`` among ``world_size`` processes.

    All hold the same latents and networks, and take the same steps. They share a step's work, each has the
    optimizer's moments of a shard of the latents, and the first one does what can't be shared. In a single
    process, all of this does nothing.
    """

    rank: int = 0
    world_size: int = 1
    _talk: dist.ProcessGroup | None = None  # the same processes by gloo; None: torch's own group is that

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def shard(self, length: int) -> slice:
        """This process's shard of ``length`` things in a row."""
        return slice(
            length * self.rank // self.world_size,
            length * (self.rank + 1) // self.world_size,
        )

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over all processes."""
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def all_reduce_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace gradients (where there is none: zeros) by their sums over all processes."""
        if self.world_size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.all_reduce([parameter.grad for parameter in parameters if parameter.grad is not None])

    def share_rows(self, tensors: Sequence[Tensor], rows: slice) -> None:
        """Replace tensors of one dtype and device by what each process has in its own ``rows``, in place."""
        if self.world_size == 1:
            return
        for tensor in tensors:
            tensor[: rows.start] = 0
            tensor[rows.stop :] = 0
        self.all_reduce(tensors)

    def gather(self, value: T) -> list[T]:
        """The values of all processes, tensors on the CPU, in the first of them; in the others nothing."""
        if self.world_size == 1:
            return [value]
        files: list[Any] = [None] * self.world_size
        dist.gather_object(_packed(value), files if self.is_first else None, group=self._talk)
        return [_unpacked(file) for file in files if file is not None]

    def agree(self, value: bool) -> bool:
        """What the first process says, in all of them, without waiting for a GPU."""
        if self.world_size == 1:
            return value
        said = torch.tensor(value)
        dist.broadcast(said, src=0, group=self._talk)
        return bool(said)

    def broadcast(self, value: T) -> T:
        """The first process's value, in all of them: its tensors on the CPU in the others."""
        if self.world_size == 1:
            return value
        box: list[Any] = [_packed(value) if self.is_first else None]
        dist.broadcast_object_list(box, src=0, group=self._talk)
        return value if self.is_first else _unpacked(box[0])


def _packed(value: Any) -> bytes:
    file = BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _unpacked(data: bytes) -> Any:
    """A value from another process, whose GPU isn't this one's: with tensors on the CPU."""
    return torch.load(BytesIO(data), "cpu", weights_only=True)


@contextmanager
def joined_ranks(device: str | torch.device = AUTO) -> Iterator[Ranks]:
    """The processes that ``torchrun`` has started, which part at the end; without it, this one alone.

    Args:
        device: which the run computes on. With CUDA each process takes a GPU of its own.

    Raises:
        SettingError: there is no GPU for each process, or the device is a certain GPU.
    """
    if world_size() == 1 or dist.is_initialized():
        yield Ranks() if world_size() == 1 else _joined()
        return
    # optimizers import it; after a group is there its defaults keep the group, whose threads abort the exit
    import_module("torch.distributed.nn.functional")
    try:
        dist.init_process_group(_take_gpu(device) if is_cuda(device) else "gloo")
    except (ValueError, KeyError) as error:  # something that torchrun sets is missing
        raise SettingError(
            f"WORLD_SIZE: {world_size()} processes must be started with torchrun ({error})"
        ) from None
    yield _joined()
    # not after an error: the others may never come, and torchrun ends them
    with suppress(RuntimeError):  # a process that is through hangs up, perhaps before this one has noticed
        dist.barrier()
    dist.destroy_process_group()


def _joined() -> Ranks:
    """This process, once it has joined the others."""
    talk = None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
    assert not isinstance(talk, int)  # as it were in a process that isn't of the group
    return Ranks(dist.get_rank(), dist.get_world_size(), talk)


def _take_gpu(device: str | torch.device) -> str:
    """Let this process compute on a GPU of its own; returns the backend for that. Raises SettingError."""
    if device != AUTO and torch.device(device).index is not None:
        raise SettingError(
            f"device: {device} is one GPU, there are several processes; say cuda, or start one"
        )
    processes, count = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if processes > count:
        raise SettingError(
            f"device: {processes} processes for {counted(count, 'GPU')}; start one for each, or say cpu"
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return "nccl"
