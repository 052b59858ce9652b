"""The other students of the literature, as in the published code of Zhao, Mopuri & Bilen (ICLR 2021), which
cross-architecture tables have used since: instance norm where there is a norm; ResNet-18 with a 3 x 3 stem
and no pooling behind it.

For images of 32 x 32 (28 x 28 grey) these are the published networks. For smaller ones they have the same
layers, but halve the image less often. All take normalised images (N, C, H, W) and give logits (N, classes).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.errors import SettingError
from rudcodec.nets.layers import InstanceNorm

Size = tuple[int, int]


def mlp(channels: int, classes: int, size: Size) -> nn.Module:
    """A perceptron with two hidden layers of 128."""
    inputs = channels * size[0] * size[1]
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def lenet(channels: int, classes: int, size: Size) -> nn.Module:
    """LeNet-5 with ReLU and max pooling. Raises SettingError below 16 pixels."""
    padding = 2 if _padded(channels, size) else 0
    rows, columns = (((n + 2 * padding - 4) // 2 - 4) // 2 for n in size)
    if min(rows, columns) < 1:
        raise SettingError(f"lenet can't take images of {size[1]}x{size[0]}: too small")
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(16 * rows * columns, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, classes),
    )


def alexnet(channels: int, classes: int, size: Size) -> nn.Module:
    """Five convolutions, three max poolings, one linear layer, no norm.

    Raises SettingError below 8 pixels.
    """
    padding = 2 if _padded(channels, size) else 0
    rows, columns = ((n + 2 * padding) // 8 for n in size)
    if min(rows, columns) < 1:
        raise SettingError(f"alexnet can't take images of {size[1]}x{size[0]}: too small")
    return nn.Sequential(
        *(nn.Conv2d(channels, 128, 5, padding=2 + padding), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(128, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(192, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 192, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(192, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(192 * rows * columns, classes)),
    )


def vgg11(channels: int, classes: int, size: Size) -> nn.Module:
    """Eight 3 x 3 convolutions with instance norm, max poolings after 1, 2, 4, 6, 8; one linear layer."""
    layers: list[nn.Module] = []
    in_channels, halvings = channels, _halvings(size)
    for i, width in enumerate((64, 128, 256, 256, 512, 512, 512, 512)):
        padding = 3 if i == 0 and _padded(channels, size) else 1
        layers += [nn.Conv2d(in_channels, width, 3, padding=padding), InstanceNorm(width), nn.ReLU()]
        pools_left = sum(pool >= i for pool in (0, 1, 3, 5, 7))
        if i in (0, 1, 3, 5, 7) and pools_left <= halvings:
            layers.append(nn.MaxPool2d(2))
        in_channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, classes))


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside an identity, or a 1 x 1 convolution where the shape changes."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = InstanceNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = InstanceNorm(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != width:
            convolution = nn.Conv2d(in_channels, width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, InstanceNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def resnet18(channels: int, classes: int, size: Size) -> nn.Module:
    """Four stages of two residual blocks, 64 to 512 channels, halving the image between them."""
    halvings = _halvings(size) - 1  # instance norm needs more than a pixel
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 64, 3, padding=1, bias=False),
        InstanceNorm(64),
        nn.ReLU(),
    ]
    in_channels = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        stride = 2 if stage > 0 and 4 - stage <= halvings else 1
        layers += [_Block(in_channels, width, stride), _Block(width, width, 1)]
        in_channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, classes))


def _padded(channels: int, size: Size) -> bool:
    """Grey images of 28 x 28 are made 32 x 32 by the first convolution."""
    return channels == 1 and size == (28, 28)


def _halvings(size: Size) -> int:
    return min(size).bit_length() - 1
