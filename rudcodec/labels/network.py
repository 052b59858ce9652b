"""A label network in the file, which labels any view of the images."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from rudcodec.bitstream import labels_size
from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.label_network.spec import LabelNetworkSpec, label_network_spec
from rudcodec.label_network.training import label_network_from, label_network_weights, zero_weights
from rudcodec.labels import LabelMode, Results
from rudcodec.payload import LabelNetwork, Payload, Recipe, ViewRecipe
from rudcodec.runs import Stage, State
from rudcodec.settings import Settings
from rudcodec.students.recipes import network_views, student_views, view_recipe

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

# The label network's fraction of a file, by log10 of its bits: more of small files, half of large ones.
LABEL_FRACTIONS = (5.5, 0.7), (6.0, 0.5)

# A label network needs at least so many times the bits of one whose weights are all zero.
ZERO_NETWORK_MARGIN = 1.25
# A network that is too large has its parameters multiplied by this: more of them round to zero, and norms
# undo that convolutions are smaller.
SHRINKAGE = 0.9


def label_fraction(budget_bits: float) -> float:
    """The label network's fraction of a file, if it can use so many bits: ``LABEL_FRACTIONS``."""
    (small, largest), (large, smallest) = LABEL_FRACTIONS
    position = (math.log10(budget_bits) - small) / (large - small)
    return largest + (smallest - largest) * min(1.0, max(0.0, position))


class NetworkLabels(LabelMode):
    """A small quantized classifier labels views, of which there is then no end.

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
        weights = results.get("label network")
        return self.spec.bits if weights is None else self._bits(self._network(weights))

    @property
    def minimum_shared_bits(self) -> float:
        """Of the narrowest network; not less than one takes whose weights are all zero."""
        spec = self._spec_of(0.0)
        zero = label_network_from(zero_weights(spec), spec, self._student_views)
        return max(spec.minimum_bits, ZERO_NETWORK_MARGIN * self._bits(zero))

    @property
    def num_weights(self) -> int:
        return self.spec.num_weights

    def student_recipe(self, num_images: int) -> Recipe:
        return view_recipe(self.recipe, self.real.height, self.real.width)

    def finish(self, payload: Payload, results: Results) -> Payload:
        return replace(payload, network=self._network(results["label network"]))

    @cached_property
    def spec(self) -> LabelNetworkSpec:
        """Of the network."""
        budget_bits = self.settings.bpc * len(self.real.classes)
        fraction = self.settings.label_fraction or label_fraction(budget_bits)
        return self._spec_of(fraction * budget_bits)

    def _spec_of(self, bits: float) -> LabelNetworkSpec:
        classes = len(self.real.classes)
        return label_network_spec(bits, self.real.image_shape, classes, self.settings.label_views)

    def _train(self, encoding: Encoding) -> State:
        """Weights; smaller ones where views were too few to reach the rate, so that images had too little."""
        views = network_views(self.real.channels, "flip" in self.recipe.augment)
        weights = label_network_weights(self.real, self.spec, views, encoding.run)
        if self._bits(self._network(weights)) > encoding.inputs.maximum_label_bits:
            while self._bits(self._network(weights)) > self.spec.bits:
                weights = {name: SHRINKAGE * weight for name, weight in weights.items()}
        return weights

    def _network(self, weights: State) -> LabelNetwork:
        return label_network_from(weights, self.spec, self._student_views)

    def _bits(self, network: LabelNetwork) -> float:
        """Of a network in a file."""
        return 8.0 * labels_size(network, self.real.image_shape, len(self.real.classes))

    @property
    def _student_views(self) -> ViewRecipe:
        flip = "flip" in self.recipe.augment
        return student_views(self.real.image_shape, flip, self.settings.bpc)
