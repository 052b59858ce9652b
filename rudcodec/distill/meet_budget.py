"""From trained networks and latents to a file that meets its budget, and is as good as what was trained.

Stages in attempts and rounds. An attempt makes the networks integers, tunes the latents, tunes on in short
rounds until the file has 97 to 110 % of the budget, trims it, and checks the file against what was trained.
Where that fails, the next attempt begins anew, otherwise: with another step size and finer integers (coarser
ones where networks and labels take more than half of the budget), and then from the initial model, whose
synthesis is left as it is, and which knows nothing of a utility.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from rudcodec.distill.acceptance import MAX_LOSS, NOTHING_LEFT, loss
from rudcodec.distill.attempt import ATTEMPTS, LAST_RESORT, Attempt, label_images
from rudcodec.distill.quality import Quality, model_psnr
from rudcodec.distill.quantize_networks import quantize_networks
from rudcodec.distill.rounds import update_target
from rudcodec.distill.transitions import adjust_step_size
from rudcodec.errors import BudgetError
from rudcodec.runs import Stage, State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding


def measure_overhead(encoding: Encoding) -> None:
    """Quantize networks on trial, to learn what all but the latents will cost in the file: a stage."""
    encoder = encoding.encoder
    networks = encoder.model.networks
    saved = {name: value.clone() for name, value in networks.state_dict().items()}
    encoding.exponents = quantize_networks(encoder)
    update_target(encoding, encoding.label_images())
    networks.load_state_dict(saved)
    adjust_step_size(encoder)


def remember_training(encoding: Encoding) -> State:
    """What was trained, for attempts to begin from and to be held to: a stage.

    Returns the ``psnr`` of the model against the initial images, the ``rate_ratio`` of its rate to the
    budget's, and the ``snapshot`` that attempts begin with.
    """
    encoder = encoding.encoder
    ratio = encoder.coded_rate() / encoder.target_rate(encoding.allocation.budget_bits)
    return {"psnr": model_psnr(encoding), "rate_ratio": ratio, "snapshot": encoding.snapshot()}


def budget_stages(tuning_epochs: int) -> list[Stage]:
    """Stages that end with a file of the budget."""
    stages = [Stage("training", remember_training)]
    for number in range(1, ATTEMPTS + 1):
        stages += Attempt(number).stages(tuning_epochs)
    stages += Attempt(LAST_RESORT).last_stages()
    return [*stages, Stage("choice", choose_attempt)]


def unbounded_stages(tuning_epochs: int) -> list[Stage]:
    """Stages that end with a file of whatever size."""
    attempt = Attempt(1)
    labels, check = Stage("labels 1", label_images), Stage("check 1", attempt.check)
    return [*attempt.tuning_stages(tuning_epochs), labels, check]


def final_quality(encoding: Encoding) -> Quality:
    """Of the images of the file that is written; the encoding is then as its attempt has left it."""
    check = Attempt(encoding.results.get("choice", 1)).check_of(encoding)
    assert check is not None
    if check.state is not None:
        encoding.exponents, encoding.labels = check.state["exponents"], check.state["labels"]
        encoding.go_back(check.state["snapshot"])
    return check.quality


def choose_attempt(encoding: Encoding) -> int:
    """The number of the attempt whose file is written: a stage.

    Raises BudgetError if none fits, or all have lost too much. Warns where the utility has been in vain.
    """
    number = _best_attempt(encoding)
    if encoding.has_utility and Attempt(number).is_safe:
        warnings.warn(
            "the file holds the images as they were selected, without what the utility has made of them, "
            "which a file of this budget would not keep; more training (warmup), a larger budget (bpc) or "
            "fewer images (ipc) may help",
            RuntimeWarning,
            stacklevel=2,
        )
    return number


def _best_attempt(encoding: Encoding) -> int:
    checks = {n: Attempt(n).check_of(encoding) for n in range(1, LAST_RESORT + 1)}
    fitting = {n: check for n, check in checks.items() if check is not None and check.fits}
    for number, check in fitting.items():
        if check.accepted and number != LAST_RESORT:  # that one may be worse than what came before it
            return number
    if not fitting:
        raise BudgetError(
            "bpc: networks and labels leave no room even for the images' mean colours; a larger budget or "
            "fewer images (ipc) do"
        )
    small = [number for number, check in fitting.items() if check.good and not Attempt(number).is_safe]
    if encoding.has_utility and small:
        return max(small, key=lambda number: fitting[number].target_psnr)
    best = max(fitting, key=lambda number: fitting[number].psnr)
    lost = min(encoding.results["training"]["psnr"], NOTHING_LEFT) - fitting[best].psnr
    if loss(encoding, fitting[best].quality) > 2 * MAX_LOSS:
        raise BudgetError(
            f"bpc: in a file of this budget the images would lose {lost:.1f} dB of what was trained; a "
            "larger budget or fewer images (ipc) keep them"
        )
    return best
