"""Student networks as the dataset-distillation literature uses them, and what makes them quick.

Other packages add theirs by an entry point of the group ``rudcodec.nets``, as in ``examples/plugin``: a
function of (channels, classes, (height, width)) that returns a ``torch.nn.Module``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from weakref import WeakSet

import torch
from torch import Tensor, nn

from rudcodec.errors import SettingError
from rudcodec.nets.convnet import ConvNet, literature_depth
from rudcodec.plugins import NETS

__all__ = ["NETS", "ConvNet", "StudentFactory", "build", "literature_depth", "name_of", "title"]

StudentFactory = Callable[[int, int, tuple[int, int]], nn.Module]
"""A function of (channels, classes, (height, width)) that makes a network."""

_TITLES = {
    "alexnet": "AlexNet",
    "vgg11": "VGG-11",
    "resnet18": "ResNet-18",
    "lenet": "LeNet",
    "mlp": "MLP",
    "vit": "ViT",
}


_MADE: WeakSet[nn.Module] = WeakSet()
"""Networks of others that are in use: each student needs one of its own."""


def build(
    net: str | StudentFactory,
    shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    width: int = 128,
) -> nn.Module:
    """A network with fresh weights (torch's default initialisation), drawn by a CPU generator.

    Args:
        net: its name in :data:`NETS`, or a function that makes it.
        shape: of the images: height, width, channels (1 or 3).
        classes: outputs.
        width: channels of a ConvNet, whose depth is the literature's. Other networks have sizes of their own.

    Raises:
        SettingError: there is no such network, the images are too small for it, or a function doesn't make a
            network for these images and classes.
    """
    height, columns, channels = shape
    size = height, columns
    if net == "convnet":  # its width can be chosen, and it draws its weights from the generator itself
        published: ConvNet = NETS.load(net)(channels, classes, size, width, generator)
        return published
    # torch's own initialisation knows the global generator only
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        if isinstance(net, str) and net in NETS.builtins:
            module: nn.Module = NETS.load(net)(channels, classes, size)
            return module
        make = NETS.load(net) if isinstance(net, str) else net
        return _own_network(make, name_of(net), channels, classes, size)


def name_of(net: str | StudentFactory) -> str:
    """What a network is called on the way."""
    return net if isinstance(net, str) else getattr(net, "__name__", type(net).__name__)


def _own_network(
    make: StudentFactory, name: str, channels: int, classes: int, size: tuple[int, int]
) -> nn.Module:
    """A network of a user or another package, tried on a blank image: a mistake is one line, not a trace of
    torch's."""
    if isinstance(make, nn.Module):
        raise SettingError("net must be a function that makes a network anew for each student, not a network")
    try:
        inspect.signature(make).bind(channels, classes, size)
    except (TypeError, ValueError):
        raise SettingError(
            f"net: {name} must take (channels, classes, (height, width)), "
            "such as lambda channels, classes, size: resnet18(num_classes=classes)"
        ) from None
    net: object = make(channels, classes, size)
    if not isinstance(net, nn.Module):
        raise SettingError(f"net: {name} makes a {type(net).__name__}, not a torch.nn.Module")
    if net in _MADE:
        raise SettingError(f"net: {name} gives a network that it has given before; it must make a new one")
    _MADE.add(net)
    _require_logits(net.eval(), name, (1, channels, *size), classes)
    before = copy.deepcopy(net.state_dict())  # with statistics, which change in training
    _require_logits(net.train(), name, (2, channels, *size), classes)
    net.load_state_dict(before)
    if not any(weight.requires_grad for weight in net.parameters()):
        raise SettingError(f"net: {name} makes a network without weights that can be trained")
    return net


def _require_logits(net: nn.Module, name: str, shape: tuple[int, ...], classes: int) -> None:
    """Raise SettingError unless a network makes logits, and nothing else, of blank images of this shape."""
    try:
        with torch.no_grad():
            device = next(net.parameters(), torch.empty(0)).device
            logits = net(torch.zeros(shape, device=device))
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:  # of shapes that don't fit
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(f"net: {name} can't take images {shape[1:]}: {reason}") from error
    if not isinstance(logits, Tensor) or logits.shape != (shape[0], classes):
        when = "is trained" if net.training else "predicts"
        raise SettingError(
            f"net: {name} doesn't give {classes} logits for an image, and nothing else, when it {when}"
        )


def title(net: str | StudentFactory, size: tuple[int, int]) -> str:
    """A network's name in the literature, for images of a height and width."""
    if net == "convnet":
        return f"ConvNet-{literature_depth(*size)}"
    return _TITLES.get(net, net) if isinstance(net, str) else name_of(net)
