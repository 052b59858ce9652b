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
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest import mock

import click
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from trials_common import Script

from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.distill import Settings
from rudcodec.distill.chunks import default_chunk_size
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.estimate import TimingJournal, timed_stages
from rudcodec.distill.inputs import Inputs, resolve_inputs
from rudcodec.label_network import training as label_training
from rudcodec.nets import speed
from rudcodec.nets.device import pick_device
from rudcodec.runs import Journal, RunContext, Stateful
from rudcodec.utility import network_pool

WITHOUT = {
    "has_fast_bf16": ["rudcodec.nets.speed"],
    "has_compiler": ["rudcodec.nets.speed", "rudcodec.utility.mm", "rudcodec.label_network.training"],
}
"""What fast code asks for, and the modules that ask."""

J = TypeVar("J", bound=Journal)

PRODUCTS = 10  # large ones, of which the fastest counts
COLUMNS = (">steps/s", ">images/s", ">eager float32", ">ratio", ">GFLOP", ">GB moved", ">of the peak")

Numbers = tuple[float, float]
"""Of a stage: seconds a step and images a step; or floating-point operations and bytes moved of a step."""


class TrafficCounter(TorchDispatchMode):
    """Counts the bytes that operations read and write; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, result))
            tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


class CountingJournal(Journal):
    """A journal whose loops end after a few steps, having counted what a step does.

    ``operations`` and ``bytes`` of a step of the last loop.
    """

    STEPS = 4

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0.0

    def steps(self, count: int, loop: Stateful | None = None) -> Iterator[int]:
        steps = min(count, self.STEPS)
        with TrafficCounter() as traffic, FlopCounterMode(display=False) as counter:
            yield from range(steps)
        self.operations, self.bytes = counter.get_total_flops() / steps, traffic.bytes / steps


@dataclass(frozen=True)
class Measurement:
    """What each stage of an encode takes; everything is done in a process of its own.

    What the allocator and the compiler have been told can't be taken back.
    """

    source: str
    bpc: float
    device: str

    def in_subprocess(self, mode: str) -> dict[str, Numbers]:
        """Of each stage, the numbers of a mode of :func:`main`."""
        options = ["--bpc", str(self.bpc), "--device", self.device, "--mode", mode]
        output = subprocess.check_output([sys.executable, __file__, self.source, *options])
        numbers: dict[str, Numbers] = json.loads(output)
        return numbers

    def time_steps(self) -> dict[str, Numbers]:
        """Seconds a step and images a step."""
        numbers: dict[str, Numbers] = {}
        for inputs, name, journal in self._stages(TimingJournal):
            numbers[name] = journal.seconds_per_step, self._images_of_step(inputs, name)
        return numbers

    def count_steps(self) -> dict[str, Numbers]:
        """Floating-point operations and bytes moved of a step."""
        return {
            name: (journal.operations, journal.bytes) for _, name, journal in self._stages(CountingJournal)
        }

    def _stages(self, kind: type[J]) -> Iterator[tuple[Inputs, str, J]]:
        """Each stage that is timed, after some of its steps, with the journal (of a ``kind``) that saw them.

        All stages are those of an encode with hard labels, and the training of a label network.
        """
        train = load(self.source, "train")
        for labels in ("network", "hard"):
            inputs = self._inputs(train, labels)
            journal = kind()
            for name in timed_stages(Encoding(inputs, RunContext(self.device, journal=journal))):
                yield inputs, name, journal
                if labels == "network":
                    break  # the stages of images come with hard labels

    def _inputs(self, train: LabelledImages, labels: str) -> Inputs:
        return resolve_inputs(train, None, Settings(bpc=self.bpc, labels=labels))

    def _images_of_step(self, inputs: Inputs, stage: str) -> int:
        if stage == "label network":
            return label_training.BATCH_SIZE
        if stage == "utility networks":
            return network_pool.BATCH_SIZE
        images = inputs.allocate(0.0).ipc * inputs.num_classes
        if stage.startswith("warm-up"):
            return min(images, default_chunk_size(images, pick_device(self.device)))
        return min(images, inputs.settings.utility_images)


def peak(device: torch.device) -> float:
    """Operations a second of a large product, in the number format that training takes."""
    dtype = torch.bfloat16 if speed.has_fast_bf16(device) else torch.float32
    side = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(PRODUCTS):
        start = time.monotonic()
        product = a @ b
        float(product[0, 0])  # waits for a GPU
        best = min(best, time.monotonic() - start)
    return 2 * side**3 / best


@click.command(cls=Script)
@click.argument("source")
@click.option("--bpc", type=amount, required=True, help="Budget in bits per class.")
@click.option("--device", default="auto", help="Where to compute (auto).")
@click.option("--mode", type=click.Choice(["table", "fast", "plain", "count"]), default="table", hidden=True)
def main(source: str, bpc: float, device: str, mode: str) -> None:
    """Time the stages of an encode of SOURCE."""
    measurement = Measurement(source, bpc, device)
    if mode == "table":
        print_measurements(measurement, pick_device(device))
        return
    with ExitStack() as stack:
        if mode != "fast":
            for name, modules in WITHOUT.items():
                for module in modules:
                    stack.enter_context(mock.patch(f"{module}.{name}", return_value=False))
            stack.enter_context(mock.patch("rudcodec.runs.context.keep_freed_memory"))
        print(json.dumps(measurement.count_steps() if mode == "count" else measurement.time_steps()))


def print_measurements(measurement: Measurement, device: torch.device) -> None:
    """Measure, and print the table."""
    fast, plain, work = (measurement.in_subprocess(mode) for mode in ("fast", "plain", "count"))
    best = peak(device)
    rows = []
    for stage, (seconds, images) in fast.items():
        plain_seconds, _ = plain[stage]
        operations, moved = work[stage]
        rows.append(
            (
                stage,
                f"{1 / seconds:.2f}",
                f"{images / seconds:,.0f}",
                f"{1 / plain_seconds:.2f}",
                f"{plain_seconds / seconds:.2f}",
                f"{operations / 1e9:,.1f}",
                f"{moved / 1e9:,.2f}",
                f"{100 * operations / best / seconds:.0f} %",
            )
        )
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else f"{torch.get_num_threads()} threads"
    print(f"large products: {best / 1e9:,.0f} GFLOP/s, {name}")
    print_table(("stage", *COLUMNS), rows)


if __name__ == "__main__":
    main()
