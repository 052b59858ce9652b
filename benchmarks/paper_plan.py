"""The files that the table of results is to have, and how each is measured: see paper_table.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rudcodec.baselines import Codec
from rudcodec.data import Split

Axis = tuple[str, ...]
# set, what to judge on, budgets in bits per class, label modes, utilities
PLAN: tuple[tuple[str, Split, Axis, Axis, Axis], ...] = (
    ("digits", "val", ("800", "1500", "3k"), ("hard",), ("auto",)),
    ("cifar10", "val", ("15k", "30k", "50k", "100k"), ("hard", "soft", "network"), ("auto",)),
    ("cifar10", "val", ("15k", "50k"), ("hard",), ("none", "dm", "gm")),
    ("fashionmnist", "test", ("10k", "25k", "100k", "250k"), ("hard", "network"), ("auto",)),
    ("cifar100", "val", ("10k", "20k", "70k"), ("hard", "network"), ("auto",)),
    ("imagenette", "val", ("24k", "70k", "150k"), ("hard", "network"), ("auto",)),
)


@dataclass(frozen=True)
class Case:
    """One file to be measured: its set, what to judge on, budget, label mode and utility."""

    name: str
    split: Split
    bpc: str
    labels: str
    utility: str

    @property
    def filters(self) -> list[str]:
        """The options of this script that ask for this case alone."""
        return ["--set", self.name, "--bpc", self.bpc, "--labels", self.labels, "--utility", self.utility]

    @property
    def folder(self) -> str:
        """The name of its folder, which no other case shares, so that both can be measured at once."""
        return f"{self.name}-{self.labels}-{self.utility}-{self.bpc}"

    def command(self, asked: Asked) -> str:
        """What would measure it by hand, which also tells its rows from others."""
        settings = "".join(f" --set {name}={value}" for name, value in asked.settings)
        utility = "" if self.utility == "auto" else f" --utility {self.utility}"
        steps = "" if asked.steps is None else f" --steps {asked.steps}"
        return (
            f"rudcodec compress SRC out.rud --bpc {self.bpc} --labels {self.labels}{utility}{settings}; "
            f"rudcodec eval out.rud --real SRC --split {self.split} --seeds {asked.seeds} "
            f"--width {asked.width}{steps} --baseline {asked.baseline}"
        )


@dataclass(frozen=True)
class Asked:
    """What the command line asks for besides cases.

    Attributes:
        settings: of all encodes.
        seeds, width, steps: of the students; steps None: the recipe's.
        baseline: codec of real images, or none.
        device: where it is computed.
        folder: for files and points.
    """

    settings: tuple[tuple[str, str], ...]
    seeds: int
    width: int
    steps: int | None
    baseline: Codec | str
    device: str
    folder: Path

    @property
    def options(self) -> list[str]:
        """The options of this script that say the same."""
        named = {
            "--seeds": self.seeds,
            "--width": self.width,
            "--steps": self.steps,
            "--device": self.device,
            "--baseline": self.baseline,
            "--folder": self.folder,
        }
        given = [word for name, value in named.items() if value is not None for word in (name, str(value))]
        return given + [word for pair in self.settings for word in ("--setting", "=".join(pair))]


def cases_of(
    sets: tuple[str, ...], bpc: tuple[str, ...], labels: tuple[str, ...], utility: tuple[str, ...]
) -> Iterator[Case]:
    """The cases of the plan that are wanted, with the budgets that are named in place of the plan's."""
    seen = set()
    for name, split, budgets, modes, utilities in PLAN:
        if sets and name not in sets:
            continue
        for case in (Case(name, split, *axes) for axes in product(bpc or budgets, modes, utilities)):
            is_wanted = (not labels or case.labels in labels) and (not utility or case.utility in utility)
            if is_wanted and case not in seen:
                seen.add(case)
                yield case
