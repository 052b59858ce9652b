"""The optimizers that recipes name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from rudcodec.errors import SettingError
from rudcodec.nets import muon
from rudcodec.payload import Recipe
from rudcodec.recipe_checks import check_recipe
from rudcodec.runs import restore_optimizer


def optimizers_for(net: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers that a recipe's ``optimizer`` stands for; each weight of ``net`` is in one of them."""
    lr, decay, betas = recipe.lr, recipe.weight_decay, (recipe.momentum, 0.999)
    if recipe.optimizer == "sgd":
        return [torch.optim.SGD(net.parameters(), lr, momentum=recipe.momentum, weight_decay=decay)]
    matrices, others = muon.split(net) if recipe.optimizer == "muon" else ([], list(net.parameters()))
    adamw = torch.optim.AdamW(others, lr, betas=betas, weight_decay=decay)
    return [muon.Muon(matrices, lr, decay), adamw] if matrices else [adamw]


class RecipeOptimizer(torch.optim.Optimizer):
    """The optimizers of a recipe as one, whose learning rate falls to 0 on a cosine by itself.

    Args:
        net: what it trains.
        recipe: how.
        anneal: let the learning rate fall over ``recipe.steps`` steps, after which it stays 0; without, it
            is constant, for a scheduler of the user's own.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, anneal: bool = True) -> None:
        check_recipe(recipe)
        self.optimizers = optimizers_for(net, recipe)
        # the groups are the optimizers' own: what changes a learning rate here changes it there
        # a scheduler that looks for a momentum finds that of an only one
        defaults = self.optimizers[0].defaults if len(self.optimizers) == 1 else {}
        super().__init__([group for one in self.optimizers for group in one.param_groups], defaults)
        self._schedules = [CosineAnnealingLR(one, recipe.steps) for one in self.optimizers] if anneal else []
        self._steps = recipe.steps

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Not possible later: the network's own parameters are all that it trains. Raises SettingError."""
        if hasattr(self, "_steps"):
            raise SettingError("a recipe's optimizer trains one network; make another for other parameters")
        super().add_param_group(param_group)

    def __getstate__(self) -> dict[str, Any]:
        own = {"optimizers": self.optimizers, "_schedules": _states(self._schedules), "_steps": self._steps}
        return super().__getstate__() | own

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.param_groups = [group for one in self.optimizers for group in one.param_groups]
        rates = [group["lr"] for group in self.param_groups]
        schedules = list(zip(self.optimizers, state["_schedules"], strict=False))  # all, or none
        self._schedules = [CosineAnnealingLR(one, self._steps) for one, _ in schedules]
        for schedule, (_, saved) in zip(self._schedules, schedules, strict=True):
            schedule.load_state_dict(saved)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; ``closure``, if given, computes the loss and its gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        for schedule in self._schedules:
            if schedule.last_epoch < self._steps:
                schedule.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of all optimizers and of their schedules."""
        return {"optimizers": _states(self.optimizers), "schedules": _states(self._schedules)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state of an optimizer of the same network and recipe. Raises SettingError if it is of
        another kind."""
        optimizers, schedules = state_dict.get("optimizers", ()), state_dict.get("schedules", ())
        if (len(optimizers), len(schedules)) != (len(self.optimizers), len(self._schedules)):
            raise SettingError("this is the state of another kind of optimizer, or of another anneal")
        for one, state in zip(self.optimizers, optimizers, strict=True):
            restore_optimizer(one, state)
        for schedule, state in zip(self._schedules, schedules, strict=True):
            schedule.load_state_dict(state)
        self.param_groups = [group for one in self.optimizers for group in one.param_groups]


def _states(parts: Sequence[Any]) -> list[dict[str, Any]]:
    return [part.state_dict() for part in parts]
