"""Payloads with a label network, views of them, and files that break a rule of the LABELS section."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from golden_payloads import join, layer, random_labels, random_payload, split

from rudcodec import bitstream, views
from rudcodec.bitstream.coder import Encoder
from rudcodec.payload import Architecture, LabelLayer, Payload, QLayer, QTensor, ViewRecipe

VIEWS = 3


def networks() -> dict[str, Payload]:
    """One file for each shape of network."""
    colour = Architecture(9, 12, 3, (2, 1), (3,), (layer(4, 3), layer(3, 1, relu=False)))
    grey = Architecture(8, 8, 1, (1, 1), (), (layer(1, relu=False),))
    pixel = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
    deep = (LabelLayer(6, True, False), LabelLayer(6, False, True), LabelLayer(6, True, True))
    recipe = ViewRecipe(1, 127, 64, 255, False, 255, 255, 128, 128)
    plain = random_labels(random_payload(grey, [(3, 3)], seed=31), (LabelLayer(3, False, False),), seed=32)
    assert plain.labels is not None
    return {
        "labels-deep": random_labels(random_payload(colour, [(1, 2), (1, 1)], seed=30), deep, seed=30),
        "labels-plain": replace(plain, labels=replace(plain.labels, temperature=255, views=recipe)),
        "labels-pixel": random_labels(
            random_payload(pixel, [(1, 1)], seed=33), (LabelLayer(2, False, False),), seed=33
        ),
        # the largest sums, and the linear layer's result shifted to the left
        "labels-large": random_labels(
            random_payload(grey, [(1, 1)], seed=34),
            (LabelLayer(4, False, False), LabelLayer(4, True, True)),
            seed=34,
            spread=70.0,
            exponent=0,
        ),
    }


def some_views(payload: Payload, images: np.ndarray) -> np.ndarray:
    """The first views of seed 0, uint8 (3, H, W, C)."""
    assert payload.labels is not None
    drawn = views.draw(payload.labels.views, images.shape, 0, 0, VIEWS)
    return np.asarray(views.render(images, drawn, np))


def broken() -> dict[str, bytes]:
    """Files that must be refused, one rule of the section broken in each."""
    payload = networks()["labels-deep"]
    head, weights, labels, *segments = split(bitstream.encode(payload))
    fields = 17  # three layers, temperature, views

    def with_body(body: bytes) -> bytes:
        return join([head, weights, (3, body), *segments])

    def edited(offset: int, *new: int) -> bytes:
        return with_body(labels[1][:offset] + bytes(new) + labels[1][offset + len(new) :])

    def with_network(first: QLayer | None = None, last: QLayer | None = None) -> bytes:
        """The section with layers that its encoder would refuse."""
        assert payload.labels is not None
        mine = [*payload.labels.parameters]
        mine[0], mine[-1] = first or mine[0], last or mine[-1]
        coder = Encoder()
        for one in mine:
            for tensor in (one.weight, one.bias):
                coder.number(4, tensor.exponent)
                coder.number(6, 32)
                coder.code(np.full(tensor.values.size, 256 + 32, dtype=np.intp), tensor.values.ravel())
        return with_body(labels[1][:fields] + coder.finish())

    assert payload.labels is not None
    first, last = payload.labels.parameters[0], payload.labels.parameters[-1]
    heavy = np.zeros_like(first.weight.values)
    heavy[0, 0, 0] = 2047, 2047, 3
    return {
        "labels-missing": join([head, weights, *segments]),
        "labels-twice": join([head, weights, labels, labels, *segments]),
        "labels-empty": with_body(b""),
        "labels-no-layers": edited(0, 0),
        "labels-no-channels": edited(1, 0),
        "labels-shape": edited(2, 4),
        "labels-residual-first": edited(2, 2),
        "labels-residual-wider": edited(3, 7, 2),
        "labels-pooled-away": edited(0, 4, 6, 1, 6, 1, 6, 1, 6, 1),
        "labels-too-large": with_body(b"\2\x80\4\0\x80\4\0" + labels[1][7:]),
        "labels-temperature-0": edited(7, 0),
        "labels-zoom-0": edited(8, 0),
        "labels-zoom-order": edited(8, 64, 63),
        "labels-shift": edited(10, 65),
        "labels-flip": edited(12, 2),
        "labels-chances": edited(15, 129, 128),
        "labels-no-stream": with_body(labels[1][:fields]),
        "labels-more": with_body(labels[1] + b"more"),
        "labels-exponent": with_network(first=QLayer(QTensor(first.weight.values, 1), first.bias)),
        "labels-sum": with_network(first=QLayer(QTensor(heavy, 0), first.bias)),
        "labels-bias-too-fine": with_network(first=QLayer(first.weight, QTensor(first.bias.values, 5))),
        "labels-last-bias": with_network(last=QLayer(last.weight, QTensor(last.bias.values, 15))),
    }
