"""What an encode will take, from a few timed steps of each of its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from rudcodec.bitstream.limits import latents_per_image, parameters
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.expected_time import expected_seconds
from rudcodec.distill.inputs import Inputs
from rudcodec.distill.pipeline import pipeline
from rudcodec.distill.selection import first_rows
from rudcodec.memory import peak_memory
from rudcodec.runs import Journal, Reporter, RunContext, Stateful, ignore_report

_IMAGE_STAGES = ("warm-up 1", "warm-up 2", "joint", "tuning 1")


@dataclass(frozen=True)
class Estimate:
    """What is going to be encoded, and what that will take.

    Attributes:
        ipc: images per class; ``images``, ``latents``: in all.
        weights: of context and synthesis networks; ``label_weights``: of the label network, or the teacher.
        bpc: the budget in bits per class, estimated where the settings have ``lmbda`` instead.
        smallest_bpc: the smallest one for so many images.
        memory: bytes at the peak, as far as these steps show it.
        seconds: of each stage; ``"rest"`` is a guess by those that train images.
    """

    ipc: int
    images: int
    latents: int
    weights: int
    label_weights: int
    bpc: float
    smallest_bpc: float
    memory: int
    seconds: dict[str, float]


class TimingJournal(Journal):
    """A journal whose loops end after a few steps, having timed them.

    ``seconds_expected`` of the last loop in full, and ``seconds_per_step`` once it is warm.
    """

    WARM, TIMED = 2, 4

    def __init__(self) -> None:
        super().__init__()
        self.seconds_expected = self.seconds_per_step = 0.0

    def steps(self, count: int, loop: Stateful | None = None) -> Iterator[int]:
        start = _synchronized_time()
        yield from range(min(count, self.WARM))
        warm = _synchronized_time()  # a compiler has done its work
        timed = min(max(0, count - self.WARM), self.TIMED)
        yield from range(self.WARM, self.WARM + timed)
        self.seconds_per_step = (_synchronized_time() - warm) / max(1, timed)
        self.seconds_expected = warm - start + self.seconds_per_step * max(0, count - self.WARM)


def _synchronized_time() -> float:
    """The time, after all that a GPU has been given to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.monotonic()


def timed_stages(encoding: Encoding) -> Iterator[str]:
    """Run a few steps of each stage that is timed, of an encode whose journal is a :class:`TimingJournal`.

    Gives the name of each stage when its loop has been timed.
    """
    inputs = encoding.inputs
    # a stand-in: it would take its whole time, and is none of what is timed
    rows = torch.from_numpy(first_rows(inputs.real, encoding.allocation.ipc))
    by_class = torch.from_numpy(inputs.real.labels).argsort(stable=True)
    clusters = torch.empty_like(by_class)
    clusters[by_class] = torch.arange(len(by_class)) % encoding.num_clusters  # none is empty
    encoding.results["selection"] = {"rows": rows, "clusters": clusters}
    for stage in pipeline(inputs):
        if stage.timed and stage.is_needed(encoding):
            result = stage.run(encoding)
            if stage.name == "utility networks":
                encoding.results[stage.name] = result
            yield stage.name


def estimate(inputs: Inputs, report: Reporter = ignore_report) -> Estimate:
    """Time a few steps of each stage of an encode; nothing is written."""
    journal = TimingJournal()
    run = RunContext(inputs.settings.device, inputs.settings.seed, report, journal)
    encoding = Encoding(inputs, run)
    seconds = {}
    for stage in timed_stages(encoding):
        seconds[stage] = journal.seconds_expected
        journal.seconds_expected = 0.0
    seconds["rest"] = _rest(seconds, expected_seconds(inputs))
    memory, term = _peak_memory(run.device), encoding.utility_term
    if term is not None:
        memory += term.utility.further_memory(inputs.real)
    allocation = inputs.planned_allocation
    architecture = allocation.architecture
    images = allocation.ipc * inputs.num_classes
    return Estimate(
        ipc=allocation.ipc,
        images=images,
        latents=images * latents_per_image(architecture),
        weights=inputs.demand().num_groups * parameters(architecture),
        label_weights=inputs.label_mode.num_weights,
        bpc=inputs.settings.bpc,
        smallest_bpc=inputs.smallest_bpc(allocation.ipc),
        memory=memory,
        seconds={stage: value for stage, value in seconds.items() if value},
    )


def _rest(seconds: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """Of what isn't timed, by how the stages that train images compare with what was expected."""
    known = [stage for stage in _IMAGE_STAGES if stage in seconds and stage in expected]
    pace = sum(seconds[stage] for stage in known) / sum(expected[stage] for stage in known)
    return pace * sum(value for stage, value in expected.items() if stage not in seconds)


def _peak_memory(device: torch.device) -> int:
    """Of this process on a CPU, of its tensors on CUDA."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
