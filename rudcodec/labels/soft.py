"""Soft labels: each image has the probabilities that a teacher gives the likeliest classes."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property, partial
from typing import TYPE_CHECKING

from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.label_network.spec import LabelNetworkSpec, label_network_spec
from rudcodec.label_network.teacher import (
    TEACHER_BITS,
    attach_soft_labels,
    soft_label_bits,
    teacher_labels,
)
from rudcodec.label_network.training import FILE_TEMPERATURE, label_network_from, label_network_weights
from rudcodec.labels import LabelMode, Results
from rudcodec.payload import LabelNetwork, Payload, Recipe, ViewRecipe
from rudcodec.runs import Stage, State
from rudcodec.settings import Settings
from rudcodec.students.recipes import network_views

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding


class TeacherLabels(LabelMode):
    """A teacher, which no file carries, labels the decoded images once.

    Raises SettingError if there are fewer than two classes.
    """

    needs_real = True

    def __init__(self, real: LabelledImages, settings: Settings, recipe: Recipe) -> None:
        super().__init__(real, settings, recipe)
        if len(real.classes) < 2:
            raise SettingError("labels: soft ones need two classes at least")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("teacher", self._train, shared=True, timed=True),)

    @property
    def bits_per_label(self) -> float:
        return soft_label_bits(len(self.real.classes))

    @property
    def num_weights(self) -> int:
        return self.spec.num_weights

    def label(self, payload: Payload, results: Results) -> State:
        return teacher_labels(self._teacher(results), payload)

    def attach(self, payload: Payload, labels: State, results: Results) -> Payload:
        if labels is None:
            return payload
        return attach_soft_labels(payload, labels, FILE_TEMPERATURE)

    @cached_property
    def spec(self) -> LabelNetworkSpec:
        """Of the network."""
        shape, classes = self.real.image_shape, len(self.real.classes)
        return label_network_spec(TEACHER_BITS, shape, classes, self.settings.label_views, in_file=False)

    def _train(self, encoding: Encoding) -> State:
        run = encoding.run
        facts = {
            "kind": "teacher",
            "network": asdict(self.spec),
            "views": asdict(self._views),
            "seed": run.seed,
        }
        learn = partial(label_network_weights, self.real, self.spec, self._views, run)
        return run.learnt.once(facts, run.journal, learn)

    def _teacher(self, results: Results) -> LabelNetwork:
        return label_network_from(results["teacher"], self.spec, self._views)

    @property
    def _views(self) -> ViewRecipe:
        return network_views(self.real.channels, "flip" in self.recipe.augment)
