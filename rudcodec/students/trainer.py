"""Training one student from scratch as a recipe says, on images or on views of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from rudcodec.nets import ConvNet, build
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import autocast, compiled, keep_freed_memory, repays_compiling
from rudcodec.nets.state import usual_torch
from rudcodec.payload import Recipe
from rudcodec.progress import Progress
from rudcodec.recipe_checks import check_recipe
from rudcodec.runs import Journal, State
from rudcodec.students.batches import Batches, Drawing
from rudcodec.students.objective import label_loss
from rudcodec.students.optimizers import RecipeOptimizer
from rudcodec.students.spec import StudentSpec
from rudcodec.students.training_set import TrainingSet
from rudcodec.whole_numbers import MAX_SEED, whole

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)
_REPORT_EVERY = 0.25  # seconds


class Trainer:
    """Trains students on one set, one for each seed; compiles once for all of them.

    Args:
        data: what to train on.
        recipe: how to train.
        spec: which network, and what it runs on.
        runs: how many students there are going to be, which decides whether compiling pays.

    Attributes:
        batch: images or views of a step; of images no more than there are.
        device: where students are trained.
        channels_last: whether images lie so in memory, and views are labelled by compiled networks: where
            there is a compiler, and work enough to repay it.
        compiled: whether students are compiled, too: all then that don't become slower, as far as is known.

    Raises:
        SettingError: the recipe or the spec makes no sense, or is for other images.
    """

    @usual_torch()
    def __init__(
        self, data: TrainingSet, recipe: Recipe, spec: StudentSpec | None = None, runs: int = 1
    ) -> None:
        check_recipe(recipe, data.images.shape[3])
        self.data, self.recipe, self.spec = data, recipe, spec or StudentSpec()
        self.device = pick_device(self.spec.device)
        self.batch = data.batch_size(recipe)
        self.channels_last = self._repays_compiling(runs)
        self.compiled = self.channels_last and self._gains_by_compiling()
        objective = _Objective(data.softmax_temperature)
        self._loss = compiled(objective.loss) if self.compiled else objective.loss
        self._batches = Batches(data, recipe, device=self.device, compile=self.channels_last)

    def check_seeds(self, seeds: Iterable[int]) -> None:
        """Raise SettingError if there are no students of one of these seeds: views have numbers up to a
        limit."""
        for seed in seeds:
            whole("seeds", seed, 0, self._batches.largest_seed)

    def train(self, seed: int, progress: Progress | None = None, journal: Journal | None = None) -> nn.Module:
        """A student after ``recipe.steps`` steps, the learning rate having fallen to 0 on a cosine.

        Args:
            seed: of weights, order and augmentation; the same on the same machine gives the same network.
            progress: called with (steps done, steps).
            journal: of a run that may go on from a checkpoint; this training is the loop of its stage.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(cuda), usual_torch():
            return self._train(seed, progress, journal or Journal())

    def _train(self, seed: int, progress: Progress | None, journal: Journal) -> nn.Module:
        recipe = self.recipe
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        generator = torch.Generator().manual_seed(seed)
        shape = self.data.images.shape[1:]
        net = build(self.spec.net, shape, self.data.num_classes, generator, self.spec.width)
        net = net.to(self.device).to(memory_format=layout)
        optimizer = RecipeOptimizer(net, recipe)
        drawing = self._batches.drawing(seed, generator)
        reported = time.monotonic()
        for step in journal.steps(recipe.steps, _Training(net, optimizer, drawing)):
            x, target = drawing.batch(step)
            # of dropout, which knows the global generator only
            _seed_global((seed * recipe.steps + step) % MAX_SEED, self.device)
            with autocast(self.device):
                loss = self._loss(net, x.contiguous(memory_format=layout), target)
            net.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            is_last = step + 1 == recipe.steps
            if progress is not None and (is_last or time.monotonic() - reported > _REPORT_EVERY):
                progress(step + 1, recipe.steps)
                reported = time.monotonic()
        if not all(weight.isfinite().all() for weight in net.parameters()):
            warnings.warn(
                f"{self.spec.name} of seed {seed}: its training ran away, so that its accuracy says nothing; "
                "a smaller learning rate (lr) may help",
                RuntimeWarning,
                stacklevel=2,
            )
        return net

    def _repays_compiling(self, runs: int) -> bool:
        _, height, width, _ = self.data.images.shape
        work = runs * self.recipe.steps * self.batch * height * width * self.spec.width
        return repays_compiling(work, self.device, self.data.image_cost)

    def _gains_by_compiling(self) -> bool:
        """On CPU compilers make norms fast, but max pooling slow (experiments/2026-11-cost.md)."""
        if self.device.type != "cpu" or not isinstance(self.spec.net, str):
            return True
        shape = self.data.images.shape[1:]
        net = build(self.spec.net, shape, self.data.num_classes, torch.Generator(), self.spec.width)
        return any(isinstance(module, _NORMS) for module in net.modules())


def train_student(
    data: TrainingSet, recipe: Recipe, spec: StudentSpec, seed: int, progress: Progress | None = None
) -> ConvNet:
    """Train one ConvNet from scratch: see :class:`Trainer`."""
    net = Trainer(data, recipe, spec).train(seed, progress)
    assert isinstance(net, ConvNet)
    return net


def _seed_global(seed: int, device: torch.device) -> None:
    """Seed torch's own generators of the CPU and of the device, but of no other."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


class _Training:
    """What a student's training changes, as checkpoints hold it."""

    def __init__(self, net: nn.Module, optimizer: RecipeOptimizer, drawing: Drawing) -> None:
        self.net, self.optimizer, self.drawing = net, optimizer, drawing

    def state(self) -> State:
        return [self.net.state_dict(), self.optimizer.state_dict(), self.drawing.state()]

    def restore(self, state: State) -> None:
        weights, optimizer, drawing = state
        self.net.load_state_dict(weights)
        self.optimizer.load_state_dict(optimizer)
        self.drawing.restore(drawing)


class _Objective:
    """Cross entropy: with classes, mixed or not, or with probabilities of a softmax of ``temperature``."""

    def __init__(self, temperature: float | None) -> None:
        self.temperature = temperature

    def loss(self, net: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """A scalar, for normalised images (n, C, H, W)."""
        return label_loss(net(x), target, self.temperature)
