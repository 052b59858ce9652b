"""The optimizers that recipes name."""

from __future__ import annotations

import torch
from torch import nn

from rudcodec.nets import muon
from rudcodec.payload import Recipe


def optimizers_for(net: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers that a recipe's ``optimizer`` stands for; each weight of ``net`` is in one of them."""
    lr, decay, betas = recipe.lr, recipe.weight_decay, (recipe.momentum, 0.999)
    if recipe.optimizer == "sgd":
        return [torch.optim.SGD(net.parameters(), lr, momentum=recipe.momentum, weight_decay=decay)]
    matrices, others = muon.split(net) if recipe.optimizer == "muon" else ([], list(net.parameters()))
    adamw = torch.optim.AdamW(others, lr, betas=betas, weight_decay=decay)
    return [muon.Muon(matrices, lr, decay), adamw] if matrices else [adamw]
