"""What network weights cost, and what their rounding does: bits a weight, PSNR and rate before and after.

    python benchmarks/weights.py digits --bpc 2500 --ipc 20
    python benchmarks/weights.py cifar10.zip --bpc 10k --ipc 20

One encode without a joint phase. "Before": the networks as trained; "after": as integers, with the same
rounded latents. "File": what is decoded in the end, its latents tuned to the integer networks. PSNR in dB
against the real images; bits a weight include each tensor's exponent and table scale.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import click
import torch

from rudcodec import bitstream
from rudcodec.baselines import psnr
from rudcodec.bitstream.weights import tensor_bits
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.distill import Settings, encode
from rudcodec.distill.assemble import segment_sizes
from rudcodec.distill.integers import Exponents, integer_groups, quantize_networks
from rudcodec.distill.training import Training
from rudcodec.model.synthesis import to_grey_levels
from rudcodec.payload import Group


class Point(NamedTuple):
    """Rate and distortion of rounded latents under the networks as they are."""

    bpp: float
    psnr: float


def grey(images: torch.Tensor) -> torch.Tensor:
    return to_grey_levels(images).round().to(torch.uint8)


def measure(training: Training) -> Point:
    bits, decoded, real = 0.0, [], []
    with torch.no_grad():
        for chunk in training.chunks:
            levels = [y.round() for y in chunk.levels]
            bits += float(training.model.bits(chunk, levels).sum())
            decoded.append(grey(training.model.images(chunk, levels)))
            real.append(grey(training.images[chunk.index]))
    return Point(bits / training.pixels, psnr(torch.cat(real).numpy(), torch.cat(decoded).numpy()))


class Watcher:
    """Stands in for the encoder's post-quantization; what it saw last is what went into the file."""

    def __call__(self, training: Training) -> Exponents:
        start = time.process_time()
        self.training = training
        self.before = measure(training)
        exponents = quantize_networks(training)
        self.groups = integer_groups(training.model, exponents)
        self.after = measure(training)
        self.seconds = time.process_time() - start
        return exponents


def print_tensors(groups: tuple[Group, ...]) -> None:
    """A table of the first group's tensors, and the sum of all."""
    tensors = [
        (f"{name} {i} {kind}", getattr(layer, kind))
        for group in groups
        for name in ("context", "synthesis")
        for i, layer in enumerate(getattr(group, name))
        for kind in ("weight", "bias")
    ]
    for name, tensor in tensors[: len(tensors) // len(groups)]:
        bits = tensor_bits(tensor.values)
        shape = " x ".join(map(str, tensor.values.shape))
        print(f"  {name:20} {shape:16} step 2^-{tensor.exponent:<3} {bits / tensor.values.size:6.2f} bits")
    total = sum(tensor_bits(tensor.values) for _, tensor in tensors)
    count = sum(tensor.values.size for _, tensor in tensors)
    print(f"weights   {count:,} of {total / count:.2f} bits each, {total / 8:,.0f} bytes")


@click.command()
@click.argument("source")
@click.option("--bpc", type=amount, required=True)
@click.option("--ipc", type=int, required=True)
@click.option("--warmup", type=int, default=40)
@click.option("--seed", type=int, default=0)
def main(source: str, bpc: float, ipc: int, warmup: int, seed: int) -> None:
    watcher = Watcher()
    vars(encode)["quantize_networks"] = watcher
    settings = Settings(bpc=bpc, ipc=ipc, labels="hard", warmup=warmup, joint=0, seed=seed)
    data = bitstream.encode(encode.distill(load(source, "train"), settings))

    training = watcher.training
    parts = len(segment_sizes(ipc))
    number = torch.arange(len(training.images)) % ipc
    order = torch.cat([(number % parts == s).nonzero()[:, 0] for s in range(parts)])
    real = grey(training.images[order]).permute(0, 2, 3, 1).numpy()
    print_tensors(watcher.groups)
    before, after = watcher.before, watcher.after
    print(f"before    {before.bpp:.4f} bpp of latents, {before.psnr:.2f} dB")
    print(
        f"after     {after.bpp:.4f} bpp of latents, {after.psnr:.2f} dB, {watcher.seconds:.0f} s of CPU time"
    )
    print(
        f"change    {100 * (after.bpp / before.bpp - 1):+.2f} % of rate, {after.psnr - before.psnr:+.3f} dB"
    )
    bpp = 8 * len(data) / training.pixels
    print(f"file      {bpp:.4f} bpp in all, {psnr(real, bitstream.decode_images(data)[1]):.2f} dB")


if __name__ == "__main__":
    main()
