"""How fast the stages of an encode are, beside the same steps eager and in float32.

    python benchmarks/encode.py SRC --bpc 50k

Steps a second and images a second of each stage, the compiler's work left out, on the GPU if there is one
(else, and with ``--device cpu``, on the CPU). The other way has no bfloat16 and no compiler, and on a CPU
memory goes back to the system after each step, as torch does by itself. Both in one run; only the ratio means
something on another machine.

The arithmetic of a step (products only, as eager operations do them) and what those operations read and write
stand beside it, and how near a step comes to the time that the products alone take in the machine's fastest
large matrix product.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.distill import Progress, Settings
from rudcodec.distill.begin import images_together, label_network, planned_images, planned_network
from rudcodec.distill.estimate import Rehearsal, rehearse, when_done
from rudcodec.distill.images import first_images
from rudcodec.labels import training as label_training
from rudcodec.nets import speed
from rudcodec.student import default_recipe, pick_device
from rudcodec.utility import mm, networks


def _silent(progress: Progress) -> None:
    pass


class _Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = (leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor))
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


class Counting(Rehearsal):
    """Counts what a step does, instead of timing it."""

    def steps(self, count: int) -> Iterator[int]:
        self.begun = True
        with _Traffic() as traffic, FlopCounterMode(display=False) as counter:
            yield from range(self.TIMED)
        self.work = counter.get_total_flops() / self.TIMED, traffic.bytes / self.TIMED


def peak(device: torch.device) -> float:
    """Operations a second of a large product, in the number format that training takes."""
    kind = torch.bfloat16 if speed.has_fast_bf16(device) else torch.float32
    side = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device).to(kind)
    best = float("inf")
    for _ in range(10):
        started = when_done()
        a @ b
        best = min(best, when_done() - started)
    return 2 * side**3 / best


def measure(source: str, bpc: float, plain: bool, count: bool, device: torch.device) -> dict[str, Any]:
    """Of each stage: seconds a step and images a step; or what a step computes, and moves."""
    if plain or count:
        speed.has_fast_bf16 = lambda device: False
        for module in (speed, mm, label_training):
            vars(module)["has_compiler"] = lambda device: False
    elif device.type == "cpu":
        speed.keep_freed_memory()
    kind = Counting if count else Rehearsal
    data = load(source, "train")
    settings = Settings(bpc=bpc)
    recipe = default_recipe(data)
    rehearsal = kind()
    label_network(data, planned_network(data, settings)[0], settings, recipe, device, _silent, rehearsal)
    planned = planned_images(data, settings, "hard")
    images = planned.ipc * len(data.classes)
    first = first_images(data, planned.ipc)
    stages = {"label network": rehearsal}
    stages |= rehearse(data, first, planned, settings, recipe, device, _silent, kind)
    if count:
        return {stage: counted.work for stage, counted in stages.items() if isinstance(counted, Counting)}
    sizes = {"label network": label_training.BATCH, "networks": networks.BATCH}
    sizes["warm-up"] = min(images, images_together(images, device))
    usual = min(images, settings.utility_images)
    return {stage: (rehearsal.seconds_a_step, sizes.get(stage, usual)) for stage, rehearsal in stages.items()}


@click.command()
@click.argument("source")
@click.option("--bpc", type=amount, required=True)
@click.option("--device", default="auto")
@click.option("--plain", is_flag=True, hidden=True)
@click.option("--count", is_flag=True, hidden=True)
@click.option("--measure", "only", is_flag=True, hidden=True)
def main(source: str, bpc: float, device: str, plain: bool, count: bool, only: bool) -> None:
    where = pick_device(device)
    if only:
        print(json.dumps(measure(source, bpc, plain, count, where)))
        return

    def run(*options: str) -> dict[str, tuple[float, float]]:
        # a process of its own: what the allocator was told can't be taken back
        command = [
            sys.executable,
            __file__,
            source,
            "--bpc",
            str(bpc),
            "--device",
            device,
            "--measure",
            *options,
        ]
        found: dict[str, tuple[float, float]] = json.loads(subprocess.check_output(command))
        return found

    fast, plain_ones, work = run(), run("--plain"), run("--count")
    best = peak(where)
    rows = [
        (
            stage,
            f"{1 / step:.2f}",
            f"{images / step:,.0f}",
            f"{1 / plain_ones[stage][0]:.2f}",
            f"{plain_ones[stage][0] / step:.2f}",
            f"{work[stage][0] / 1e9:,.1f}",
            f"{work[stage][1] / 1e9:,.2f}",
            f"{100 * work[stage][0] / best / step:.0f} %",
        )
        for stage, (step, images) in fast.items()
    ]
    kind = torch.cuda.get_device_name(where) if where.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"large products: {best / 1e9:,.0f} GFLOP/s, {kind}")
    columns = (">steps/s", ">images/s", ">eager float32", ">ratio", ">GFLOP", ">GB moved", ">of the peak")
    print_table(("stage", *columns), rows)


if __name__ == "__main__":
    main()
