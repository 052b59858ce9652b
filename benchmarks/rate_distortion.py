"""Where the codec itself stands: PSNR of warm-up alone against picture codecs, same real images, same bytes.

    python benchmarks/rate_distortion.py SRC --bpc 50k --ipc 50
    python benchmarks/rate_distortion.py SRC --bpc 10k --bpc 25k --bpc 50k --ipc 50 --curves DIR
    python -m compressai.utils.plot -f DIR/*.json -o curves.png

Prints bits per pixel (all bytes of the file count, networks and head too) and PSNR in dB of the decoded
images against the real ones they were made from, and the same for these images tiled in one picture of each
``--codec`` (AVIF): also one of compressai's pretrained models, whose weights don't count. ``--curves`` writes
a JSON file for each codec, as compressai's own results are written and its plots read.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np
from trials_common import Script, run_of

from rudcodec import bitstream
from rudcodec.baselines import Codec, PictureBudget, real_images
from rudcodec.baselines.codecs import CODECS, check_codec
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.distill import Settings
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.payload_builder import segment_rows
from rudcodec.distill.pipeline import run_stages
from rudcodec.errors import BudgetError
from rudcodec.psnr import psnr

# bits per pixel and PSNR in dB, by codec
Curves = dict[str, list[tuple[float, float]]]


@click.command(cls=Script)
@click.argument("source")
@click.option("--bpc", type=amount, multiple=True, required=True, help="Budgets in bits per class.")
@click.option("--ipc", type=int, required=True, help="Images per class.")
@click.option("--codec", type=click.Choice(CODECS), multiple=True, default=("avif",), help="To compare with.")
@click.option("--curves", type=click.Path(path_type=Path), help="Folder for the points as JSON.")
@click.option("--seed", type=int, default=0)
def main(
    source: str, bpc: tuple[float, ...], ipc: int, codec: tuple[Codec, ...], curves: Path | None, seed: int
) -> None:
    """Compare the codec with others on real images of SOURCE."""
    for name in codec:
        check_codec(name)
    train = load(source, "train")
    measured: Curves = {name: [] for name in ("rudcodec", *codec)}
    for budget in sorted(bpc):
        settings = Settings(bpc=budget, ipc=ipc, labels="hard", seed=seed, joint=0)
        _measure(train, settings, codec, measured)
    if curves is not None:
        _write(measured, curves)


def _measure(train: LabelledImages, settings: Settings, codecs: tuple[Codec, ...], measured: Curves) -> None:
    """Add a point to each curve."""
    with ProgressView() as view:
        start = time.monotonic()
        encoding = Encoding(resolve_inputs(train, None, settings), run_of(settings.seed, view))
        run_stages(encoding)
        file = bitstream.encode(encoding.final_payload())
        seconds = time.monotonic() - start
    _, decoded = bitstream.decode_images(file)
    selected, ipc = encoding.initial_images, encoding.initial_images.ipc_counts()[0]
    real = selected.images[np.concatenate(segment_rows(len(selected), ipc))]
    print(f"{len(real)} images, {ipc} a class, encoded in {seconds:.0f} s")
    bpp, fidelity = 8 * len(file) / (len(real) * train.height * train.width), psnr(real, decoded)
    print(f"rudcodec  {bpp:.3f} bpp  {fidelity:.2f} dB")
    measured["rudcodec"].append((bpp, fidelity))
    for codec in codecs:
        try:
            (best,) = real_images(selected, PictureBudget(codec, len(file), (ipc,)), settings.seed)
        except BudgetError as error:
            print(error)
            continue
        print(f"{codec} q{best.quality}  {best.bpp:.3f} bpp  {best.psnr:.2f} dB")
        measured[codec].append((best.bpp, best.psnr))


def _write(measured: Curves, folder: Path) -> None:
    """A file for each codec, in the form of ``compressai.utils.eval_model``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, points in measured.items():
        results = {"bpp": [bpp for bpp, _ in points], "psnr-rgb": [fidelity for _, fidelity in points]}
        text = json.dumps({"name": name, "results": results}, indent=1)
        (folder / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
