"""Speed and memory of decoding: ``python benchmarks/decode.py [FILE.rud ...]``

Without files: 1,000 images of 32 x 32 and 200 of 128 x 128 in ten classes and five segments, from seeded
random payloads whose latents are about as sparse as trained ones (1 to 1.5 bits each). Every file is decoded
in a fresh process, best of three; "CPU" is processor time, which a busy machine doesn't falsify. Compared
with a decoder that takes one latent of one image at a time, written below in plain numpy: on the beginning of
the file, every latent checked, then scaled by the number of latents. OPENBLAS_NUM_THREADS=1: one core.

Measured on one core of an AMD EPYC, numpy 2.4.6, constriction 0.5.0, 1,000 images of 32 x 32: 0.36 s of CPU
time for 2.05 M latents and 0.16 s for synthesis; 260 times the decoder below. Where a latent's 180 ns go
(cProfile):

    range decoder: sum and search of 48 frequencies                  76 ns
    context network: products                                        33
        rounding, clamping, type conversions                         30
    encoding again, to compare                                       25
    gathering tables and contexts, storing latents                   16

So the range decoder alone keeps the ratio below 630. Tables in float32 and other chunk sizes change less than
5 %. Synthesis: upsampling 40 ms, products 30, the convolutions' other passes 65, stacking and conversion the
rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

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


def random_payload(side: int, images: int, levels: int) -> Payload:
    """Ten classes, five segments; latents thin out from coarse to fine, and the networks expect that."""
    rng = np.random.default_rng(side)
    grids = (3,) * (levels - 1) + (1,)
    spreads = np.geomspace(6.0, 0.25, levels)

    def tensor(shape: tuple[int, ...], spread: float, exponent: int) -> QTensor:
        return QTensor(np.rint(rng.normal(size=shape) * spread).astype(np.int32), exponent)

    context = []
    for before, after in ((21, 24), (24, 24), (24, 2)):
        bias = (sum(grids), after) if before == 21 else (after,)
        context.append(QLayer(tensor((after, before), 2, 7), tensor(bias, 4, 5)))
    # real output 1 is the logarithm of the scale
    context[-1].bias.values[:] = (0, -48)
    layers = (
        SynthesisLayer(40, 1, True, False),
        SynthesisLayer(3, 1, False, False),
        SynthesisLayer(3, 3, True, True),
        SynthesisLayer(3, 3, False, True),
    )
    synthesis, before = [], sum(grids)
    for shape in layers:
        weight = tensor((shape.out_channels, before, shape.kernel, shape.kernel), 12, 5)
        synthesis.append(QLayer(weight, tensor((shape.out_channels,), 12, 5)))
        before = shape.out_channels
    architecture = Architecture(side, side, 3, grids, (24, 24), layers)
    each = images // 5
    segments = []
    for _ in range(5):
        latents = [
            np.rint(rng.laplace(size=(each, *size)) * spread).astype(np.int32)
            for size, components, spread in zip(level_sizes(architecture), grids, spreads, strict=True)
            for _ in range(components)
        ]
        segments.append(Segment((each // 10,) * 10, tuple(latents)))
    names = tuple(f"class {k}" for k in range(10))
    recipe = Recipe(mean=(120,) * 3, std=(60,) * 3)
    group = Group(tuple(context), tuple(synthesis))
    return Payload(architecture, names, "dataset", (group,), tuple(segments), recipe)


class SlowDecoder:
    """One latent of one image at a time: its context, the network on it, a symbol."""

    def __init__(self, data: bytes) -> None:
        import constriction

        self.payload = bitstream.decode(data)  # for the networks, and to compare with
        row = next(row for row in bitstream.describe(data).rows if "latents" in row.note)
        words = np.frombuffer(data[row.offset : row.offset + row.bytes], "<u4").astype(np.uint32)
        self.coder = constriction.stream.queue.RangeDecoder(words)
        self.model = constriction.stream.model.Categorical(perfect=False)
        self.bit = constriction.stream.model.Uniform(2)
        classes = np.array([2.0 ** (23 - k) - 1 for k in range(16)] + [2.0**8 - 1])
        self.classes = constriction.stream.model.Categorical(classes, perfect=False)

    def run(self, seconds: float) -> tuple[int, float]:
        """Decode the first segment for so long; latents decoded and processor time taken."""
        a = self.payload.architecture
        segment = self.payload.segments[0]
        images = sum(segment.counts)
        owner = np.repeat(np.arange(len(segment.counts)), segment.counts)
        groups = [self.payload.groups[k if self.payload.share == "class" else 0] for k in owner]
        decoded = 0
        grids: dict[tuple[int, int], np.ndarray] = {}
        started = time.process_time()
        for level, (h, w) in enumerate(level_sizes(a)):
            for component in range(a.grids[level]):
                truth = segment.latents[len(grids)]
                grids[level, component] = np.zeros((images, h, w), np.int64)
                for step in range(w + 3 * (h - 1)):
                    batch = [
                        (image, y, step - 3 * y)
                        for y in range(h)
                        if 0 <= step - 3 * y < w
                        for image in range(images)
                    ]
                    escaped = []
                    for image, y, x in batch:
                        index = list(grids).index((level, component))
                        location, row = self.predict(
                            groups[image], grids, level, component, image, y, x, index
                        )
                        symbol = int(self.coder.decode(self.model, tables.weights()[row : row + 1])[0])
                        if symbol == tables.ESCAPE:
                            escaped.append((image, y, x, location))
                        grids[level, component][image, y, x] = location + symbol - tables.REACH
                    self.escapes(grids[level, component], escaped)
                    for image, y, x in batch:
                        if grids[level, component][image, y, x] != truth[image, y, x]:
                            raise SystemExit(f"slow decoder: latent {level, component, image, y, x} differs")
                    decoded += len(batch)
                    if time.process_time() - started > seconds:
                        return decoded, time.process_time() - started
        return decoded, time.process_time() - started

    def predict(
        self,
        group: Group,
        grids: dict[tuple[int, int], np.ndarray],
        level: int,
        component: int,
        image: int,
        y: int,
        x: int,
        index: int,
    ) -> tuple[int, int]:
        """Integer location and table row."""
        places = [(level, component, y, x - 1), (level, component, y, x - 2)]
        places += [(level, component, y + dy, x + dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2)]
        cy, cx, dy, dx = y >> 1, x >> 1, 1 if y & 1 else -1, 1 if x & 1 else -1
        coarse = ((cy, cx), (cy, cx + dx), (cy + dy, cx), (cy + dy, cx + dx))
        places += [(level - 1, component, *place) for place in coarse]
        cross = ((y, x), (y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x))
        places += [(level, component - 1, *place) for place in cross]
        values = np.zeros(21, np.int64)
        for i, (lev, comp, py, px) in enumerate(places):
            grid = grids.get((lev, comp))
            if grid is not None and 0 <= py < grid.shape[1] and 0 <= px < grid.shape[2]:
                values[i] = grid[image, py, px]
        values = np.clip(values, -127, 127)
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

    def escapes(self, grid: np.ndarray, places: list[tuple[int, int, int, int]]) -> None:
        classes = [int(self.coder.decode(self.classes)) for _ in places]
        for (image, y, x, location), k in zip(places, classes, strict=True):
            negative, low = int(self.coder.decode(self.bit)), 0
            for _ in range(k):
                low = low << 1 | int(self.coder.decode(self.bit))
            magnitude = tables.REACH + (1 << k) + low
            grid[image, y, x] = location + (-magnitude if negative else magnitude)


def work(path: str) -> None:
    """Decode a file, as a process of its own: prints what it took as JSON."""
    begin = time.perf_counter(), time.process_time()
    rudcodec.load(path)
    cold = time.perf_counter() - begin[0], time.process_time() - begin[1]
    peak = peak_memory() / 1e6
    wall, cpu, latents = [], [], []
    data = Path(path).read_bytes()
    for _ in range(3):
        begin = time.perf_counter(), time.process_time()
        bitstream.decode_images(data)
        wall.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
        start = time.process_time()
        bitstream.decode(data)
        latents.append(time.process_time() - start)
    json.dump(
        {"cold": cold, "wall": min(wall), "cpu": min(cpu), "latents_cpu": min(latents), "peak": peak},
        sys.stdout,
    )


def run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def start_up(path: Path) -> None:
    program = (
        "import time, sys; a = time.perf_counter(), time.process_time(); import rudcodec;"
        "b = time.perf_counter(), time.process_time(); s = rudcodec.load(sys.argv[1]); s.images.ravel()[0];"
        "c = time.perf_counter(), time.process_time();"
        "print(b[0] - a[0], c[0] - a[0], b[1] - a[1], c[1] - a[1])"
    )
    times = np.array([run("-c", program, str(path)).split() for _ in range(3)], float).min(axis=0)
    print(
        f"start-up, one 32 x 32 image: import {times[0]:.2f} s, to the first byte {times[1]:.2f} s "
        f"(CPU {times[2]:.2f}, {times[3]:.2f})"
    )


def report(path: Path) -> None:
    data = path.read_bytes()
    facts = json.loads(run(__file__, "--work", str(path)))
    slow, taken = SlowDecoder(data).run(SLOW_SECONDS)
    payload = bitstream.decode(data)
    a = payload.architecture
    images = sum(sum(segment.counts) for segment in payload.segments)
    latents = sum(grid.size for segment in payload.segments for grid in segment.latents)
    pixels = images * a.height * a.width
    scaled = taken * latents / slow
    wall, cpu, inner = facts["wall"], facts["cpu"], facts["latents_cpu"]
    megabytes = f"pixels {pixels * a.channels / 1e6:.0f} MB, latents {4 * latents / 1e6:.0f} MB"
    lines = (
        (
            f"\n{path.name}: {images:,} images of {a.width} x {a.height}, {latents:,} latents, "
            f"{len(data):,} bytes, {8 * len(data) / latents:.2f} bits a latent"
        ),
        (
            f"  to pixels    {wall:.3f} s, CPU {cpu:.3f} s (latents {inner:.3f}, "
            f"synthesis {cpu - inner:.3f}); CPU {facts['cold'][1]:.3f} s the first time in a process"
        ),
        f"  rate         {pixels / cpu / 1e6:.2f} Mpixel/s, {latents / cpu:,.0f} latents/s (CPU)",
        f"  peak memory  {facts['peak']:.0f} MB (in it {megabytes})",
        (
            f"  slow decoder {slow / taken:,.0f} latents/s ({slow:,} decoded, all equal); "
            f"{scaled:,.0f} s for the file's"
        ),
        (
            f"  ratio        {scaled / inner:,.0f} for latents; {scaled / cpu:,.0f} for the way to pixels, "
            "against the slow decoder's latents alone"
        ),
    )
    print("\n".join(lines))


def files(folder: Path) -> Iterator[Path]:
    for side, images, levels in ((32, 1000, 6), (128, 200, 8)):
        path = folder / f"random-{side}.rud"
        bitstream.write(random_payload(side, images, levels), path)
        yield path


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = random_payload(32, 50, 6)
        one = Path(folder) / "one.rud"
        segment = Segment((1,) + (0,) * 9, tuple(grid[:1] for grid in whole.segments[0].latents))
        bitstream.write(
            Payload(whole.architecture, whole.classes, "dataset", whole.groups, (segment,), whole.recipe), one
        )
        start_up(one)
        for path in [Path(name) for name in sys.argv[1:]] or files(Path(folder)):
            report(path)


if __name__ == "__main__":
    main()
