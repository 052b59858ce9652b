"""Utilities on trial: what experiments/2026-11-utilities.md compares.

    python benchmarks/utility_trials.py SRC --bpc 15k --ipc 30 --trial none --trial dm --trial mm,steps=400

Real images are selected and coded at a budget by rate and distortion once: these are the stages of ``compress
--labels hard`` up to the end of warm-up. Each trial goes on from there through the stages up to the end of
the joint phase, of ``joint`` epochs or for so many ``seconds`` (what the utility learns and prepares
included), and students with hard labels are trained on what the latents, rounded, decode to. There is no
file: networks stay in floating point, and the rate is the context network's; as in every encode, the joint
phase may spend some more bits than the budget has. All are judged on the last tenth of each class of the
train split, which is left out of everything else: the validation split stays untouched.

A trial is a utility (``none``, dm, gm, mm, or one of ``ALTERNATIVES``) and changes: of ``joint`` (300)
or ``seconds``, of the settings balance and utility_images (all), and of the utility's own options.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import click
from trials_common import Script, parse_pairs, run_of, split_for_trials

from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.distill import Settings
from rudcodec.distill.encoding import Encoding
from rudcodec.distill.estimate import TimingJournal
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.pipeline import run_stages
from rudcodec.distill.quality import to_pixels
from rudcodec.errors import SettingError
from rudcodec.evaluation import evaluate
from rudcodec.options import options_of, parse_amount
from rudcodec.plugins import UTILITIES
from rudcodec.runs import RunContext
from rudcodec.settings import NO_UTILITY, parse_settings
from rudcodec.text import percent

SETTINGS = ("joint", "balance", "utility_images")  # that a trial may change: the others come before it
MIN_EPOCHS = 5
ALTERNATIVES = {
    "characteristic": "utility_alternatives:CharacteristicFunctions",
    "last_layer": "utility_alternatives:LastLayerGradients",
    "channels": "utility_alternatives:ChannelMoments",
    "gradients": "utility_alternatives:WeightGradients",
    "two_networks": "moment_variants:TwoNetworks",
    "covariances": "moment_variants:Covariances",
    "regression": "regression_utility:Regression",
}
for _name, _attribute in ALTERNATIVES.items():
    UTILITIES.add(_name, _attribute)


@dataclass(frozen=True)
class Trial:
    """One line of the table.

    Attributes:
        text: as it was asked for.
        settings: of its encode.
        seconds: that it may take, instead of a number of epochs.
    """

    text: str
    settings: Settings
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str, settings: Settings) -> Trial:
        """``"mm,steps=400"``, by which some of ``settings`` change. Raises SettingError."""
        name, _, rest = text.partition(",")
        pairs = parse_pairs(rest)
        if name == NO_UTILITY:
            settings = replace(settings, joint=0)
            own: tuple[str, ...] = ()
        else:
            own = tuple(field.name for field, _ in options_of(UTILITIES.load(name).Options))
        seconds = pairs.pop("seconds", None)
        for key in pairs:
            if key not in (*own, *SETTINGS):
                raise SettingError(f"{key}: a trial of {name} has only {', '.join((*own, *SETTINGS))}")
        changes = parse_settings((f"{name}.{key}" if key in own else key, pairs[key]) for key in pairs)
        settings = replace(settings, utility=name, **changes)
        return cls(text, settings, None if seconds is None else parse_amount(seconds))


def branch(encoding: Encoding, settings: Settings, run: RunContext) -> Encoding:
    """An encoding that goes on, with other settings, from where another one stands, which stays there."""
    inputs = replace(encoding.inputs, settings=settings)
    other = Encoding(inputs, run)
    other.results |= encoding.results
    other.encoder.restore(encoding.encoder.state())
    run.restore(encoding.run.state())
    return other


class Trials:
    """Images coded by rate and distortion, from which every trial begins.

    Args:
        train: what is encoded.
        judge: what students are judged on.
        students: arguments of :func:`rudcodec.evaluate`.
        view: shows progress.
    """

    def __init__(
        self,
        train: LabelledImages,
        judge: LabelledImages,
        students: dict[str, Any],
        view: ProgressView,
    ) -> None:
        self._train, self._judge, self._students, self._view = train, judge, students, view
        self._warm: dict[tuple[int, int, int], Encoding] = {}

    def run(self, trial: Trial) -> str:
        """The trial's line of the table."""
        encoding = self._branch(self._warm_for(trial.settings), trial.settings)
        start = time.monotonic()
        joint = trial.settings.joint
        seconds = 0.0
        if trial.settings.utility != NO_UTILITY:
            run_stages(encoding, "utility networks")
            seconds = time.monotonic() - start
            if trial.seconds is not None:
                joint = self._epochs_for(encoding, trial.settings, trial.seconds - seconds)
                encoding = self._branch(encoding, replace(trial.settings, joint=joint))
            start = time.monotonic()
            run_stages(encoding, "joint")
            seconds += time.monotonic() - start
        encoder, real = encoding.encoder, encoding.inputs.real
        bits = encoder.overhead_bits + encoder.all_coded_bits()
        decoded = LabelledImages(
            to_pixels(encoder.decode_all()),
            encoding.initial_images.labels,
            real.classes,
            trial.text.partition(",")[0],
        )
        recipe = encoding.inputs.recipe
        result = evaluate(decoded, self._judge, recipe=recipe, progress=self._view, **self._students)
        return (
            f"{trial.text}  {bits / len(real.classes):,.0f} bpc  {joint} epochs, {seconds:.0f} s  "
            f"{percent(result.mean, result.std)}  ({result.seconds:.0f} s)"
        )

    def _warm_for(self, settings: Settings) -> Encoding:
        """At the end of warm-up, with images chosen and divided as the trial's utility wants it; those of
        another trial that wants the same."""
        encoding = Encoding(resolve_inputs(self._train, None, settings), run_of(settings.seed, self._view))
        key = encoding.num_clusters, settings.utility_images, int(encoding.turns.max())
        if key not in self._warm:
            encoding.results["utility networks"] = None  # each trial learns by its own options
            run_stages(encoding, "warm-up 2")
            del encoding.results["utility networks"]
            self._warm[key] = encoding
        return self._warm[key]

    def _branch(self, encoding: Encoding, settings: Settings) -> Encoding:
        return branch(encoding, settings, run_of(settings.seed, self._view))

    def _epochs_for(self, encoding: Encoding, settings: Settings, seconds: float) -> int:
        """How many epochs of the joint phase, and what the utility prepares, take about so many seconds."""
        journal = TimingJournal()
        timed = branch(encoding, settings, RunContext(seed=settings.seed, journal=journal))
        start = time.monotonic()
        assert timed.utility_term is not None  # which prepares it
        seconds -= time.monotonic() - start
        run_stages(timed, "joint")
        return max(MIN_EPOCHS, round(seconds * settings.joint / journal.seconds_expected))


