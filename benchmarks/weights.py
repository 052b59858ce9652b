"""What network weights cost, and what their rounding does: bits a weight, PSNR and rate before and after.

    python benchmarks/weights.py digits --bpc 2500 --ipc 20
    python benchmarks/weights.py cifar10.zip --bpc 10k --ipc 20

One encode without a joint phase. "Before": the networks as trained; "after": as integers for the first time,
with the same rounded latents. "File": what is decoded in the end, its latents tuned to the integer networks;
the weights are the file's. PSNR in dB against the real images; bits a weight include each tensor's exponent
and table scale.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import click
import numpy as np
import torch
from trials_common import Script, run_of

from rudcodec import bitstream
from rudcodec.bitstream.weights import tensor_bits
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.display import ProgressView
from rudcodec.distill import Settings
from rudcodec.distill.encoder_state import EncoderState
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.payload_builder import segment_rows
from rudcodec.distill.pipeline import run_stages
from rudcodec.distill.quality import to_pixels
from rudcodec.payload import Group
from rudcodec.psnr import psnr


class Point(NamedTuple):
    """Rate and distortion of rounded latents under the networks as they are."""

    bpp: float
    psnr: float


def measure(encoder: EncoderState) -> Point:
    """Where the encoder stands now."""
    bits, decoded, real = 0.0, [], []
    with torch.no_grad():
        for chunk in encoder.chunks:
            levels = [level.round() for level in chunk.levels]
            bits += float(encoder.model.bits(chunk, levels).sum())
            decoded.append(to_pixels(encoder.model.images(chunk, levels)))
            real.append(to_pixels(encoder.initial_images[chunk.index]))
    return Point(bits / encoder.num_pixels, psnr(np.concatenate(real), np.concatenate(decoded)))


def print_tensors(groups: tuple[Group, ...]) -> None:
    """Print a table of the first group's tensors, and the sum of all."""
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


@click.command(cls=Script)
@click.argument("source")
@click.option("--bpc", type=amount, required=True, help="Budget in bits per class.")
@click.option("--ipc", type=int, required=True, help="Images per class.")
@click.option("--warmup", type=int, default=40, help="Epochs of rate and distortion (40).")
@click.option("--seed", type=int, default=0)
def main(source: str, bpc: float, ipc: int, warmup: int, seed: int) -> None:
    """Measure what quantization does to the networks of one encode of SOURCE."""
    settings = Settings(bpc=bpc, ipc=ipc, labels="hard", warmup=warmup, joint=0, seed=seed)
    inputs = resolve_inputs(load(source, "train"), None, settings)
    with ProgressView() as view:
        encoding = Encoding(inputs, run_of(seed, view))
        run_stages(encoding, "warm-up 2")
        before = measure(encoding.encoder)
        start = time.process_time()
        run_stages(encoding, "quantize 1")
        seconds = time.process_time() - start
        after = measure(encoding.encoder)
        run_stages(encoding)
    payload = encoding.final_payload()
    file = bitstream.encode(payload)
    selected = encoding.initial_images
    real = selected.images[np.concatenate(segment_rows(len(selected), ipc))]
    print_tensors(payload.models[0].groups)
    print(f"before    {before.bpp:.4f} bpp of latents, {before.psnr:.2f} dB")
    print(f"after     {after.bpp:.4f} bpp of latents, {after.psnr:.2f} dB, {seconds:.0f} s of CPU time")
    print(
        f"change    {100 * (after.bpp / before.bpp - 1):+.2f} % of rate, {after.psnr - before.psnr:+.3f} dB"
    )
    bpp = 8 * len(file) / encoding.encoder.num_pixels
    print(f"file      {bpp:.4f} bpp in all, {psnr(real, bitstream.decode_images(file)[1]):.2f} dB")


if __name__ == "__main__":
    main()
