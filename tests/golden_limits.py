"""Payloads that reach one limit or clamp of the format each; ``golden_errors.py`` goes one step beyond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from golden_payloads import layer, random_payload

from rudcodec.payload import (
    AUGMENTATIONS,
    Architecture,
    Group,
    Model,
    Payload,
    QLayer,
    QTensor,
    Recipe,
    Segment,
    SynthesisLayer,
)


def tensor(values: object, exponent: int = 0) -> QTensor:
    return QTensor(np.array(values, dtype=np.int32), exponent)


def left(location: int, scale: int) -> QTensor:
    """A context layer's weight: what the left neighbour adds to location and scale."""
    weight = np.zeros((2, 21), dtype=np.int32)
    weight[:, 0] = location, scale
    return tensor(weight)


def one_to_one(weight: int, exponent: int = 0) -> QLayer:
    """A 1x1 convolution from one channel to one."""
    return QLayer(tensor([[[[weight]]]], exponent), tensor([0]))


# pixel = 128 + latent / 4
PLAIN = (one_to_one(1, 8),)


def line(
    latents: list[int],
    *context: QLayer,
    hidden: tuple[int, ...] = (),
    synthesis: tuple[QLayer, ...] = PLAIN,
    layers: tuple[SynthesisLayer, ...] = (layer(1, relu=False),),
) -> Payload:
    """One grey image of one line of pixels, one grid."""
    return Payload(
        classes=("a",),
        models=(Model(Architecture(1, len(latents), 1, (1,), hidden, layers), (Group(context, synthesis),)),),
        segments=(Segment((1,), (np.array([[latents]], dtype=np.int32),)),),
        recipe=Recipe(mean=(128,), std=(64,)),
    )


def output(location: int, scale: int, bias: tuple[int, int] = (0, 1)) -> QLayer:
    """The only layer of a context network."""
    return QLayer(left(location, scale), tensor([bias]))


def sparse(payload: Payload) -> Payload:
    """Every weight is 0 but the last of a tensor, which keeps a wide network's file small."""

    def thin(one: QTensor) -> QTensor:
        values = np.zeros_like(one.values)
        values.flat[-1] = one.values.flat[-1]
        return QTensor(values, one.exponent)

    groups = tuple(
        Group(
            tuple(QLayer(thin(one.weight), one.bias) for one in group.context),
            tuple(QLayer(thin(one.weight), one.bias) for one in group.synthesis),
        )
        for group in payload.models[0].groups
    )
    return replace(payload, models=(replace(payload.models[0], groups=groups),))


def limits() -> dict[str, Payload]:
    squash = QLayer(tensor([[1] + [0] * 20]), tensor([[0]]))
    recipe = Recipe(
        mean=(255,),
        std=(1,),
        augment=AUGMENTATIONS,
        optimizer="adamw",
        steps=10**9,
        batch=10**9,
        lr=1000.0,
        weight_decay=1e-6,
        momentum=1.0,
    )
    two = (layer(1, relu=False), layer(1, relu=True, residual=True), layer(1, relu=False))
    deep = Architecture(
        1, 1, 1, (8,) * 3, (1, 2) * 4, (*[layer(2, 3 - 2 * (i % 2)) for i in range(7)], layer(1, 3, False))
    )
    wide = Architecture(2, 2, 3, (2, 1), (128,), (layer(256, 3), layer(3, relu=False)))
    tall = Architecture(1024, 1, 1, (1,) * 12, (), (layer(1, relu=False),))
    broad = Architecture(1, 1024, 1, (1,), (), (layer(1, relu=False),))
    return {
        "input-127": line([126, 127, 128, 300, 5, -127, -128, -300, -5], output(1, 0)),
        "location": line([3, 100, 5, -100, 2, 1], output(2047, 0)),
        "scale": line([10, 60, -50, 3, 4, 5, 0], output(0, 1)),
        "hidden-4095": line(
            [31, 32, 33, 127, -1, -40, 0, 5],
            squash,
            QLayer(tensor([[1], [0]]), tensor([0, 1], 3)),
            hidden=(1,),
        ),
        "activation": line(
            [63, 64, 65, 300, -64, -65, -300, 0],
            output(0, 0),
            synthesis=(one_to_one(1, 1), one_to_one(1), one_to_one(1, 5)),
            layers=two,
        ),
        "pixel-255": line(
            [253, 254, 255, 256, 300, -255, -256, -257, -258, -300],
            output(0, 0),
            synthesis=(one_to_one(1, 7),),
        ),
        "weight-2047": line(
            [1, -1, 2, -3, 5],
            QLayer(tensor(np.resize([2047, -2047], (2, 21)), 15), tensor([[2047, -2047]], 15)),
            synthesis=(QLayer(tensor([[[[2047]]]], 15), tensor([-2047], 13)),),
        ),
        "latent-32767": line([32767, -32767, 32767, 32766, -32767, 0], output(2047, 0)),
        "layers-8": random_payload(deep, [(2,)], seed=20, exponent=6),
        "width-256": sparse(random_payload(wide, [(1, 1)], seed=21)),
        "height-1024": random_payload(tall, [(1,)], seed=22, latents=0.1),
        "width-1024": random_payload(broad, [(1,)], seed=23, latents=0.1),
        "recipe": random_payload(
            Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),)),
            [(1, 0)],
            seed=24,
            classes=("n" * 255, "é" * 127),
            recipe=recipe,
        ),
    }
