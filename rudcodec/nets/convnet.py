"""ConvNet-D, the literature's standard student (Gidaris & Komodakis 2018; Zhao, Mopuri & Bilen 2021)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.errors import SettingError
from rudcodec.nets.layers import InstanceNorm, halved


def literature_depth(height: int, width: int) -> int:
    """Blocks, as published: 3 for 28 and 32 pixels, 4 for 64, 5 for 128. Smaller images, too, have 3 where
    they can be halved so often."""
    side = min(height, width)
    return min(max(3, round(math.log2(side)) - 2), side.bit_length() - 1)


class ConvNet(nn.Module):
    """``depth`` blocks of 3x3 convolution, instance norm (affine), ReLU and 2x2 average pooling; a linear
    end.

    As in Zhao & Bilen's published code, grey images of 28 x 28 are padded to 32 x 32 by the first convolution
    (padding 3). Sizes that 2 doesn't divide are floored by the pooling.

    Args:
        channels: of the input, 1 or 3.
        classes: outputs.
        size: height and width in pixels, or one number for both.
        depth, width: blocks, and channels of each.
        generator: a CPU generator that draws the initial weights (torch's default initialisation); without
            it the global one does.

    Raises:
        SettingError: the image is too small to be halved ``depth`` times.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        size: int | tuple[int, int],
        depth: int = 3,
        width: int = 128,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        rows, columns = (size, size) if isinstance(size, int) else size
        padding = 3 if channels == 1 and (rows, columns) == (28, 28) else 1
        rows, columns = ((n + 2 * padding - 2) >> depth for n in (rows, columns))
        if min(rows, columns) < 1:
            raise SettingError(f"a ConvNet of depth {depth} can't take images of size {size}: too small")
        self.convs = nn.ModuleList(
            nn.Conv2d(width if i else channels, width, 3, padding=1 if i else padding) for i in range(depth)
        )
        self.norms = nn.ModuleList(InstanceNorm(width) for _ in range(depth))
        self.classifier = nn.Linear(width * rows * columns, classes)
        if generator is not None:
            for layer in (*self.convs, self.classifier):
                _initialise(layer, generator)

    @classmethod
    def as_published(
        cls,
        channels: int,
        classes: int,
        size: tuple[int, int],
        width: int,
        generator: torch.Generator | None = None,
    ) -> ConvNet:
        """One of the literature's depth for a size."""
        return cls(channels, classes, size, literature_depth(*size), width, generator)

    def blocks(self, x: Tensor) -> list[Tensor]:
        """Output of each block, (N, width, h, w), for normalised images (N, C, H, W)."""
        found = []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = halved(F.relu(norm(conv(x)), inplace=True))
            found.append(x)
        return found

    def features(self, x: Tensor) -> Tensor:
        """What the linear layer sees: (N, width * h * w) for normalised images (N, C, H, W)."""
        return self.blocks(x)[-1].flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for normalised images (N, C, H, W)."""
        return self.classifier(self.features(x))


def _initialise(layer: nn.Module, generator: torch.Generator) -> None:
    # torch's default for Conv2d and Linear, from a generator of our own
    assert isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None
    bound = 1 / math.sqrt(layer.weight[0].numel())
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
