"""Payloads with a label network, views of them, and files that break a rule of the LABELS section."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from golden_payloads import Victim, join, layer, random_labels, random_payload, split, varint

from rudcodec import bitstream, views
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.container import LABELS, MODEL
from rudcodec.payload import Architecture, LabelLayer, Payload, QLayer, QTensor, ViewRecipe

VIEWS = 3
COLOUR = Architecture(9, 12, 3, (2, 1), (3,), (layer(4, 3), layer(3, 1, relu=False)))
GREY = Architecture(8, 8, 1, (1, 1), (), (layer(1, relu=False),))
PIXEL = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
DEEP = (LabelLayer(6, "mean"), LabelLayer(6, residual=True), LabelLayer(6, "mean", residual=True))


def networks() -> dict[str, Payload]:
    """One file for each kind of layer and shape of network."""
    recipe = ViewRecipe(1, 127, 64, 255, False, 255, 255, 128, 128)
    sharp = ViewRecipe(sharpen=150)
    colour = random_payload(COLOUR, [(1, 2), (1, 1)], seed=30)
    deep = random_labels(colour, DEEP, seed=30)
    plain = random_labels(random_payload(GREY, [(3, 3)], seed=31), (LabelLayer(3),), seed=32)
    assert plain.network is not None and deep.network is not None
    separable = (
        LabelLayer(5, norm="scale"),
        LabelLayer(5, "max", kernel="depthwise", norm="scale"),
        LabelLayer(6, kernel="pointwise", norm="scale", linear=True),
        LabelLayer(6, "global", True, "depthwise", "scale", linear=True),
    )
    instance = (
        LabelLayer(4, kernel="pointwise", linear=True),
        LabelLayer(4, "max", True, "depthwise", linear=True),
        LabelLayer(5, "mean", kernel="pointwise", linear=True),
        LabelLayer(5, "global", True, "pointwise"),
    )
    many = tuple(LabelLayer(2, kernel="pointwise", residual=i > 0) for i in range(32))
    return {
        "labels-deep": deep,
        "labels-mirror": replace(deep, network=replace(deep.network, mirror=True)),
        "labels-no-views": replace(deep, network=replace(deep.network, views=None)),
        "labels-plain": replace(plain, network=replace(plain.network, temperature=255, views=recipe)),
        "labels-sharpened": replace(deep, network=replace(deep.network, views=sharp)),
        "labels-pixel": random_labels(random_payload(PIXEL, [(1, 1)], seed=33), (LabelLayer(2),), seed=33),
        # the largest sums, and the linear layer's result shifted to the left
        "labels-large": random_labels(
            random_payload(GREY, [(1, 1)], seed=34),
            (LabelLayer(4), LabelLayer(4, "mean", residual=True)),
            seed=34,
            spread=70.0,
            exponent=0,
        ),
        "labels-separable": random_labels(colour, separable, seed=35),
        "labels-instance": random_labels(colour, instance, seed=36),
        "labels-32": random_labels(random_payload(GREY, [(1, 1)], seed=37), many, seed=37),
    }


def some_views(payload: Payload, images: np.ndarray) -> np.ndarray:
    """The first views of seed 0, uint8 (3, H, W, C), by the file's recipe or the usual one."""
    assert payload.network is not None
    recipe = payload.network.views or ViewRecipe()
    drawn = views.draw(recipe, images.shape, 0, 0, VIEWS)
    return np.asarray(views.render(views.sharpened(images, recipe, np), drawn, np))


def _working(flags: int, width: int) -> bytes:
    """Layers that ask for 2^30 multiply-accumulates and a few more, flags apart."""
    layers = bytes([2, 0]) + varint(512) + bytes([48]) + varint(width)
    return _asking(64, 64, flags, layers)


def _asking(height: int, width: int, flags: int, layers: bytes) -> bytes:
    """A file of pictures of this size with the fields of a label network."""
    quiet = random_payload(replace(GREY, height=height, width=width), [(1, 1)], seed=38, latents=0, weights=0)
    head, *between, segment = split(bitstream.encode(quiet))
    labels = bytes([2, flags]) + layers + b"\x20\1\1\1\1"
    return join([head, *between, (LABELS, labels), segment])


