"""What a run carries along."""

from __future__ import annotations

import torch

from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import keep_freed_memory
from rudcodec.runs.checkpoints import State
from rudcodec.runs.journal import Journal
from rudcodec.runs.learnt import Learnt
from rudcodec.runs.ranks import Ranks
from rudcodec.runs.reports import Reporter, StageReport, ignore_report


class RunContext:
    """Device, reporter, journal and random generators of one run.

    Args:
        device: a torch device, or ``"auto"``.
        seed: of everything random.
        reporter: takes progress reports.
        journal: by default one without checkpoints.
        learnt: what other runs on the set have learnt; by default nothing.

    Attributes:
        rounding_generator: of the noise of soft rounding, on the device.
        utility_generator: of utilities' draws, on the CPU: a GPU's numbers would have to be waited for.
    """

    def __init__(
        self,
        device: str | torch.device = "auto",
        seed: int = 0,
        reporter: Reporter = ignore_report,
        journal: Journal | None = None,
        learnt: Learnt | None = None,
    ) -> None:
        self.device = pick_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.seed = seed
        self.reporter = reporter
        self.journal = journal or Journal()
        self.learnt = learnt or Learnt()
        self.rounding_generator = torch.Generator(self.device).manual_seed(seed)
        self.utility_generator = torch.Generator().manual_seed(seed)
        self.journal.register("random generators", self)

    @property
    def ranks(self) -> Ranks:
        """The processes that share the run."""
        return self.journal.ranks

    def stage_report(self, stage: str) -> StageReport:
        """What reports the steps of a stage."""
        return StageReport(self.reporter, stage)

    def state(self) -> State:
        return [self.rounding_generator.get_state(), self.utility_generator.get_state()]

    def restore(self, state: State) -> None:
        rounding, utility = state
        self.rounding_generator.set_state(rounding)
        self.utility_generator.set_state(utility)
