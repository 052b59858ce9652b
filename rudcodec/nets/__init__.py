"""Student networks as the dataset-distillation literature uses them, and what makes them quick.

Other packages add theirs by an entry point of the group ``rudcodec.nets``, as in ``examples/plugin``: a
function of (channels, classes, (height, width)) that returns a ``torch.nn.Module``.
"""

from __future__ import annotations

import torch
from torch import nn

from rudcodec import plugins
from rudcodec.nets.classic import alexnet, lenet, mlp, resnet18, vgg11
from rudcodec.nets.convnet import ConvNet, literature_depth
from rudcodec.nets.vit import ViT

__all__ = ["NETS", "ConvNet", "build", "literature_depth", "net_names", "title"]

_MAKERS = {
    "alexnet": ("AlexNet", alexnet),
    "vgg11": ("VGG-11", vgg11),
    "resnet18": ("ResNet-18", resnet18),
    "lenet": ("LeNet", lenet),
    "mlp": ("MLP", mlp),
    "vit": ("ViT", ViT),
}
NETS = ("convnet", *_MAKERS)


def net_names() -> tuple[str, ...]:
    """What :func:`build` knows."""
    return (*NETS, *plugins.names(plugins.NETS))


def build(
    net: str,
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
        SettingError: there is no such network, or the images are too small for it.
    """
    if net == "convnet":
        return ConvNet.as_published(channels, classes, size, width, generator)
    # torch's own initialisation knows the global generator only
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        make = _MAKERS[net][1] if net in _MAKERS else plugins.load(plugins.NETS, net)
        made: nn.Module = make(channels, classes, size)
        return made


def title(net: str, size: tuple[int, int]) -> str:
    """A network's name in the literature."""
    if net == "convnet":
        return f"ConvNet-{literature_depth(*size)}"
    return _MAKERS[net][0] if net in _MAKERS else net
