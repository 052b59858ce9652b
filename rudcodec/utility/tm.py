"""TM, trajectory matching (MTT; Cazenavette et al., CVPR 2022): a student that starts where an expert was in
some epoch should, trained on the synthetic images, arrive where the expert was some epochs later.

The published code keeps the graph of all the student's steps. Here only the weights of each step are kept,
and its graph is made again on the way back, so that memory is that of one step whatever their number; the
gradient is the same (reverse accumulation, as in Maclaurin et al., ICML 2015). A step of 100 images of
32 x 32 and a ConvNet-3 of width 128 takes a gigabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.memory import free_memory
from rudcodec.payload import Recipe
from rudcodec.runs import State
from rudcodec.utility import Utility
from rudcodec.utility.experts import Experts

FIRST_RATE = 0.01
# The published step of the learning rate of the student's own, and that rate's least value.
RATE_STEP, LEAST_RATE = 1e-5, 1e-6
RATE_CHANGE = 0.1  # of the rate, at most in a call: slopes grow without bound where the student diverges
COPIES = 16  # of the convolutions' outputs at a step's peak: 9 to 16, measured at widths 64 and 128


class TrajectoryMatching(Utility):
    """Squared distance of student and expert where they end, over that which the expert went (eq. 2).

    Args:
        recipe: for augmentation.
        experts: trained trajectories.
        steps: of the student (published for CIFAR-10, 50 images a class: 30).
        batch: synthetic images of a step.
        ahead: epochs that the expert is ahead (published: 2).
        latest: the last epoch to start from (published: 15).

    Attributes:
        rate: the student's learning rate, which is learned too.
    """

    def __init__(
        self,
        recipe: Recipe,
        experts: Experts,
        steps: int = 20,
        batch: int = 100,
        ahead: int = 2,
        latest: int = 15,
    ) -> None:
        super().__init__(recipe)
        self.experts = experts
        self.steps = steps
        self.batch = batch
        self.ahead = ahead
        self.latest = latest
        self.rate = FIRST_RATE

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        """Raises SettingError also if the device has too little memory for a step."""
        self.experts.check(dataset, self.ahead)
        needed, free = self.memory(), _free(device)
        if 0 < free < needed:
            raise SettingError(
                f"utility: a step of trajectory matching takes {needed / 1e9:.1f} GB, and {device.type} has "
                f"{free / 1e9:.1f} GB; experts of a smaller width take less"
            )

    def memory(self) -> int:
        """Bytes at the peak, about: the weights of all steps, one step's graph and that of its gradient."""
        net, of = self.experts.network(), self.experts.manifest
        picture = torch.zeros(1, of["channels"], of["height"], of["image width"])
        convolved = sum(4 * block.numel() for block in net.blocks(picture))  # a block ends halved
        weights = sum(weight.numel() for weight in net.parameters())
        return 4 * (weights * self.steps + COPIES * convolved * self.batch)

    def state(self) -> State:
        return self.rate

    def restore(self, state: State) -> None:
        self.rate = state

    def adapted(self, recipe: Recipe) -> Recipe:
        return Recipe(recipe.mean, recipe.std, recipe.augment, lr=float(f"{self.rate:.4g}"))  # by SGD

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        draw = torch.Generator().manual_seed(seed)
        expert = int(torch.randint(len(self.experts), (), generator=draw))
        last = min(self.latest, self.experts.epochs - self.ahead)
        epoch = int(torch.randint(last + 1, (), generator=draw))
        start = self.experts.weights(expert, epoch, images)
        target = self.experts.weights(expert, epoch + self.ahead, images)
        rows: list[Tensor] = []
        order = torch.empty(0, dtype=torch.long)
        for _ in range(self.steps):
            while len(order) < min(self.batch, len(images)):
                order = torch.cat((order, torch.randperm(len(images), generator=draw)))
            rows.append(order[: self.batch].to(images.device))
            order = order[self.batch :]
        net = self.experts.network().to(images.device, images.dtype)
        journey = Journey(net, self.recipe.augment, images.detach(), labels, rows, seed)
        rate = torch.tensor(self.rate, dtype=images.dtype, device=images.device, requires_grad=True)
        value: Tensor = _Matched.apply(images, rate, journey, start, target)
        if torch.is_grad_enabled():
            (slope,) = torch.autograd.grad(value, rate, retain_graph=True)
            most = RATE_CHANGE * self.rate
            self.rate = max(LEAST_RATE, self.rate - max(-most, min(most, RATE_STEP * float(slope))))
        return value


