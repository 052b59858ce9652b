"""Random payloads for the tests of the format: valid, small, and nothing like a trained one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.labels import shapes
from rudcodec.bitstream.soft import quantized
from rudcodec.payload import (
    Architecture,
    Group,
    LabelLayer,
    LabelNetwork,
    Model,
    Payload,
    QLayer,
    QTensor,
    Recipe,
    Segment,
    SoftScale,
    SynthesisLayer,
    ViewRecipe,
    grouped_classes,
)


def layer(out: int, kernel: int = 1, relu: bool = True, residual: bool = False) -> SynthesisLayer:
    return SynthesisLayer(out, kernel, relu, residual)


def random_payload(
    architecture: Architecture,
    counts: Sequence[tuple[int, ...]],
    *,
    seed: int,
    share: str = "dataset",
    weights: float = 6.0,
    latents: float = 2.0,
    exponent: int = 5,
    classes: tuple[str, ...] | None = None,
    recipe: Recipe | None = None,
) -> Payload:
    """Laplace-distributed latents and normally distributed weights of the given spread."""
    rng = np.random.default_rng(seed)
    a = architecture

    def tensor(shape: tuple[int, ...]) -> QTensor:
        values = np.clip(np.rint(rng.normal(size=shape) * weights), -2047, 2047)
        return QTensor(values.astype(np.int32), exponent)

    def layers(shapes: Iterable[limits.LayerShape]) -> tuple[QLayer, ...]:
        return tuple(QLayer(tensor(shape.weight), tensor(shape.bias)) for shape in shapes)

    def group() -> Group:
        context, synthesis = limits.network_shapes(a)
        return Group(layers(context), layers(synthesis))

    segments = []
    for images in counts:
        grids = [
            np.clip(np.rint(rng.laplace(size=(sum(images), *size)) * latents), -32767, 32767).astype(np.int32)
            for size, components in zip(limits.level_sizes(a), a.grids, strict=True)
            for _ in range(components)
        ]
        segments.append(Segment(images, tuple(grids)))
    k = len(counts[0])
    group_classes = grouped_classes(share, k)
    groups = tuple(group() for _ in group_classes or (0,))
    return Payload(
        classes=classes or tuple(f"class {i}" for i in range(k)),
        models=(Model(a, groups, group_classes),),
        segments=tuple(segments),
        recipe=recipe or Recipe(mean=(120,) * a.channels, std=(60,) * a.channels),
    )


def random_labels(
    payload: Payload, layers: tuple[LabelLayer, ...], *, seed: int, spread: float = 1.5, exponent: int = 3
) -> Payload:
    """The payload with a random label network."""
    rng = np.random.default_rng(seed)

    def tensor(shape: tuple[int, ...], exponent: int, spread: float) -> QTensor:
        values = np.clip(np.rint(rng.laplace(size=shape) * spread), -2047, 2047)
        return QTensor(values.astype(np.int32), exponent)

    parameters = []
    *convolutions, linear = shapes(layers, payload.image_shape, len(payload.classes))
    for shape in convolutions:
        weight = tensor(shape.weight, 0, spread)
        bias = tensor(shape.bias, min(exponent, 4), 4.0)
        # about as much as makes the sums fit an activation
        scale = None if shape.scale is None else tensor(shape.scale, 9, 20.0)
        parameters.append(QLayer(weight, bias, scale))
    last = tensor(linear.weight, exponent, 4.0)
    parameters.append(QLayer(last, tensor(linear.bias, exponent + 4, 100.0)))
    return replace(payload, network=LabelNetwork(layers, tuple(parameters), 32, ViewRecipe()))


def random_soft(payload: Payload, scale: SoftScale, *, seed: int, spread: float = 2.0) -> Payload:
    """The payload with random soft labels: logits of this spread, the own class's higher by 3."""
    rng = np.random.default_rng(seed)
    classes, segments = len(payload.classes), []
    for segment in payload.segments:
        own = segment.labels
        logits = rng.normal(size=(len(own), classes)) * spread
        logits[np.arange(len(own)), own] += 3
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        segments.append(replace(segment, soft=quantized(logs, own, scale)))
    return replace(payload, segments=tuple(segments), soft=scale)


