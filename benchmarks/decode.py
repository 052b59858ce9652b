"""Speed and memory of decoding: ``python benchmarks/decode.py [FILE.rud ...]``

Without files: 1,000 images of 32 x 32 and 200 of 128 x 128 in ten classes and five segments, from seeded
random payloads whose latents are about as sparse as trained ones (1 to 1.5 bits each). Every file is decoded
in a fresh process, best of three; "CPU" is processor time, which a busy machine doesn't falsify. Compared
with a decoder that takes one latent of one image at a time, written below in plain numpy: on the beginning of
the file, every latent checked, then scaled by the number of latents. OPENBLAS_NUM_THREADS=1: one core.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import constriction
import numpy as np
from numpy.typing import NDArray

import rudcodec
from rudcodec import bitstream
from rudcodec.bitstream import tables
from rudcodec.bitstream.limits import level_sizes
from rudcodec.memory import peak_memory
from rudcodec.payload import (
    Architecture,
    Group,
    Payload,
    QLayer,
    QTensor,
    Recipe,
    Segment,
    SynthesisLayer,
)

SLOW_SECONDS = 5.0


Grids = dict[tuple[int, int], NDArray[np.int64]]
"""Latents decoded so far, (images, height, width), by level and component, in the order of the file."""


class Place(NamedTuple):
    """Where a latent is."""

    level: int
    component: int
    image: int
    y: int
    x: int


def random_payload(side: int, images: int, levels: int) -> Payload:
    """Ten classes, five segments; latents thin out from coarse to fine, and the networks expect that."""
    rng = np.random.default_rng(side)
    grids = (3,) * (levels - 1) + (1,)
    spreads = np.geomspace(6.0, 0.25, levels)
    context = []
    for before, after in ((21, 24), (24, 24), (24, 2)):
        bias = (sum(grids), after) if before == 21 else (after,)
        context.append(QLayer(random_tensor(rng, (after, before), 2, 7), random_tensor(rng, bias, 4, 5)))
    # real output 1 is the logarithm of the scale
    context[-1].bias.values[:] = (0, -48)
    layers = (
        SynthesisLayer(40, 1, True, False),
        SynthesisLayer(3, 1, False, False),
        SynthesisLayer(3, 3, True, True),
        SynthesisLayer(3, 3, False, True),
    )
    synthesis, before = [], sum(grids)
    for layer in layers:
        weight = random_tensor(rng, (layer.out_channels, before, layer.kernel, layer.kernel), 12, 5)
        synthesis.append(QLayer(weight, random_tensor(rng, (layer.out_channels,), 12, 5)))
        before = layer.out_channels
    architecture = Architecture(side, side, 3, grids, (24, 24), layers)
    per_segment = images // 5
    segments = []
    for _ in range(5):
        latents = [
            np.rint(rng.laplace(size=(per_segment, *size)) * spread).astype(np.int32)
            for size, components, spread in zip(level_sizes(architecture), grids, spreads, strict=True)
            for _ in range(components)
        ]
        segments.append(Segment((per_segment // 10,) * 10, tuple(latents)))
    names = tuple(f"class {k}" for k in range(10))
    recipe = Recipe(mean=(120,) * 3, std=(60,) * 3)
    group = Group(tuple(context), tuple(synthesis))
    return Payload(architecture, names, "dataset", (group,), tuple(segments), recipe)


def random_tensor(rng: np.random.Generator, shape: tuple[int, ...], spread: float, exponent: int) -> QTensor:
    """Normally distributed integers."""
    return QTensor(np.rint(rng.normal(size=shape) * spread).astype(np.int32), exponent)


def one_image_payload() -> Payload:
    """A single image of 32 x 32."""
    payload = random_payload(32, 50, 6)
    latents = tuple(grid[:1] for grid in payload.segments[0].latents)
    return replace(payload, segments=(Segment((1,) + (0,) * 9, latents),))


class SlowDecoder:
    """One latent of one image at a time: its context, the network on it, a symbol."""

    def __init__(self, data: bytes) -> None:
        self._payload = bitstream.decode(data)  # for the networks, and to compare with
        row = next(row for row in bitstream.describe(data).rows if "latents" in row.note)
        words = np.frombuffer(data[row.offset : row.offset + row.bytes], "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._model = constriction.stream.model.Categorical(perfect=False)
        self._bit = constriction.stream.model.Uniform(2)
        escapes = np.array([2.0 ** (23 - k) - 1 for k in range(16)] + [2.0**8 - 1])
        self._escape = constriction.stream.model.Categorical(escapes, perfect=False)

    def run(self, seconds: float) -> tuple[int, float]:
        """Decode the first segment for so long; latents decoded and processor time taken."""
        architecture, segment = self._payload.architecture, self._payload.segments[0]
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
        payload = self._payload
        if payload.share != "class":
            return payload.groups[0]
        ends = np.cumsum(payload.segments[0].counts)
        return payload.groups[int(np.searchsorted(ends, image, side="right"))]

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


class Measured(NamedTuple):
    """Seconds that the decoding of a file takes, and bytes at the peak.

    ``cold``: the first time in a process, in CPU time; ``wall``, ``cpu`` and of this ``latents``: best of
    three.
    """

    cold: float
    wall: float
    cpu: float
    latents: float
    peak: float


def measure(path: str) -> Measured:
    """Decode a file in this process, which has done nothing else."""
    start = time.process_time()
    rudcodec.load(path)
    cold = time.process_time() - start
    peak = peak_memory()
    data = Path(path).read_bytes()
    wall, cpu, latents = [], [], []
    for _ in range(3):
        start, cpu_start = time.perf_counter(), time.process_time()
        bitstream.decode_images(data)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
        cpu_start = time.process_time()
        bitstream.decode(data)
        latents.append(time.process_time() - cpu_start)
    return Measured(cold, min(wall), min(cpu), min(latents), peak)


def run_python(*arguments: str) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def print_start_up(path: Path) -> None:
    """Print how long a process takes until it has the first byte of a file's images."""
    program = (
        "import time, sys; a = time.perf_counter(), time.process_time(); import rudcodec;"
        "b = time.perf_counter(), time.process_time(); s = rudcodec.load(sys.argv[1]); s.images.ravel()[0];"
        "c = time.perf_counter(), time.process_time();"
        "print(b[0] - a[0], c[0] - a[0], b[1] - a[1], c[1] - a[1])"
    )
    times = np.array([run_python("-c", program, str(path)).split() for _ in range(3)], float).min(axis=0)
    print(
        f"start-up, one 32 x 32 image: import {times[0]:.2f} s, to the first byte {times[1]:.2f} s "
        f"(CPU {times[2]:.2f}, {times[3]:.2f})"
    )


