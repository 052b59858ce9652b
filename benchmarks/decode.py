"""Speed and memory of decoding: ``python benchmarks/decode.py [FILE.rud ...]``

Without files: 1,000 images of 32 x 32 and 200 of 128 x 128 in ten classes and five segments, from seeded
random payloads whose latents are about as sparse as trained ones (1 to 1.5 bits each). Every file is decoded
in a fresh process, best of three; "CPU" is processor time, which a busy machine doesn't falsify. Compared
with a decoder that takes one latent of one image at a time, in plain numpy (slow_decoder.py): on the
beginning of the file, every latent checked, then scaled by the number of latents. OPENBLAS_NUM_THREADS=1: one
core.
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
import numpy as np
from slow_decoder import SlowDecoder

import rudcodec
from rudcodec import bitstream
from rudcodec.bitstream.limits import level_sizes
from rudcodec.memory import peak_memory
from rudcodec.payload import (
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

SLOW_SECONDS = 5.0


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
    return Payload(names, (Model(architecture, (group,)),), tuple(segments), recipe)


def random_tensor(rng: np.random.Generator, shape: tuple[int, ...], spread: float, exponent: int) -> QTensor:
    """Normally distributed integers."""
    return QTensor(np.rint(rng.normal(size=shape) * spread).astype(np.int32), exponent)


def one_image_payload() -> Payload:
    """A single image of 32 x 32."""
    payload = random_payload(32, 50, 6)
    latents = tuple(grid[:1] for grid in payload.segments[0].latents)
    return replace(payload, segments=(Segment((1,) + (0,) * 9, latents),))


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
    a = payload.models[0].architecture
    images = sum(sum(segment.counts) for segment in payload.segments)
    latents = sum(grid.size for segment in payload.segments for grid in segment.latents)
    pixels = images * a.height * a.width
    slow_total = slow_seconds * latents / num_decoded
    cpu = measured.cpu
    megabytes = f"pixels {pixels * a.channels / 1e6:.0f} MB, latents {4 * latents / 1e6:.0f} MB"
    lines = (
        (
            f"\n{path.name}: {images:,} images of {a.width} x {a.height}, {latents:,} latents, "
            f"{len(data):,} bytes, {8 * len(data) / latents:.2f} bits a latent"
        ),
        (
            f"  to pixels    {measured.wall:.3f} s, CPU {cpu:.3f} s (latents {measured.latents:.3f}, "
            f"synthesis {cpu - measured.latents:.3f}); CPU {measured.cold:.3f} s the first time in a process"
        ),
        f"  rate         {pixels / cpu / 1e6:.2f} Mpixel/s, {latents / cpu:,.0f} latents/s (CPU)",
        f"  peak memory  {measured.peak / 1e6:.0f} MB (in it {megabytes})",
        (
            f"  slow decoder {num_decoded / slow_seconds:,.0f} latents/s ({num_decoded:,} decoded, all equal)"
            f"; {slow_total:,.0f} s for the file's"
        ),
        (
            f"  ratio        {slow_total / measured.latents:,.0f} for latents; {slow_total / cpu:,.0f} for "
            "the way to pixels, against the slow decoder's latents alone"
        ),
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
