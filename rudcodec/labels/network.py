"""A label network in the file, which labels any view of the images."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from rudcodec.bitstream import labels_size
from rudcodec.bitstream.labels import label_parameters
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError, SettingError
from rudcodec.label_network.training import (
    LabelNetworkSpec,
    label_network_from,
    label_network_spec,
    label_network_weights,
)
from rudcodec.labels import LabelMode, Results
from rudcodec.payload import LabelNetwork, Payload, Recipe
from rudcodec.runs import Stage, State
from rudcodec.settings import Settings
from rudcodec.students.recipes import network_views, student_views, view_recipe

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

# The label network's fraction of a file, by log10 of its bits: more of small files, half of large ones.
LABEL_FRACTIONS = (5.0, 0.7), (5.5, 0.5)


def label_fraction(budget_bits: float) -> float:
    """The label network's fraction of a file, if it can use so many bits: ``LABEL_FRACTIONS``."""
    (small, largest), (large, smallest) = LABEL_FRACTIONS
    position = (math.log10(budget_bits) - small) / (large - small)
    return largest + (smallest - largest) * min(1.0, max(0.0, position))


class NetworkLabels(LabelMode):
    """A classifier of one- or two-bit weights labels views, of which there is then no end.

    Raises SettingError where there is no budget to give it a fraction of.
    """

    needs_real = True
    for_views = True

    def __init__(self, real: LabelledImages, settings: Settings, recipe: Recipe) -> None:
        super().__init__(real, settings, recipe)
        if settings.lmbda is not None:
            raise SettingError("lmbda: a label network needs a budget, bpc")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("label network", self._train, shared=True, timed=True),)

    def shared_bits(self, results: Results) -> float:
        """Raises BudgetError if the trained network leaves nothing to the images."""
        network = self._network(results)
        if network is None:
            return self.spec.bits
        bits = 8.0 * labels_size(network, self.real.image_shape, len(self.real.classes))
        if bits >= self.settings.bpc * len(self.real.classes):
            raise BudgetError(f"label_views: {self.settings.label_views} views are too few for this budget")
        return bits

    @property
    def num_weights(self) -> int:
        return label_parameters(self.spec.layers, self.real.image_shape, len(self.real.classes))

    def student_recipe(self) -> Recipe:
        return view_recipe(self.recipe, self.real.height, self.real.width, self.settings.bpc)

    def finish(self, payload: Payload, results: Results) -> Payload:
        return replace(payload, labels=self._network(results))

    @cached_property
    def spec(self) -> LabelNetworkSpec:
        """Of the network."""
        budget_bits = self.settings.bpc * len(self.real.classes)
        fraction = self.settings.label_fraction or label_fraction(budget_bits)
        return label_network_spec(
            fraction * budget_bits, self.real.height, self.real.width, self.settings.label_views
        )

    def _train(self, encoding: Encoding) -> State:
        views = network_views(self.real.channels, "flip" in self.recipe.augment)
        return label_network_weights(self.real, self.spec, views, encoding.run)

    def _network(self, results: Results) -> LabelNetwork | None:
        """None before it is trained."""
        weights = results.get("label network")
        if weights is None:
            return None
        flip = "flip" in self.recipe.augment
        views = student_views(self.real.image_shape, flip, self.settings.bpc)
        return label_network_from(weights, self.real, self.spec, views)
