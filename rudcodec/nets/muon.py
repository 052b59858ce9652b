"""The optimizer Muon: better label networks and students in as many steps as by Adam (see experiments/)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
NEWTON_SCHULZ_STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
RMS = 0.2  # about that of AdamW's steps, in units of the learning rate


class Muon(torch.optim.Optimizer):
    """Steps along the momentum, made orthogonal (Jordan et al., 2024: kellerjordan.github.io/posts/muon), and
    as large as AdamW's are at the same learning rate (Liu et al., "Muon is Scalable for LLM Training", 2025).

    Args:
        params: weights of shape (out, in) or (out, in, height, width); the latter are matrices of out rows.
        lr: learning rate, to be chosen as for AdamW.
        weight_decay: decoupled from the gradient, as AdamW's is.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                lookahead = weight.grad.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
                change = orthogonal(lookahead) * (RMS * max(lookahead.shape) ** 0.5)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(change.view_as(weight), alpha=group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V' of a matrix U S V' (n, m): its singular values become 0.7 to 1.2.

    The iteration x <- (a + b g + c g g) x, with g = x x', runs on g alone, the smaller square; its factors
    multiply x once, at the end: two large products instead of fifteen, exact in float32.
    """
    a, b, c = COEFFICIENTS
    x = matrix.float()
    is_tall = len(x) > x.shape[1]
    x = (x.T if is_tall else x) / (x.norm() + 1e-7)
    square = x @ x.T
    product = torch.eye(len(x), device=x.device)
    for _ in range(NEWTON_SCHULZ_STEPS):
        factor = torch.addmm(square, square, square, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product
        square = factor @ square @ factor
    x = product @ x
    return (x.T if is_tall else x).to(matrix.dtype)


def split(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of a network that Muon trains, and those that are left to AdamW: the last weight, which
    makes the logits, and all biases and norms."""
    matrices = [weight for weight in net.parameters() if weight.ndim in (2, 4)][:-1]
    matrix_ids = {id(weight) for weight in matrices}
    return matrices, [weight for weight in net.parameters() if id(weight) not in matrix_ids]
