"""The processes that share a run (``torchrun``), and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process's ``number`` among ``count``.

    All hold the same state and take the same steps; they share the work of a step's gradient, and the first
    does what can't be shared. Alone, all of this does nothing.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0

    def mine(self, length: int) -> slice:
        """This process's part of ``length`` things in a row."""
        return slice(length * self.number // self.count, length * (self.number + 1) // self.count)

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over all processes."""
        if self.count == 1:
            return
        together = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(together)
        for tensor, total in zip(tensors, together.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def add_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace gradients (none: zeros) by their sums over all processes."""
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.add([parameter.grad for parameter in parameters if parameter.grad is not None])

    def told(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.count == 1:
            return value
        box: list[Any] = [value if self.first else None]
        dist.broadcast_object_list(box, src=0)
        found: T = box[0]
        return found


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """The processes that ``torchrun`` has started, which part together; alone without it. Each takes a GPU of
    its own where there are any."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or dist.is_initialized():
        yield Ranks() if count == 1 else Ranks(dist.get_rank(), count)
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    yield Ranks(dist.get_rank(), count)
    # not after an error: the others may never come; torchrun ends them
    with suppress(RuntimeError):  # one that is through hangs up, perhaps before the other has noticed
        dist.barrier()
    dist.destroy_process_group()