def _free(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()


@dataclass(frozen=True)
class Journey:
    """Steps of gradient descent on some of the images each.

    ``rows`` of ``images`` (N, C, H, W) and ``labels`` (N,) for each step; ``seed`` of the augmentation.
    """

    net: nn.Module
    augment: tuple[str, ...]
    images: Tensor
    labels: Tensor
    rows: Sequence[Tensor]
    seed: int

    def loss(self, step: int, weights: Sequence[Tensor], images: Tensor) -> Tensor:
        """Of a step, as a function of the weights and of its images."""
        generator = torch.Generator().manual_seed(self.seed + step)
        names = [name for name, _ in self.net.named_parameters()]
        seen = augment(images, self.augment, generator)
        logits = functional_call(self.net, dict(zip(names, weights, strict=True)), (seen,))
        return F.cross_entropy(logits, self.labels[self.rows[step]])

    def walk(self, start: Sequence[Tensor], rate: float) -> list[list[Tensor]]:
        """The weights before each step, and at the end."""
        visited = [[w.detach() for w in start]]
        for step, rows in enumerate(self.rows):
            weights = [w.requires_grad_() for w in visited[-1]]
            with torch.enable_grad():
                slopes = torch.autograd.grad(self.loss(step, weights, self.images[rows]), weights)
            visited.append([w.detach() - rate * s for w, s in zip(weights, slopes, strict=True)])
        return visited

    def back(self, visited: list[list[Tensor]], slope: list[Tensor], rate: float) -> tuple[Tensor, Tensor]:
        """From the slope of a function of the last weights: its slopes by images (N, C, H, W) and by rate."""
        by_images, by_rate = torch.zeros_like(self.images), slope[0].new_zeros(())
        for step in reversed(range(len(self.rows))):
            weights = [w.detach().requires_grad_() for w in visited[step]]
            images = self.images[self.rows[step]].requires_grad_()
            with torch.enable_grad():
                slopes = torch.autograd.grad(self.loss(step, weights, images), weights, create_graph=True)
                along = torch.stack([(a * b).sum() for a, b in zip(slope, slopes, strict=True)]).sum()
            *change, mine = torch.autograd.grad(along, [*weights, images])
            by_rate -= along.detach()
            by_images.index_add_(0, self.rows[step], -rate * mine)
            slope = [a - rate * b for a, b in zip(slope, change, strict=True)]
        return by_images, by_rate


class _Matched(torch.autograd.Function):
    """The distance, with its gradient by images and learning rate worked out on the spot."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        rate: Tensor,
        journey: Journey,
        start: list[Tensor],
        target: list[Tensor],
    ) -> Tensor:
        visited = journey.walk(start, float(rate))
        went = torch.stack([(a - b).square().sum() for a, b in zip(start, target, strict=True)]).sum()
        left = [a - b for a, b in zip(visited[-1], target, strict=True)]
        value = torch.stack([a.square().sum() for a in left]).sum() / went
        by_images, by_rate = journey.back(visited, [2 * a / went for a in left], float(rate))
        ctx.save_for_backward(by_images, by_rate)
        return value

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        by_images, by_rate = ctx.saved_tensors
        return slopes[0] * by_images, slopes[0] * by_rate, None, None, None
