"""ConvNet-D, the literature's standard student (Gidaris & Komodakis 2018; Zhao, Mopuri & Bilen 2021)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.errors import SettingError
from rudcodec.nets.layers import InstanceNorm, halved


def literature_depth(height: int, width: int) -> int:
    """Number of blocks, as published: 3 for 28 and 32 pixels, 4 for 64, 5 for 128. Smaller images have 3,
    too, where they can be halved so often."""
    side = min(height, width)
    return min(max(3, round(math.log2(side)) - 2), side.bit_length() - 1)


class ConvNet(nn.Module):
    """``depth`` blocks of 3x3 convolution, affine instance norm, ReLU and 2x2 average pooling, and a linear
    classifier.

    As in Zhao & Bilen's published code, grey images of 28 x 28 are padded to 32 x 32 by the first convolution
    (padding 3). Sizes that 2 doesn't divide are floored by the pooling.

    Args:
        channels: of the input, 1 or 3.
        classes: outputs.
        size: height and width in pixels, or one number for both.
        depth, width: blocks, and channels of each.

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
    ) -> None:
        super().__init__()
        if depth < 1:
            raise SettingError(f"images of size {size} are too small for a ConvNet, which halves them")
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

    @classmethod
    def as_published(
        cls,
        channels: int,
        classes: int,
        size: tuple[int, int],
        width: int = 128,
        generator: torch.Generator | None = None,
    ) -> ConvNet:
        """One of the literature's depth for a size (height, width).

        Its weights come from ``generator``, as :meth:`reset` draws them, or else from torch's global one.
        """
        net = cls(channels, classes, size, literature_depth(*size), width)
        if generator is not None:
            net.reset(generator)
        return net

    def reset(self, generator: torch.Generator) -> None:
        """Draw the weights of convolutions and classifier anew, as torch does by default, from a CPU
        generator. Norms are left as they are."""
        for layer in (*self.convs, self.classifier):
            _draw_weights(layer, generator)

    def blocks(self, x: Tensor) -> list[Tensor]:
        """Output of each block, (N, width, h, w), for normalised images (N, C, H, W)."""
        outputs = []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = halved(F.relu(norm(conv(x)), inplace=True))
            outputs.append(x)
        return outputs

    def features(self, x: Tensor) -> Tensor:
        """Inputs of the linear layer: (N, width * h * w) for normalised images (N, C, H, W)."""
        return self.blocks(x)[-1].flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for normalised images (N, C, H, W)."""
        return self.classifier(self.features(x))


def _draw_weights(layer: nn.Module, generator: torch.Generator) -> None:
    assert isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None
    bound = 1 / math.sqrt(layer.weight[0].numel())
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
