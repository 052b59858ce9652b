"""Student networks as the dataset-distillation literature uses them, and what makes them quick."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from rudcodec.nets.classic import alexnet, lenet, mlp, resnet18, vgg11
from rudcodec.nets.convnet import ConvNet, literature_depth
from rudcodec.nets.vit import ViT

__all__ = ["NETS", "ConvNet", "Net", "build", "literature_depth", "title"]

Net = Literal["convnet", "alexnet", "vgg11", "resnet18", "lenet", "mlp", "vit"]
NETS: tuple[Net, ...] = get_args(Net)

_MAKERS = {
    "alexnet": alexnet,
    "vgg11": vgg11,
    "resnet18": resnet18,
    "lenet": lenet,
    "mlp": mlp,
    "vit": ViT,
}


def build(
    net: Net,
    channels: int,
    classes: int,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    width: int = 128,
) -> nn.Module:
    """A network with fresh weights (torch's default initialisation), drawn by a CPU generator.

    Args:
        net: its name.
        channels: of the input, 1 or 3.
        classes: outputs.
        size: height and width in pixels.
        width: of a ConvNet, whose depth is the literature's. Other networks have sizes of their own.

    Raises:
        SettingError: the images are too small for it.
    """
    if net == "convnet":
        return ConvNet.as_published(channels, classes, size, width, generator)
    # torch's own initialisation knows the global generator only
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return _MAKERS[net](channels, classes, size)


def title(net: Net, size: tuple[int, int]) -> str:
    """A network's name in the literature."""
    if net == "convnet":
        return f"ConvNet-{literature_depth(*size)}"
    return {
        "alexnet": "AlexNet",
        "vgg11": "VGG-11",
        "resnet18": "ResNet-18",
        "lenet": "LeNet",
        "mlp": "MLP",
        "vit": "ViT",
    }[net]
