"""How fast the stages of an encode are, beside the same steps eager and in float32.

    python benchmarks/encode.py SRC --bpc 50k

Steps a second and images a second of each stage, the compiler's work left out. The other way has no bfloat16
and no compiler, and memory goes back to the system after each step, as torch does by itself. Both in one run;
only the ratio means something on another machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import torch

from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.distill import Progress, Settings
from rudcodec.distill.begin import label_network, planned_images, planned_network
from rudcodec.distill.estimate import Rehearsal, rehearse
from rudcodec.distill.images import first_images
from rudcodec.labels import training as label_training
from rudcodec.nets import speed
from rudcodec.student import default_recipe

CPU = torch.device("cpu")


def _silent(progress: Progress) -> None:
    pass


def measure(source: str, bpc: float, plain: bool) -> dict[str, tuple[float, int]]:
    """Seconds a step and images a step, of each stage."""
    if plain:
        speed.has_fast_bf16 = lambda device: False
        label_training.COMPILE_FROM = 10**12
    else:
        speed.keep_freed_memory()
    data = load(source, "train")
    settings = Settings(bpc=bpc)
    recipe = default_recipe(data)
    rehearsal = Rehearsal()
    label_network(data, planned_network(data, settings)[0], settings, recipe, CPU, _silent, rehearsal)
    found = {"label network": (rehearsal.seconds_a_step, label_training.BATCH)}
    planned = planned_images(data, settings, "hard")
    images = planned.ipc * len(data.classes)
    first = first_images(data, planned.ipc)
    for stage, rehearsal in rehearse(data, first, planned, settings, recipe, CPU, _silent).items():
        size = settings.chunk if stage == "warm-up" else settings.utility_images
        found[stage] = (rehearsal.seconds_a_step, min(images, size))
    return found


@click.command()
@click.argument("source")
@click.option("--bpc", type=amount, required=True)
@click.option("--plain", is_flag=True, hidden=True)
@click.option("--measure", "only", is_flag=True, hidden=True)
def main(source: str, bpc: float, plain: bool, only: bool) -> None:
    if only:
        print(json.dumps(measure(source, bpc, plain)))
        return

    def run(*options: str) -> dict[str, tuple[float, int]]:
        # a process of its own: what the allocator was told can't be taken back
        command = [
            sys.executable,
            os.path.abspath(__file__),
            source,
            "--bpc",
            str(bpc),
            "--measure",
            *options,
        ]
        found: dict[str, tuple[float, int]] = json.loads(subprocess.check_output(command))
        return found

    fast, plain_ones = run(), run("--plain")
    rows = [
        (
            stage,
            f"{1 / step:.2f}",
            f"{images / step:,.0f}",
            f"{1 / plain_ones[stage][0]:.2f}",
            f"{plain_ones[stage][0] / step:.2f}",
        )
        for stage, (step, images) in fast.items()
    ]
    print_table(("stage", ">steps/s", ">images/s", ">eager float32", ">ratio"), rows)


if __name__ == "__main__":
    main()
