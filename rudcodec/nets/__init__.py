"""Student networks as the dataset-distillation literature uses them, and what makes them quick.

Other packages add theirs by an entry point of the group ``rudcodec.nets``, as in ``examples/plugin``: a
function of (channels, classes, (height, width)) that returns a ``torch.nn.Module``.
"""

from __future__ import annotations

import torch
from torch import nn

from rudcodec.nets.convnet import ConvNet, literature_depth
from rudcodec.plugins import NETS

__all__ = ["NETS", "ConvNet", "build", "literature_depth", "title"]

_TITLES = {
    "alexnet": "AlexNet",
    "vgg11": "VGG-11",
    "resnet18": "ResNet-18",
    "lenet": "LeNet",
    "mlp": "MLP",
    "vit": "ViT",
}


def build(
    net: str, shape: tuple[int, ...], classes: int, generator: torch.Generator, width: int = 128
) -> nn.Module:
    """A network with fresh weights (torch's default initialisation), drawn by a CPU generator.

    Args:
        net: its name in :data:`NETS`.
        shape: of the images: height, width, channels (1 or 3).
        classes: outputs.
        width: channels of a ConvNet, whose depth is the literature's. Other networks have sizes of their own.

    Raises:
        SettingError: there is no such network, or the images are too small for it.
    """
    height, columns, channels = shape
    make = NETS.load(net)
    if net == "convnet":  # its width can be chosen, and it draws its weights from the generator itself
        published: ConvNet = make(channels, classes, (height, columns), width, generator)
        return published
    # torch's own initialisation knows the global generator only
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        module: nn.Module = make(channels, classes, (height, columns))
        return module


def title(net: str, size: tuple[int, int]) -> str:
    """A network's name in the literature, for images of a height and width."""
    if net == "convnet":
        return f"ConvNet-{literature_depth(*size)}"
    return _TITLES.get(net, net)
