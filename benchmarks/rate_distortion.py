"""Where the codec itself stands: PSNR of warm-up alone against AVIF, same real images, same bytes.

    python benchmarks/rate_distortion.py SRC --bpc 50k --ipc 50

Prints bits per pixel (all bytes of the file count, networks and head too) and PSNR in dB of the decoded
images against the real ones they were made from, and the same for these images tiled in one AVIF picture.
"""

from __future__ import annotations

import time

import click
import numpy as np

from rudcodec import bitstream
from rudcodec.baselines import PictureBudget, psnr, real_images
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.distill import Settings, distill
from rudcodec.distill.assemble import segment_sizes
from rudcodec.distill.selection import choose_images
from rudcodec.nets.device import pick_device
from rudcodec.students import default_recipe


@click.command()
@click.argument("source")
@click.option("--bpc", type=amount, required=True)
@click.option("--ipc", type=int, required=True)
@click.option("--seed", type=int, default=0)
def main(source: str, bpc: float, ipc: int, seed: int) -> None:
    data = load(source, "train")
    start = time.monotonic()
    data_bytes = bitstream.encode(
        distill(data, Settings(bpc=bpc, ipc=ipc, labels="hard", seed=seed, joint=0))
    )
    seconds = time.monotonic() - start
    _, decoded = bitstream.decode_images(data_bytes)

    # Selection is deterministic; segments take every n-th image of a class.
    chosen = choose_images(data, ipc, default_recipe(data), seed, pick_device())
    parts = len(segment_sizes(ipc))
    number = np.arange(len(chosen)) % ipc
    order = np.concatenate([np.flatnonzero(number % parts == s) for s in range(parts)])
    real = data.images[chosen]

    pixels = real.shape[0] * real.shape[1] * real.shape[2]
    print(f"{len(real)} images, {ipc} a class, encoded in {seconds:.0f} s")
    print(f"rudcodec  {8 * len(data_bytes) / pixels:.3f} bpp  {psnr(real[order], decoded):.2f} dB")
    same = LabelledImages(real, data.labels[chosen], data.classes, "chosen images")
    for avif in real_images(same, PictureBudget("avif", len(data_bytes), (ipc,)), seed):
        print(f"AVIF q{avif.quality}  {avif.bpp:.3f} bpp  {avif.psnr:.2f} dB")


if __name__ == "__main__":
    main()
