"""TM, trajectory matching (MTT; Cazenavette et al., CVPR 2022): a student that starts where an expert was in
some epoch should, trained on the synthetic images, arrive where the expert was some epochs later.

The published code keeps the graph of all the student's steps. Here only the weights of each step are kept,
and its graph is made again on the way back, so that memory is that of one step whatever their number; the
gradient is the same (reverse accumulation, as in Maclaurin et al., ICML 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from rudcodec.augment import augment
from rudcodec.checksums import checksum_of
from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.payload import Recipe
from rudcodec.runs import RunContext, State
from rudcodec.utility import Utility
from rudcodec.utility.experts import Experts
from rudcodec.utility.room import require_memory
from rudcodec.utility_options import TMOptions

INITIAL_LR = 0.01
# The step by which the student's learning rate is learned, as published, and the rate's least value.
LR_STEP, MIN_LR = 1e-5, 1e-6
MAX_LR_CHANGE = 0.1  # of the rate in one call: gradients grow without bound where the student diverges
ACTIVATION_COPIES = 16  # of the convolutions' outputs at a step's peak, at most (experiments/2026-11-cost.md)


class TrajectoryMatching(Utility):
    """The squared distance between the last weights of student and expert, over the squared distance that the
    expert covered (eq. 2).

    Attributes:
        lr: the student's learning rate, which is learned too.

    Raises:
        SettingError: no experts are named. DataError: they can't be read.
    """

    Options = TMOptions
    options: TMOptions

    def __init__(self, recipe: Recipe, options: TMOptions | None = None) -> None:
        super().__init__(recipe, options)
        if self.options.experts is None:
            raise SettingError(
                "tm.experts: trajectory matching needs a folder of experts; rudcodec experts makes one"
            )
        self.experts = Experts(Path(self.options.experts))
        self.lr = INITIAL_LR

    def check(self, real: LabelledImages, device: torch.device, clusters: int) -> None:
        """Raises SettingError if these are experts of other data, or for a shorter way, or if the device has
        too little memory for a step."""
        self.experts.check(real, self.options.epochs_ahead)
        require_memory(
            device,
            self.memory(),
            "a step of trajectory matching",
            "experts of a smaller width take less",
        )

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        """How many experts there are, and a checksum of what they say of themselves: a run that goes on has
        the same ones and no more, though their folder may have grown."""
        return [len(self.experts), checksum_of(self.experts.manifest)]

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        count, checksum = learned
        if checksum != checksum_of(self.experts.manifest):
            raise SettingError(f"{self.experts.folder}: these aren't the experts that the run began with")
        self.experts.keep_first(count)

    def memory(self) -> int:
        """About how many bytes the peak takes: the weights of all steps, and one step's graph with that of
        its gradient."""
        net, manifest = self.experts.network(), self.experts.manifest
        image = torch.zeros(1, manifest["channels"], manifest["height"], manifest["image width"])
        convolved = sum(4 * block.numel() for block in net.blocks(image))  # a block ends halved
        weights = sum(weight.numel() for weight in net.parameters())
        return 4 * (weights * self.options.steps + ACTIVATION_COPIES * convolved * self.options.batch)

    def state(self) -> State:
        return self.lr

    def restore(self, state: State) -> None:
        self.lr = state

    def adapt_recipe(self, recipe: Recipe) -> Recipe:
        """The same by SGD at the step size that was learned."""
        return replace(recipe, optimizer="sgd", lr=round(float(f"{self.lr:.4g}"), 6))

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        draw = torch.Generator().manual_seed(seed)
        expert = int(torch.randint(len(self.experts), (), generator=draw))
        last = min(self.options.latest_epoch, self.experts.epochs - self.options.epochs_ahead)
        epoch = int(torch.randint(last + 1, (), generator=draw))
        start_weights = self.experts.weights(expert, epoch, images)
        target_weights = self.experts.weights(expert, epoch + self.options.epochs_ahead, images)
        rows: list[Tensor] = []
        order = torch.empty(0, dtype=torch.long)
        for _ in range(self.options.steps):
            while len(order) < min(self.options.batch, len(images)):
                order = torch.cat((order, torch.randperm(len(images), generator=draw)))
            rows.append(order[: self.options.batch].to(images.device))
            order = order[self.options.batch :]
        net = self.experts.network().to(images.device, images.dtype)
        trajectory = StudentTrajectory(net, self.recipe.augment, images.detach(), labels, rows, seed)
        lr = torch.tensor(self.lr, dtype=images.dtype, device=images.device, requires_grad=True)
        value: Tensor = _TrajectoryDistance.apply(images, lr, trajectory, start_weights, target_weights)
        if torch.is_grad_enabled():
            (gradient,) = torch.autograd.grad(value, lr, retain_graph=True)
            largest = MAX_LR_CHANGE * self.lr
            change = max(-largest, min(largest, LR_STEP * float(gradient)))
            self.lr = max(MIN_LR, self.lr - change)
        return value


@dataclass(frozen=True)
class StudentTrajectory:
    """A student's steps of gradient descent, each on some of the images.

    Attributes:
        net: the student's network; its own weights aren't used.
        augment: the augmentation's operations.
        images, labels: all of them, (N, C, H, W) and (N,).
        rows: for each step, which of the images it takes.
        seed: of the augmentation, whose numbers begin with the next one: it has drawn the expert.
    """

    net: nn.Module
    augment: tuple[str, ...]
    images: Tensor
    labels: Tensor
    rows: Sequence[Tensor]
    seed: int

    def loss(self, step: int, weights: Sequence[Tensor], images: Tensor) -> Tensor:
        """The loss of a step, as a function of the weights and of its images."""
        generator = torch.Generator().manual_seed(self.seed + 1 + step)
        names = [name for name, _ in self.net.named_parameters()]
        augmented = augment(images, self.augment, generator)
        logits = functional_call(self.net, dict(zip(names, weights, strict=True)), (augmented,))
        return F.cross_entropy(logits, self.labels[self.rows[step]])

    def unroll(self, start_weights: Sequence[Tensor], lr: float) -> list[list[Tensor]]:
        """The weights before each step, and at the end."""
        weights_by_step = [[w.detach() for w in start_weights]]
        for step, rows in enumerate(self.rows):
            weights = [w.requires_grad_() for w in weights_by_step[-1]]
            with torch.enable_grad():
                gradients = torch.autograd.grad(self.loss(step, weights, self.images[rows]), weights)
            weights_by_step.append([w.detach() - lr * g for w, g in zip(weights, gradients, strict=True)])
        return weights_by_step

    def backward(
        self, weights_by_step: list[list[Tensor]], gradients: list[Tensor], lr: float
    ) -> tuple[Tensor, Tensor]:
        """The gradients of a function by images (N, C, H, W) and by learning rate, from its gradients by the
        last weights."""
        by_images, by_lr = torch.zeros_like(self.images), gradients[0].new_zeros(())
        for step in reversed(range(len(self.rows))):
            weights = [w.detach().requires_grad_() for w in weights_by_step[step]]
            images = self.images[self.rows[step]].requires_grad_()
            with torch.enable_grad():
                step_gradients = torch.autograd.grad(
                    self.loss(step, weights, images), weights, create_graph=True
                )
                products = [(a * b).sum() for a, b in zip(gradients, step_gradients, strict=True)]
                directional_derivative = torch.stack(products).sum()
            *by_weights, by_batch = torch.autograd.grad(directional_derivative, [*weights, images])
            by_lr -= directional_derivative.detach()
            by_images.index_add_(0, self.rows[step], -lr * by_batch)
            gradients = [a - lr * b for a, b in zip(gradients, by_weights, strict=True)]
        return by_images, by_lr


class _TrajectoryDistance(torch.autograd.Function):
    """The distance; its gradients by images and by learning rate are computed in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        lr: Tensor,
        trajectory: StudentTrajectory,
        start_weights: list[Tensor],
        target_weights: list[Tensor],
    ) -> Tensor:
        weights_by_step = trajectory.unroll(start_weights, float(lr))
        squares = [(a - b).square().sum() for a, b in zip(start_weights, target_weights, strict=True)]
        expert_distance = torch.stack(squares).sum()
        differences = [a - b for a, b in zip(weights_by_step[-1], target_weights, strict=True)]
        value = torch.stack([difference.square().sum() for difference in differences]).sum() / expert_distance
        gradients = [2 * difference / expert_distance for difference in differences]
        by_images, by_lr = trajectory.backward(weights_by_step, gradients, float(lr))
        ctx.save_for_backward(by_images, by_lr)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        by_images, by_lr = ctx.saved_tensors
        return gradients[0] * by_images, gradients[0] * by_lr, None, None, None
