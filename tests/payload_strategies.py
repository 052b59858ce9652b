"""Hypothesis strategies for payloads of every kind that the format can express, small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from golden_payloads import layer, random_labels, random_payload, random_soft
from hypothesis import strategies as st

from rudcodec.payload import (
    AUGMENTATIONS,
    Architecture,
    ImageShape,
    Kernel,
    LabelLayer,
    Model,
    Norm,
    Payload,
    Pool,
    Recipe,
    Segment,
    SoftScale,
    SynthesisLayer,
    ViewRecipe,
)

SHAPES = st.builds(ImageShape, st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
NORMS: tuple[Norm, ...] = get_args(Norm)
POOLS: tuple[Pool | None, ...] = (None, None, *get_args(Pool))
WHOLE: tuple[Pool | None, ...] = (None, "global")
NAMES = ("ant", "bee", "cat", "œuf 卵", "e")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@st.composite
def architectures(draw: st.DrawFn, shape: ImageShape) -> Architecture:
    channels = shape.channels
    grids = sorted(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)), reverse=True)
    before = sum(grids)
    layers: list[SynthesisLayer] = []
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.sampled_from([2, 5, before]))
        residual = bool(layers) and out == before and draw(st.booleans())
        layers.append(layer(out, draw(st.sampled_from([1, 3])), draw(st.booleans()), residual))
        before = out
    residual = bool(layers) and before == channels and draw(st.booleans())
    layers.append(layer(channels, draw(st.sampled_from([1, 3])), False, residual))
    hidden = tuple(draw(st.lists(st.integers(1, 6), max_size=2)))
    return Architecture(*shape, tuple(grids), hidden, tuple(layers))


@st.composite
def recipes(draw: st.DrawFn, channels: int) -> Recipe:
    grey, millionths = st.integers(1, 255), st.integers(0, 10**9)
    chosen = draw(st.sets(st.sampled_from(AUGMENTATIONS)))
    return Recipe(
        mean=tuple(draw(grey) for _ in range(channels)),
        std=tuple(draw(grey) for _ in range(channels)),
        augment=tuple(name for name in AUGMENTATIONS if name in chosen),
        optimizer=draw(st.sampled_from(["sgd", "adamw", "muon"])),
        steps=draw(st.integers(1, 10**9)),
        batch=draw(st.integers(1, 10**9)),
        lr=draw(millionths) / 10**6,
        weight_decay=draw(millionths) / 10**6,
        momentum=draw(st.integers(0, 1000)) / 1000,
        cutmix=draw(st.integers(0, 255)),
    )


VIEWS = st.builds(
    ViewRecipe,
    zoom_min=st.integers(1, 64),
    zoom_max=st.integers(64, 127),
    shift=st.integers(0, 64),
    rotate=st.integers(0, 255),
    flip=st.booleans(),
    contrast=st.integers(0, 255),
    brightness=st.integers(0, 255),
    mixup=st.integers(0, 128),
    cutmix=st.integers(0, 128),
    sharpen=st.integers(0, 255),
)
METADATA = st.dictionaries(TEXT.filter(bool).map(lambda text: text[:16]), TEXT, max_size=3)


@st.composite
def label_layers(draw: st.DrawFn, shape: ImageShape) -> tuple[LabelLayer, ...]:
    """Layers of all kinds that leave something of pictures of a shape."""
    layers: list[LabelLayer] = []
    height, width, before = shape
    for _ in range(draw(st.integers(1, 4))):
        kernel = draw(st.sampled_from(KERNELS))
        out = before if kernel == "depthwise" else draw(st.sampled_from([1, 4, before]))
        residual = bool(layers) and out == before and draw(st.booleans())
        pool = draw(st.sampled_from(POOLS if min(height, width) > 1 else WHOLE))
        norm = draw(st.sampled_from(NORMS))
        layers.append(LabelLayer(out, pool, residual, kernel, norm, draw(st.booleans())))
        if pool == "global":
            height = width = 1
        elif pool:
            height, width = height // 2, width // 2
        before = out
    return tuple(layers)


@st.composite
def models_and_segments(
    draw: st.DrawFn, shape: ImageShape, classes: int
) -> tuple[tuple[Model, ...], tuple[Segment, ...]]:
    """Up to three models, and up to four segments that use them."""
    models: list[Model] = []
    segments: list[Segment] = []
    for number in range(draw(st.integers(1, 3))):
        groups = draw(
            st.none()
            | st.permutations(range(classes)).flatmap(
                lambda p: st.integers(1, classes).map(lambda n: tuple(p[:n]))
            )
        )
        known = groups or tuple(range(classes))
        counts = [draw(counts_of(known, classes)) for _ in range(draw(st.integers(0, 2)) or not models)]
        payload = random_payload(
            draw(architectures(shape)),
            counts or [(1,) * classes],
            seed=draw(st.integers(0, 2**32)),
            share="dataset" if groups is None else "class",
            weights=draw(st.sampled_from([0.0, 1.0, 8.0, 60.0, 3000.0])),
            latents=draw(st.sampled_from([0.0, 0.3, 4.0, 100.0, 30000.0])),
            exponent=draw(st.integers(0, 15)),
        )
        (model,) = payload.models
        models.append(
            model if groups is None else Model(model.architecture, model.groups[: len(groups)], groups)
        )
        for one in payload.segments[: len(counts)]:
            with_images = [k for k, count in enumerate(one.counts) if count]
            order = draw(st.none() | st.permutations(with_images).map(tuple))
            order = None if order is None or list(order) == with_images else order
            segments.append(replace(one, model=number, order=order))
    return tuple(models), tuple(draw(st.permutations(segments)))


def counts_of(known: Sequence[int], classes: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Images of each class, of the known ones only; the same of each now and then."""

    def spread(counts: list[int]) -> tuple[int, ...]:
        found = dict(zip(known, counts, strict=True))
        return tuple(found.get(k, 0) for k in range(classes))

    some = st.lists(st.integers(0, 3), min_size=len(known), max_size=len(known)).filter(any).map(spread)
    return some | st.integers(1, 2).map(lambda n: spread([n] * len(known)))


@st.composite
def payloads(
    draw: st.DrawFn,
    shape: st.SearchStrategy[ImageShape] = SHAPES,
    names: st.SearchStrategy[tuple[str, ...]] = st.integers(1, 4).map(lambda n: NAMES[:n]),  # noqa: B008
    labels: Sequence[str] = ("hard", "soft", "network"),
) -> Payload:
    size, classes = draw(shape), draw(names)
    models, segments = draw(models_and_segments(size, len(classes)))
    recipe = draw(st.none() | recipes(size.channels))
    payload = Payload(classes, models, segments, recipe, metadata=draw(METADATA))
    kind, seed = draw(st.sampled_from(labels)), draw(st.integers(0, 99))
    if kind == "soft" and len(classes) > 1:
        byte = st.integers(1, 255)
        scale = SoftScale(draw(st.integers(1, len(classes) - 1)), draw(byte), draw(byte))
        return random_soft(payload, scale, seed=seed)
    if kind == "network":
        payload = random_labels(payload, draw(label_layers(size)), seed=seed)
        assert payload.network is not None
        network = replace(
            payload.network,
            mirror=draw(st.booleans()),
            views=draw(st.none() | VIEWS),
            temperature=draw(st.integers(1, 255)),
        )
        return replace(payload, network=network)
    return payload