def broken() -> dict[str, bytes]:
    """Files that must be refused, one rule of the section broken in each."""
    payload = networks()["labels-deep"]
    victim = Victim(bitstream.encode(payload))
    labels = victim.body(LABELS)
    # kind, flags, number of layers, shape and width of three layers, temperature
    fields = 10

    def edited(offset: int, old: int, *new: int) -> bytes:
        return victim.edited(LABELS, offset, old, *new)

    def with_network(first: QLayer | None = None, last: QLayer | None = None) -> bytes:
        """The section with layers that its encoder would refuse."""
        assert payload.network is not None
        mine = [*payload.network.parameters]
        mine[0], mine[-1] = first or mine[0], last or mine[-1]
        coder = Encoder()
        for one in mine:
            for tensor in (one.weight, one.bias):
                coder.number(4, tensor.exponent)
                coder.number(6, 32)
                coder.code(np.full(tensor.values.size, 256 + 32, dtype=np.intp), tensor.values.ravel())
        return victim.with_body(LABELS, labels[:fields] + coder.finish())

    def with_layers(*layers: tuple[int, int]) -> bytes:
        """Layers of these shapes and widths, in front of what is left of the section."""
        coded = b"".join(bytes([shape]) + varint(out) for shape, out in layers)
        return victim.with_body(LABELS, labels[:2] + bytes([len(layers)]) + coded + labels[9:])

    assert payload.network is not None
    first, last = payload.network.parameters[0], payload.network.parameters[-1]
    heavy = np.zeros_like(first.weight.values)
    heavy[0, 0, 0] = 2047, 2047, 3
    loud = first.weight.values.copy()
    loud[0, 0, 0] = 2048, 0, 0
    section = (LABELS, labels)
    models = [one for one in victim.sections if one[0] == MODEL]
    at = victim.sections.index(section)
    return {
        "labels-twice": join([*victim.sections[:at], section, *victim.sections[at:]]),
        "labels-early": join(
            [victim.sections[0], section, *victim.sections[1:at], *victim.sections[at + 1 :]]
        ),
        "labels-behind": join([*victim.sections[:at], *victim.sections[at + 1 :], section]),
        "labels-model-behind": join([*victim.sections[: at + 1], *models, *victim.sections[at + 1 :]]),
        "labels-empty": victim.with_body(LABELS, b""),
        "labels-kind-0": edited(0, 1, 0),
        "labels-kind-3": edited(0, 1, 3),
        "labels-flags": edited(1, 1, 2),
        "labels-no-layers": edited(2, 1, 0),
        "labels-layers-33": with_layers(*[(0, 1)] * 33),
        "labels-kernel-3": edited(3, 1, 3),
        "labels-shape-128": edited(3, 1, 128),
        "labels-no-channels": edited(4, 1, 0),
        "labels-channels-513": edited(4, 1, 0x81, 4),
        "labels-residual-first": edited(3, 1, 64),
        "labels-residual-wider": with_layers((0, 6), (64, 7)),
        "labels-pooled-away": with_layers((16, 6), (16, 6), (16, 6), (16, 6), (0, 6)),
        "labels-pooled-away-last": with_layers((16, 6), (16, 6), (16, 6), (16, 6)),
        "labels-too-many-weights": with_layers((0, 512), (1, 512)),
        "labels-too-wide": _asking(1024, 512, 0, bytes([1, 48]) + varint(65)),
        "labels-too-much-work": _working(0, 512),
        "labels-too-much-work-mirrored": _working(1, 256),
        "labels-temperature-0": edited(9, 1, 0),
        "labels-no-stream": victim.with_body(LABELS, labels[:fields]),
        "labels-more": victim.with_body(LABELS, labels + b"more"),
        "labels-exponent": with_network(first=QLayer(QTensor(first.weight.values, 1), first.bias)),
        "labels-sum": with_network(first=QLayer(QTensor(heavy, 0), first.bias)),
        "labels-weight-2048": with_network(first=QLayer(QTensor(loud, 0), first.bias)),
        "labels-bias-too-fine": with_network(first=QLayer(first.weight, QTensor(first.bias.values, 5))),
        "labels-last-bias": with_network(last=QLayer(last.weight, QTensor(last.bias.values, 15))),
    }
