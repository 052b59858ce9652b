"""Which students are to be trained: their network, and what they run on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rudcodec.nets import NETS, StudentFactory, name_of
from rudcodec.whole_numbers import MAX_WIDTH, whole


@dataclass(frozen=True)
class StudentSpec:
    """One kind of student.

    Attributes:
        net: name of its network in :data:`rudcodec.nets.NETS`, or a function that makes it, of (channels,
            classes, (height, width)).
        width: channels, if it is a ConvNet.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or a torch device.

    Raises SettingError where the width is no whole number above zero, or far beyond any that can be trained.
    """

    net: str | StudentFactory = "convnet"
    width: int = 128
    device: str | torch.device = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", whole("width", self.width, 1, MAX_WIDTH))

    @property
    def name(self) -> str:
        """The name of its network, or of the function that makes it."""
        return name_of(self.net)

    @property
    def origin(self) -> str:
        """What tells another package's network from what it was before, see :meth:`Registry.origin`."""
        return NETS.origin(self.net) if isinstance(self.net, str) else ""
