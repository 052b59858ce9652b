"""A decoder of latents that does nothing to be fast, to compare with: plain numpy, one latent at a time."""

from __future__ import annotations

import time
from typing import NamedTuple

import constriction
import numpy as np
from numpy.typing import NDArray

from rudcodec import bitstream
from rudcodec.bitstream import tables
from rudcodec.bitstream.limits import level_sizes
from rudcodec.payload import Group

Grids = dict[tuple[int, int], NDArray[np.int64]]
"""Latents decoded so far, (images, height, width), by level and component, in the order of the file."""


class Place(NamedTuple):
    """Where a latent is."""

    level: int
    component: int
    image: int
    y: int
    x: int


class SlowDecoder:
    """One latent of one image at a time: its context, the network on it, a symbol."""

    def __init__(self, data: bytes) -> None:
        self._payload = bitstream.decode(data)  # for the networks, and to compare with
        segment = bitstream.parse(data).segments[0]
        words = np.frombuffer(data[segment.digest + 4 : segment.section.end], "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._model = constriction.stream.model.Categorical(perfect=False)
        self._bit = constriction.stream.model.Uniform(2)
        escapes = np.array([2.0 ** (23 - k) - 1 for k in range(16)] + [2.0**8 - 1])
        self._escape = constriction.stream.model.Categorical(escapes, perfect=False)

    def run(self, seconds: float) -> tuple[int, float]:
        """Decode the first segment for so long; latents decoded and processor time taken."""
        segment = self._payload.segments[0]
        architecture = self._payload.models[segment.model].architecture
        images = sum(segment.counts)
        num_decoded = 0
        grids: Grids = {}
        start = time.process_time()
        for level, (height, width) in enumerate(level_sizes(architecture)):
            for component in range(architecture.grids[level]):
                truth = segment.latents[len(grids)]
                grids[level, component] = np.zeros((images, height, width), np.int64)
                for step in range(width + 3 * (height - 1)):
                    batch = [
                        Place(level, component, image, y, step - 3 * y)
                        for y in range(height)
                        if 0 <= step - 3 * y < width
                        for image in range(images)
                    ]
                    self._decode_batch(batch, grids[level, component], grids, truth)
                    num_decoded += len(batch)
                    if time.process_time() - start > seconds:
                        return num_decoded, time.process_time() - start
        return num_decoded, time.process_time() - start

    def _decode_batch(
        self, batch: list[Place], grid: NDArray[np.int64], grids: Grids, truth: NDArray[np.int32]
    ) -> None:
        """Latents of one of the grids that don't know of each other; ``truth``: what they have to be."""
        escaped = []
        for place in batch:
            location, row = self._predict(place, grids)
            symbol = int(self._coder.decode(self._model, tables.weights()[row : row + 1])[0])
            if symbol == tables.ESCAPE:
                escaped.append((place, location))
            grid[place.image, place.y, place.x] = location + symbol - tables.REACH
        self._decode_escapes(grid, escaped)
        for place in batch:
            if grid[place.image, place.y, place.x] != truth[place.image, place.y, place.x]:
                raise SystemExit(f"slow decoder: latent {place} differs")

    def _predict(self, place: Place, grids: Grids) -> tuple[int, int]:
        """Integer location and table row."""
        values = context_of(place, grids)
        group = self._group_of(place.image)
        index = list(grids).index((place.level, place.component))
        for i, layer in enumerate(group.context):
            last = i == len(group.context) - 1
            total = (7 if i else 0) + layer.weight.exponent
            bias = layer.bias.values if i else layer.bias.values[index]
            values = layer.weight.values.astype(np.int64) @ values
            values = values + (bias.astype(np.int64) << (total - layer.bias.exponent))
            shift = total - (3 if last else 7)
            values = (values + (1 << (shift - 1))) >> shift if shift > 0 else values << -shift
            if not last:
                values = np.clip(values, 0, 4095)
        eighths = int(np.clip(values[0], -32768, 32767))
        scale = int(np.clip(values[1] + 32, 0, 63))
        location = (eighths + 4) >> 3
        return location, (eighths - 8 * location + 4) * 64 + scale

    def _group_of(self, image: int) -> Group:
        segment = self._payload.segments[0]
        model = self._payload.models[segment.model]
        own_class = int(segment.labels[image])
        return model.groups[0 if model.classes is None else model.classes.index(own_class)]

    def _decode_escapes(self, grid: NDArray[np.int64], escaped: list[tuple[Place, int]]) -> None:
        """Latents too far from their locations for a symbol of their own."""
        bit_counts = [int(self._coder.decode(self._escape)) for _ in escaped]
        for (place, location), bits in zip(escaped, bit_counts, strict=True):
            negative, low = int(self._coder.decode(self._bit)), 0
            for _ in range(bits):
                low = low << 1 | int(self._coder.decode(self._bit))
            magnitude = tables.REACH + (1 << bits) + low
            grid[place.image, place.y, place.x] = location + (-magnitude if negative else magnitude)


def context_of(place: Place, grids: Grids) -> NDArray[np.int64]:
    """The 21 latents that the context network sees, 0 where there is none."""
    level, component, image, y, x = place
    places = [(level, component, y, x - 1), (level, component, y, x - 2)]
    places += [(level, component, y + dy, x + dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2)]
    cy, cx, dy, dx = y >> 1, x >> 1, 1 if y & 1 else -1, 1 if x & 1 else -1
    coarse = ((cy, cx), (cy, cx + dx), (cy + dy, cx), (cy + dy, cx + dx))
    places += [(level - 1, component, *position) for position in coarse]
    cross = ((y, x), (y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x))
    places += [(level, component - 1, *position) for position in cross]
    values = np.zeros(21, np.int64)
    for i, (place_level, place_component, py, px) in enumerate(places):
        grid = grids.get((place_level, place_component))
        if grid is not None and 0 <= py < grid.shape[1] and 0 <= px < grid.shape[2]:
            values[i] = grid[image, py, px]
    return np.clip(values, -127, 127)
