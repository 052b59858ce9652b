"""The utility as a term of the loss that stages minimise."""

from __future__ import annotations

import torch
from torch import Tensor

from rudcodec.distill.encoder_state import EncoderState
from rudcodec.errors import SettingError
from rudcodec.model.quantization import SoftRounding
from rudcodec.model.synthesis import GREY_LEVELS, MID_GREY
from rudcodec.runs import State
from rudcodec.utility import Utility


class UtilityTerm:
    """A prepared utility, with a weight against the distortion.

    The weight is chosen when the term is first used, by the ratio of the two gradients' norms: losses of
    different papers come in units of their own.

    Args:
        utility: prepared.
        labels: int64 (N,), of the initial images: classes, or clusters where the utility matches these.
        calls: which chunks each call of the utility sees.
        balance: of the settings.
    """

    def __init__(self, utility: Utility, labels: Tensor, calls: list[list[int]], balance: float) -> None:
        self.utility = utility
        self.labels = labels
        self.calls = calls
        self.balance = balance
        self.weight: float | None = None
        mean, std = (
            torch.tensor(values, device=labels.device).view(1, -1, 1, 1) / 255
            for values in (utility.recipe.mean, utility.recipe.std)
        )
        self._scale = GREY_LEVELS / 255 / std
        self._shift = (MID_GREY / 255 - mean) / std

    def state(self) -> State:
        return [self.weight, self.utility.state()]

    def restore(self, state: State) -> None:
        self.weight, utility_state = state
        self.utility.restore(utility_state)

    def gradients(
        self, encoder: EncoderState, chunk_indices: list[int], rounding: SoftRounding | None
    ) -> tuple[Tensor, list[Tensor]]:
        """The utility of some chunks' images, and its weighted gradient for each chunk.

        Images are decoded without a graph here, so that memory holds the utility's graph only; and under
        noise of rounding of their own, so that the caller's gradients are of other draws than the utility's.
        """
        decoded = encoder.decode_images(chunk_indices, rounding)
        images = torch.cat(decoded).requires_grad_()
        index = torch.cat([encoder.chunks[i].index for i in chunk_indices])
        value, gradient = self._sharded(images, self.labels[index], encoder)
        if self.weight is None:
            self._check_finite(value, gradient)
            distortion = 2 * (images.detach() - encoder.targets[index]) / images.numel()
            self.weight = self.balance * float(distortion.norm() / gradient.norm().clamp(min=1e-12))
        gradient = gradient * self.weight
        return value * self.weight, list(gradient.split([len(images) for images in decoded]))

    def _check_finite(self, value: Tensor, gradient: Tensor) -> None:
        """Raise SettingError for a utility that can't be minimised."""
        if not (value.isfinite() and gradient.isfinite().all()):
            raise SettingError(
                f"utility: {type(self.utility).__name__} gives no finite loss of these images; other options "
                "or networks of it may"
            )

    def _sharded(self, images: Tensor, labels: Tensor, encoder: EncoderState) -> tuple[Tensor, Tensor]:
        """The utility and its gradient, some classes by each process where that can be."""
        ranks, generator = encoder.run.ranks, encoder.run.utility_generator
        normalised = images * self._scale + self._shift
        if ranks.world_size == 1 or not self.utility.sums_over_classes:
            value = self._value(normalised, labels, generator)
            return value.detach(), torch.autograd.grad(value, images)[0]
        shard = self.utility.classes_of(labels) % ranks.world_size == ranks.rank
        idle = not shard.any()  # it draws its random numbers all the same
        rows = torch.ones_like(shard) if idle else shard
        value = self._value(normalised[rows], labels[rows], generator)
        value, (gradient,) = value.detach(), torch.autograd.grad(value, images)
        value, gradient = value * (not idle), gradient * (not idle)
        ranks.all_reduce([value, gradient])
        return value, gradient

    def _value(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """What the utility says. Raises SettingError if that is nothing to be minimised."""
        value: object = self.utility(images, labels, generator)
        if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
            raise SettingError(
                f"utility: {type(self.utility).__name__} must return a tensor of one number, with a gradient "
                "for the images"
            )
        return value