def print_report(path: Path) -> None:
    """Print what decoding a file takes, beside the slow decoder."""
    data = path.read_bytes()
    measured = Measured(*json.loads(run_python(__file__, "--measure", str(path))))
    num_decoded, slow_seconds = SlowDecoder(data).run(SLOW_SECONDS)
    payload = bitstream.decode(data)
    a = payload.architecture
    images = sum(sum(segment.counts) for segment in payload.segments)
    latents = sum(grid.size for segment in payload.segments for grid in segment.latents)
    pixels = images * a.height * a.width
    slow_total = slow_seconds * latents / num_decoded
    cpu = measured.cpu
    megabytes = f"pixels {pixels * a.channels / 1e6:.0f} MB, latents {4 * latents / 1e6:.0f} MB"
    lines = (
        f"\n{path.name}: {images:,} images of {a.width} x {a.height}, {latents:,} latents, "
        f"{len(data):,} bytes, {8 * len(data) / latents:.2f} bits a latent",
        f"  to pixels    {measured.wall:.3f} s, CPU {cpu:.3f} s (latents {measured.latents:.3f}, "
        f"synthesis {cpu - measured.latents:.3f}); CPU {measured.cold:.3f} s the first time in a process",
        f"  rate         {pixels / cpu / 1e6:.2f} Mpixel/s, {latents / cpu:,.0f} latents/s (CPU)",
        f"  peak memory  {measured.peak / 1e6:.0f} MB (in it {megabytes})",
        f"  slow decoder {num_decoded / slow_seconds:,.0f} latents/s ({num_decoded:,} decoded, all equal); "
        f"{slow_total:,.0f} s for the file's",
        f"  ratio        {slow_total / measured.latents:,.0f} for latents; {slow_total / cpu:,.0f} for the "
        "way to pixels, against the slow decoder's latents alone",
    )
    print("\n".join(lines))


def random_files(folder: Path) -> Iterator[Path]:
    """Files of the two random payloads."""
    for side, images, levels in ((32, 1000, 6), (128, 200, 8)):
        path = folder / f"random-{side}.rud"
        bitstream.write(random_payload(side, images, levels), path)
        yield path


@click.command()
@click.argument("files", metavar="[FILE.rud]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--measure", "only_measure", is_flag=True, hidden=True)
def main(files: tuple[Path, ...], only_measure: bool) -> None:
    """Measure the decoding of FILEs, or of random ones."""
    if only_measure:
        print(json.dumps(measure(str(files[0]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "one.rud"
        bitstream.write(one_image_payload(), single)
        print_start_up(single)
        for path in files or random_files(Path(folder)):
            print_report(path)


if __name__ == "__main__":
    main()