def small_payload(seed: int = 0) -> Payload:
    """Two segments of 4 x 5 colour images of two classes; a file of some 400 bytes."""
    architecture = Architecture(4, 5, 3, (2, 1), (3,), (layer(4, 3), layer(3, 1, relu=False)))
    return random_payload(architecture, [(2, 2), (1, 0)], seed=seed)


def quiet_group(architecture: Architecture, double: bool = False) -> Group:
    """Networks of zeros that expect zeros, which then take next to no bits; ``double``: biases that need sums
    in double precision."""
    context, synthesis = limits.network_shapes(architecture)
    quietest, exponent = (-2047, 15) if double else (-4, 0)

    def quiet(shape: limits.LayerShape, bias: int) -> QLayer:
        weight = QTensor(np.zeros(shape.weight, np.int32), exponent)
        return QLayer(weight, QTensor(np.full(shape.bias, bias, np.int32), 0))

    layers = [quiet(shape, 0) for shape in context]
    layers[-1].bias.values[..., 1] = quietest
    return Group(tuple(layers), tuple(quiet(shape, quietest if double else 0) for shape in synthesis))


def example_payload() -> Payload:
    """The worked example of bitstream_spec.md."""
    architecture = Architecture(2, 2, 1, (1, 1), (), (layer(1, relu=False),))
    context = np.zeros((2, 21), dtype=np.int32)
    context[0, 12] = 1
    networks = Group(
        context=(QLayer(QTensor(context, 0), QTensor(np.array([[4, 1], [1, 0]], dtype=np.int32), 0)),),
        synthesis=(
            QLayer(QTensor(np.ones((1, 2, 1, 1), dtype=np.int32), 4), QTensor(np.ones(1, dtype=np.int32), 2)),
        ),
    )
    latents = (np.array([[[5]]], dtype=np.int32), np.array([[[7, 0], [-2, 40]]], dtype=np.int32))
    return Payload(
        classes=("a",),
        models=(Model(architecture, (networks,)),),
        segments=(Segment((1,), latents),),
        recipe=Recipe(mean=(128,), std=(64,), augment=("flip",)),
    )


def split(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and body of each section of an intact file."""
    sections, at = [], 4
    while at < len(data):
        tag, length, shift = data[at], 0, 0
        while True:
            at += 1
            length |= (data[at] & 127) << shift
            shift += 7
            if data[at] < 128:
                break
        sections.append((tag, data[at + 1 : at + 1 + length]))
        at += 1 + length + 4
    return sections


def join(sections: list[tuple[int, bytes]]) -> bytes:
    """A file of these sections, with the right lengths and checksums."""
    data = b"RUD\x02"
    for tag, body in sections:
        framed = bytes([tag]) + varint(len(body)) + body
        data += framed + zlib.crc32(framed).to_bytes(4, "little")
    return data


class Victim:
    """The sections of an intact file, of which one is changed."""

    def __init__(self, data: bytes) -> None:
        self.sections = split(data)

    def body(self, tag: int, number: int = 0) -> bytes:
        """Body of a section, the ``number``-th one with this tag."""
        return self.sections[self._index(tag, number)][1]

    def with_body(self, tag: int, body: bytes, number: int = 0) -> bytes:
        """The file with another body of a section."""
        changed = list(self.sections)
        changed[self._index(tag, number)] = (tag, body)
        return join(changed)

    def edited(self, tag: int, offset: int, old: int, *new: int, number: int = 0) -> bytes:
        """The file with ``old`` bytes of a section's body, from ``offset`` on, replaced."""
        body = self.body(tag, number)
        at = offset % len(body)
        return self.with_body(tag, body[:at] + bytes(new) + body[at + old :], number)

    def without(self, tag: int) -> bytes:
        """The file without the sections with a tag."""
        return join([(other, body) for other, body in self.sections if other != tag])

    def ordered(self, *tags: int) -> bytes:
        """The file with its sections in this order of tags; of several with a tag, the next each time."""
        left = list(self.sections)
        found = []
        for tag in tags:
            section = next(one for one in left if one[0] == tag)
            left.remove(section)
            found.append(section)
        return join(found)

    def _index(self, tag: int, number: int) -> int:
        return [i for i, (other, _) in enumerate(self.sections) if other == tag][number]


def varint(value: int) -> bytes:
    """A number as the format codes it."""
    digits = b""
    while value > 127:
        digits += bytes([value & 127 | 128])
        value >>= 7
    return digits + bytes([value])
