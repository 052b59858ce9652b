"""Utilities on trial: what docs/utilities.md compares.

    python benchmarks/utility_trials.py SRC --bpc 15k --ipc 30 --trial none --trial dm --trial mm,steps=400

Real images are chosen and coded at a budget by rate and distortion once, as ``compress --labels hard`` does;
then each trial refines them by a utility, ``joint`` passes or for so many ``seconds`` (its preparation
included), and students with hard labels are trained on what the latents, rounded, decode to. There is no
file: networks stay in floating point, and the rate is the context model's. All are judged on the last tenth
of each class of the train split, which is left out of everything else: the validation split stays untouched.

A trial is a utility (``none``, dm, gm, mm, or one of utility_alternatives.py) and changes: of ``joint`` (300)
or ``seconds``, of settings (balance, utility_images), of the pool of networks (runs, steps, snapshots, width)
and of what else the utility takes.
"""

from __future__ import annotations

import copy
import inspect
import time
from dataclasses import fields, replace
from typing import Any

import click
import numpy as np
import torch
import utility_alternatives
from label_trials import changed, pairs_of, parts

from rudcodec.cli.progress import ProgressView
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.distill import Progress, Settings, between
from rudcodec.distill.assemble import Assembly
from rudcodec.distill.begin import planned_images, start_training, weighted
from rudcodec.distill.images import choose
from rudcodec.distill.stage import joint_phase, run_stage, warm_up
from rudcodec.distill.training import Training
from rudcodec.evaluation import evaluate
from rudcodec.model.synthesis import to_grey_levels
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import keep_freed_memory
from rudcodec.payload import Recipe
from rudcodec.runs import Journal
from rudcodec.students import default_recipe
from rudcodec.utility import Utility
from rudcodec.utility.dm import DistributionMatching
from rudcodec.utility.gm import GradientMatching
from rudcodec.utility.mm import MomentMatching
from rudcodec.utility.networks import Pool

UTILITIES: dict[str, type[Utility]] = {
    "dm": DistributionMatching,
    "gm": GradientMatching,
    "mm": MomentMatching,
    **utility_alternatives.ALTERNATIVES,
}


def typed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def utility_of(name: str, recipe: Recipe, pairs: dict[str, Any]) -> Utility:
    """A utility with those of its arguments, and its pool's, that ``pairs`` name; they are taken out."""
    kind = UTILITIES[name]
    takes = inspect.signature(kind).parameters
    own = {key: pairs.pop(key) for key in takes if key in pairs}
    if "pool" in takes:
        of_pool = {f.name: pairs.pop(f.name) for f in fields(Pool) if f.name in pairs}
        own["pool"] = replace(Pool(), **of_pool)
    return kind(recipe, **own)


class Trials:
    """Images coded by rate and distortion, from which every trial begins."""

    def __init__(self, source: str, settings: Settings, view: ProgressView) -> None:
        self.view = view
        self.train, self.judge = parts(load(source, "train"))
        self.device = pick_device(settings.device)
        self.recipe = default_recipe(self.train, flip=settings.flip)
        planned = planned_images(self.train, settings, "hard")
        self.start = choose(
            self.train, planned.ipc, self.recipe, settings.seed, self.device, self.report, Journal()
        )
        self.settings = settings
        self.planned = planned
        training = self.training(None)
        assembly = Assembly(training.model, self.train.classes, "dataset", lambda: self.recipe)
        first, second = warm_up(settings.warmup)
        part = training.journal.part
        part(lambda: between.settle(training))
        part(lambda: run_stage(training, first))
        between.survey(training, assembly, planned.budget)
        part(lambda: run_stage(training, second))
        self.warm = copy.deepcopy(training.state())

    def report(self, progress: Progress) -> None:
        self.view(progress.stage, progress.step, progress.steps)

    def training(self, state: Any) -> Training:
        found = start_training(self.start, self.planned, self.settings, self.device, self.report, Journal())
        if state is not None:
            found.restore(copy.deepcopy(state))
        return found

    def run(self, text: str, students: dict[str, Any]) -> str:
        """A line of the table."""
        name, _, rest = text.partition(",")
        pairs = {key: typed(value) for key, value in pairs_of(rest).items()}
        joint, seconds = pairs.pop("joint", 300), pairs.pop("seconds", None)
        training = self.training(self.warm)
        began = time.monotonic()
        passes = 0
        if name != "none":
            utility = utility_of(name, self.recipe, pairs)
            utility.learn(self.train, self.device, Journal(), lambda *at: self.view("networks", *at))
            utility.prepare(self.train, self.device)
            term = weighted(utility, self.start, self.recipe, changed(self.settings, pairs), self.device)
            prepared = time.monotonic()
            if seconds is not None:  # two passes tell the pace
                run_stage(self.training(self.warm), joint_phase(2), term)
                pace = (time.monotonic() - prepared) / 2
                joint = max(5, round((seconds - (time.monotonic() - began)) / pace))
                term.weight = None
            passes = joint
            run_stage(training, joint_phase(joint), term)
        assert not pairs, f"no such setting: {', '.join(pairs)}"
        took = time.monotonic() - began
        images = between.decoded_images(training)
        bits = training.overhead + sum(float(training.bits_of(chunk)) for chunk in training.chunks)
        pixels = to_grey_levels(images).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        decoded = LabelledImages(np.ascontiguousarray(pixels), self.start.labels, self.train.classes, name)
        found = evaluate(decoded, self.judge, recipe=self.recipe, progress=self.view, **students)
        return (
            f"{text}  {bits / len(self.train.classes):,.0f} bpc  {passes} passes, {took:.0f} s  "
            f"{100 * found.mean:.1f} ± {100 * found.std:.1f} %  ({found.seconds:.0f} s)"
        )


@click.command()
@click.argument("source")
@click.option("--bpc", type=amount, required=True)
@click.option("--ipc", type=int)
@click.option("--warmup", type=int, default=120, help="Passes before the trials (120).")
@click.option("--trial", "trials", multiple=True, required=True, help="none, dm, mm,steps=400, ...")
@click.option("--seeds", type=int, default=2, help="Students of each trial (2).")
@click.option("--steps", type=int, default=400, help="Of a student (400).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--flip/--no-flip", default=None)
def main(
    source: str,
    bpc: float,
    ipc: int | None,
    warmup: int,
    trials: tuple[str, ...],
    flip: bool | None,
    **students: Any,
) -> None:
    keep_freed_memory()
    settings = Settings(bpc=bpc, ipc=ipc, labels="hard", warmup=warmup, flip=flip, utility_images=10**6)
    with ProgressView() as view:
        begun = Trials(source, settings, view)
        for trial in trials:
            print(begun.run(trial, students), flush=True)


if __name__ == "__main__":
    main()