@click.command(cls=Script)
@click.argument("source")
@click.option("--bpc", type=amount, required=True, help="Budget in bits per class.")
@click.option("--ipc", type=int, help="Images per class; by default what suits the budget.")
@click.option("--warmup", type=int, default=120, help="Epochs before the trials (120).")
@click.option("--trial", "trials", multiple=True, required=True, help="none, dm, mm,steps=400, ...")
@click.option("--seeds", type=int, default=2, help="Students of each trial (2).")
@click.option("--steps", type=int, default=400, help="Of a student (400).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--flip/--no-flip", default=None, help="Whether a mirrored image keeps its label.")
def main(
    source: str,
    bpc: float,
    ipc: int | None,
    warmup: int,
    trials: tuple[str, ...],
    flip: bool | None,
    **students: Any,
) -> None:
    """Compare utilities on images of SOURCE's train split."""
    settings = Settings(
        bpc=bpc, ipc=ipc, labels="hard", warmup=warmup, joint=300, flip=flip, utility_images=10**6
    )
    parsed = [Trial.parse(text, settings) for text in trials]
    train, judge = split_for_trials(load(source, "train"))
    with ProgressView() as view:
        warm = Trials(train, judge, students, view)
        for trial in parsed:
            print(warm.run(trial), flush=True)


if __name__ == "__main__":
    main()
