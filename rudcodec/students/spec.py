"""Which students are to be trained: their network, what they run on, and their seeds."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class StudentSpec:
    """One kind of student.

    Attributes:
        net: name of its network in :data:`rudcodec.nets.NETS`.
        width: channels, if it is a ConvNet.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or a torch device.
        compile: use torch.compile; None: where the students are work enough to repay it and there is a
            compiler.
    """

    net: str = "convnet"
    width: int = 128
    device: str | torch.device = "auto"
    compile: bool | None = None


@dataclass(frozen=True)
class Panel:
    """The students that judge a set: of each kind as many as there are seeds.

    Attributes:
        specs: the kinds of students; where one has to stand for all, it is the first.
        seeds: of weights, order and augmentation.
    """

    specs: tuple[StudentSpec, ...] = (StudentSpec(),)
    seeds: range = range(3)
