"""Training a label network under ``rate + lmbda * utility``: its code length against its loss on views.

Rounded weights whose entropy is in the loss, after Oktay et al., "Scalable Model Compression by Entropy
Penalized Reparameterization" (ICLR 2020); views and their labels after Beyer et al., "Knowledge distillation:
A good teacher is patient and consistent" (CVPR 2022).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec import views
from rudcodec.data import LabelledImages
from rudcodec.labels.network import LabelNet, centred
from rudcodec.labels.rendering import renderer
from rudcodec.nets.muon import Muon
from rudcodec.nets.speed import autocast, compiled, has_compiler, keep_freed_memory
from rudcodec.nets.transfer import LateNumber, to_device
from rudcodec.payload import LabelLayer, LabelNetwork, ViewRecipe
from rudcodec.runs import Journal, State, restore_optimizer

BATCH = 128
WEIGHT_LR = 0.1  # of Muon, in quantization steps; docs/views.md has others
LINEAR_LR = 0.1
BIAS_LR = 5e-3
SCALE_LR = 2e-2
RISE, FALL = 0.05, 0.7  # of the training: learning rate up, and down at the end
SQUEEZE = (0.1, 0.7)  # of the training: the rate goes from what it is to the target
FIRST_PRICE = 0.015  # of all the target's bits, in nats of loss
PRICES = (1e-4, 100.0)
RESPONSE = 0.2
LIMIT = 0.03
TEMPERATURE = 2.0
COMPILE_FROM = 100_000  # views; below, compiling costs more than it gains
BITS_PER_WEIGHT = (1.38, 3.6)  # fewer cost accuracy, more bring none: docs/views.md
WIDTHS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128)
REPORT_SECONDS = 1.0

Tell = Callable[[int, int, float, float], None]
"""Called with (steps done, steps, loss, bits)."""


@dataclass(frozen=True)
class LabelPlan:
    """``layers``; ``bits`` that the parameters should take, no more than they can use; ``count`` of views to
    train on."""

    layers: tuple[LabelLayer, ...]
    bits: float
    count: int


def plan_for(bits: float, height: int, width: int, count: int) -> LabelPlan:
    """The widest network whose weights have ``BITS_PER_WEIGHT`` each: a stem of half the width, layers that
    halve the image down to eight pixels, and two residual ones that halve it on, while two are left."""
    side = min(height, width)
    middles = max(1, round(math.log2(max(side, 2) / 16)))
    weights = 9 * (middles + 1.5)  # over width^2: 9 for each layer, a half of that behind the stem
    least, most = BITS_PER_WEIGHT
    wide = max((one for one in WIDTHS if weights * one**2 * least <= bits), default=WIDTHS[0])
    stem, middle, end = (max(8, wide // 2), 16, False), (wide, 8, False), (wide, 4, True)
    layers = []
    for out, least_side, residual in (stem, *[middle] * middles, end, end):
        layers.append(LabelLayer(out, side >= least_side, residual))
        side //= 1 + layers[-1].pool
    return LabelPlan(tuple(layers), min(bits, most * weights * wide**2), count)


def train_label_network(
    data: LabelledImages,
    plan: LabelPlan,
    recipe: ViewRecipe,
    seed: int,
    device: torch.device,
    journal: Journal | None = None,
    tell: Tell = lambda step, steps, loss, bits: None,
    students: ViewRecipe | None = None,
) -> LabelNetwork:
    """Train on ``plan.count`` views of real images, so that the parameters take about ``plan.bits`` bits.

    A part of ``journal``'s run. ``recipe``: of the views it is trained on; ``students``: of those that
    students shall draw, if they differ.
    """
    journal = journal or Journal()
    size = (data.height, data.width, data.channels)
    generator = torch.Generator().manual_seed(seed)
    net = LabelNet(plan.layers, size, len(data.classes), generator).to(device)
    training = partial(_train, net, data, plan, recipe, seed, device, journal, tell)
    net.load_state_dict(journal.part(training, everywhere=True))
    return net.quantized(round(16 * TEMPERATURE), students or recipe)


def _train(
    net: LabelNet,
    data: LabelledImages,
    plan: LabelPlan,
    recipe: ViewRecipe,
    seed: int,
    device: torch.device,
    journal: Journal,
    tell: Tell,
) -> dict[str, Tensor]:
    """The trained network's state."""
    if device.type == "cpu":
        keep_freed_memory()
    fast = plan.count >= COMPILE_FROM and has_compiler(device)
    layout = torch.channels_last if fast else torch.contiguous_format
    net = net.to(memory_format=layout)
    render = renderer(fast)
    loss_of = compiled(_loss) if fast else _loss
    bits_of = compiled(LabelNet.bits) if fast else LabelNet.bits
    images = torch.from_numpy(data.images).to(device)
    labels = torch.from_numpy(data.labels).to(device)
    optimizers = _optimizers(net)
    rate, known = _RatePlan(plan.bits), LateNumber()
    journal.attach("label network", _Training(net, optimizers, rate, known))
    mine = journal.ranks.mine(BATCH)
    count = mine.stop - mine.start
    steps = max(2, plan.count // BATCH)
    reported = 0.0
    for step in journal.steps(steps):
        progress = step / steps
        pace = min(1, progress / RISE + 0.05) * min(1, (1 - progress) / FALL)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * pace
        begin = step * BATCH + mine.start
        x, first, second, part = _batch(images, labels, recipe, seed, begin, count, render)
        with autocast(device):
            loss = loss_of(net, x.contiguous(memory_format=layout), first, second, part)
        bits = bits_of(net)
        net.zero_grad(set_to_none=True)
        (loss * (count / BATCH) + rate.weight / journal.ranks.count * bits).backward()
        journal.ranks.add_gradients(list(net.parameters()))
        for optimizer in optimizers:
            optimizer.step()
        spent = known.follow(bits.detach())
        if spent is not None:
            rate.follow(spent, progress)
        if time.monotonic() - reported > REPORT_SECONDS or step + 1 == steps:
            reported = time.monotonic()
            tell(step + 1, steps, float(loss.detach()), float(bits.detach()))
    return net.state_dict()


class _Training:
    """What a checkpoint holds of a label network's training."""

    def __init__(
        self, net: LabelNet, optimizers: list[torch.optim.Optimizer], rate: _RatePlan, bits: LateNumber
    ) -> None:
        self.net, self.optimizers, self.rate, self.bits = net, optimizers, rate, bits

    def state(self) -> State:
        return [
            self.net.state_dict(),
            [optimizer.state_dict() for optimizer in self.optimizers],
            self.rate.weight,
            self.rate.first,
            self.bits.state(),
        ]

    def restore(self, state: State) -> None:
        net, optimizers, self.rate.weight, self.rate.first, bits = state
        self.bits.restore(bits)
        self.net.load_state_dict(net)
        for optimizer, its in zip(self.optimizers, optimizers, strict=True):
            restore_optimizer(optimizer, its)


class _RatePlan:
    """The rate's weight in the loss: steered so that the rate falls to the target on an exponential."""

    def __init__(self, target: float) -> None:
        self.target = target
        self.weight = FIRST_PRICE / target
        self.first: float | None = None

    def follow(self, bits: float, progress: float) -> None:
        self.first = self.first or max(bits, self.target)
        begin, end = SQUEEZE
        done = min(1.0, max(0.0, (progress - begin) / (end - begin)))
        wanted = self.first * (self.target / self.first) ** done
        move = RESPONSE * math.log(bits / wanted)
        price = self.weight * self.target * math.exp(max(-LIMIT, min(LIMIT, move)))
        self.weight = min(max(price, PRICES[0]), PRICES[1]) / self.target


def _batch(
    images: Tensor,
    labels: Tensor,
    recipe: ViewRecipe,
    seed: int,
    start: int,
    count: int,
    render: Callable[[Tensor, views.Draw], Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Views, the classes of both images in each, and the first one's part."""
    height, width = images.shape[1:3]
    drawn = views.draw(recipe, tuple(images.shape), seed, start, count)
    here = views.on_device(drawn, images.device)
    first = labels[here.first.source]
    second, part = first.clone(), torch.ones(count, device=images.device)
    second[here.mixed] = labels[here.second.source]
    part[here.mixed] = to_device(torch.from_numpy(views.first_part(drawn, height, width)), images.device)
    return centred(render(images, here)), first, second, part


def _loss(net: LabelNet, x: Tensor, first: Tensor, second: Tensor, part: Tensor) -> Tensor:
    logits = net(x)
    losses = (
        F.cross_entropy(logits, first, reduction="none"),
        F.cross_entropy(logits, second, reduction="none"),
    )
    return (part * losses[0] + (1 - part) * losses[1]).mean()


def _optimizers(net: LabelNet) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, Adam for the rest."""
    groups = (
        ([net.linear], LINEAR_LR),
        ([*net.biases, net.linear_bias], BIAS_LR),
        ([net.log2_scales], SCALE_LR),
    )
    adam = torch.optim.Adam([{"params": p, "lr": lr} for p, lr in groups], betas=(0.9, 0.99))
    optimizers = [Muon(net.weights, WEIGHT_LR), adam]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak"] = group["lr"]
    return optimizers
