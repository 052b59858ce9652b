"""Payloads that reach one limit or clamp of the format each, and files that go one step beyond."""

from __future__ import annotations

import numpy as np
from golden_payloads import join, layer, random_payload, small_payload, split

from rudcodec import bitstream
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.constants import SCALES
from rudcodec.payload import (
    AUGMENTATIONS,
    Architecture,
    Group,
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
        architecture=Architecture(1, len(latents), 1, (1,), hidden, layers),
        classes=("a",),
        share="dataset",
        groups=(Group(context, synthesis),),
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
        for group in payload.groups
    )
    return Payload(
        payload.architecture, payload.classes, payload.share, groups, payload.segments, payload.recipe
    )


def limits() -> dict[str, Payload]:
    squash = QLayer(tensor([[1] + [0] * 20]), tensor([[0]]))
    recipe = Recipe(
        mean=(255,),
        std=(1,),
        augment=AUGMENTATIONS,
        optimizer="adamw",
        steps=10**9,
        batch=10**9,
        lr=999999999.0,
        weight_decay=9.99999999e-12,
        momentum=1e-20,
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


def beyond() -> dict[str, bytes]:
    """Files one step beyond a limit, and streams other than the one of their symbols."""
    whole = bitstream.encode(small_payload())
    head, weights, *segments = split(whole)
    begin = whole.index(head[1])
    at = {row.note.split(":")[0]: row.offset - begin for row in bitstream.describe(whole).rows}
    last = len(segments) - 1

    def edited(offset: int, old: int, new: bytes) -> bytes:
        body = head[1][:offset] + new + head[1][offset + old :]
        return join([(1, body), weights, *segments])

    def with_stream(change: int, extra: bytes = b"") -> bytes:
        tag, body = segments[last]
        word = int.from_bytes(body[-4:], "little") + change
        return join([head, weights, *segments[:last], (tag, body[:-4] + word.to_bytes(4, "little") + extra)])

    def with_difference(difference: int) -> bytes:
        """The first latent of the only segment differs by this much from what is predicted, 0."""
        sections = split(bitstream.encode(line([1, 0], output(0, 0))))
        coder = Encoder()
        for value in (difference, 0):
            coder.code(np.array([4 * SCALES + 40]), np.array([value], dtype=np.int32))
        return join([*sections[:2], (4, sections[2][1][:4] + coder.finish())])

    def with_weight(value: int) -> bytes:
        """The first weight of all is this one."""
        coder = Encoder()
        coder.number(4, 5)
        coder.number(6, 40)
        coder.code(np.full(63, 4 * SCALES + 40), np.array([value] + [0] * 62, dtype=np.int32))
        return join([head, (2, coder.finish() + b"\1\1\1\1"), *segments])

    steps = at["recipe"] + 8
    return {
        "word-more": with_stream(0, b"\1\0\0\0"),
        "last-word-larger": with_stream(1),
        "words-missing": join([head, (2, weights[1][:-4]), *segments]),
        "difference-131094": with_difference(131094),
        "difference-below": with_difference(-131094),
        "weight-2048": with_weight(2048),
        "weight-below": with_weight(-2048),
        "levels-13": edited(4, 1, b"\x0d"),
        "components-9": edited(5, 1, b"\x09"),
        "hidden-9": edited(7, 1, b"\x09"),
        "layers-9": edited(9, 1, b"\x09"),
        "channels-257": edited(10, 1, b"\x81\2"),
        "largest-32768": edited(at["recipe"] - 1, 1, b"\x80\x80\2"),
        "steps-0": edited(steps, 2, b"\0"),
        "steps-beyond": edited(steps, 2, b"\x81\x94\xeb\xdc\3"),
        "digits-10": edited(head[1].index(bytes([1, 2, 5, 4, 9, 1])), 1, b"\x80\x94\xeb\xdc\3"),
        "name-256": edited(at["classes"] + 1, 8, b"\x80\2" + b"n" * 256),
        "classes-65536": edited(at["classes"], 1, b"\x80\x80\4"),
        "segments-65536": edited(at["segments"], 1, b"\x80\x80\4"),
        "count-beyond": edited(at["segments"] + 1, 1, b"\x81\x80\x80\x08"),
    }
