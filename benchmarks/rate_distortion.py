"""Where the codec itself stands: PSNR of warm-up alone against AVIF, same real images, same bytes.

    python benchmarks/rate_distortion.py SRC --bpc 50k --ipc 50

Prints bits per pixel (all bytes of the file count, networks and head too) and PSNR in dB of the decoded
images against the real ones they were made from, and the same for these images tiled in one AVIF picture.
"""

from __future__ import annotations

import time

import click
import numpy as np
from trials_common import Script, run_of

from rudcodec import bitstream
from rudcodec.baselines import PictureBudget, psnr, real_images
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.distill import Settings
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.payload_builder import segment_rows
from rudcodec.distill.pipeline import run_stages


@click.command(cls=Script)
@click.argument("source")
@click.option("--bpc", type=amount, required=True, help="Budget in bits per class.")
@click.option("--ipc", type=int, required=True, help="Images per class.")
@click.option("--seed", type=int, default=0)
def main(source: str, bpc: float, ipc: int, seed: int) -> None:
    """Compare the codec with AVIF on real images of SOURCE."""
    train = load(source, "train")
    settings = Settings(bpc=bpc, ipc=ipc, labels="hard", seed=seed, joint=0)
    with ProgressView() as view:
        start = time.monotonic()
        encoding = Encoding(resolve_inputs(train, None, settings), run_of(seed, view))
        run_stages(encoding)
        file = bitstream.encode(encoding.final_payload())
        seconds = time.monotonic() - start
    _, decoded = bitstream.decode_images(file)
    selected = encoding.initial_images
    real = selected.images[np.concatenate(segment_rows(len(selected), ipc))]
    pixels = len(real) * train.height * train.width
    print(f"{len(real)} images, {ipc} a class, encoded in {seconds:.0f} s")
    print(f"rudcodec  {8 * len(file) / pixels:.3f} bpp  {psnr(real, decoded):.2f} dB")
    for avif in real_images(selected, PictureBudget("avif", len(file), (ipc,)), seed):
        print(f"AVIF q{avif.quality}  {avif.bpp:.3f} bpp  {avif.psnr:.2f} dB")


if __name__ == "__main__":
    main()
