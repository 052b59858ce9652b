"""Label modes: what labels a file carries, and what that means for an encode.

``hard``, ``soft`` and ``network`` are here, a module each. A new one is a subclass of :class:`LabelMode` in a
module of its own, a name in :data:`rudcodec.plugins.LABEL_MODES` (or an entry point of the group
``rudcodec.label_modes``), and, if its labels can't be said in the sections that the format has, a section.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rudcodec.data import LabelledImages
from rudcodec.payload import Payload, Recipe, hard_recipe
from rudcodec.runs import Stage, State
from rudcodec.settings import Settings

Results = Mapping[str, State]
"""What the stages of an encode have returned so far, by their names."""


class LabelMode:
    """What labels a file carries. The defaults are those of hard labels: images have their class, no more.

    One object serves one encode; it keeps nothing that its stages don't return.

    Args:
        real: the real set.
        settings: of the encode.
        recipe: for students with hard labels.

    Attributes:
        needs_real: labels are learned from real images; a distilled set alone can't have them.
        for_views: images are there to be seen through views, so that they needn't say their class.
    """

    needs_real: ClassVar[bool] = False
    for_views: ClassVar[bool] = False

    def __init__(self, real: LabelledImages, settings: Settings, recipe: Recipe) -> None:
        self.real = real
        self.settings = settings
        self.recipe = recipe

    def stages(self) -> tuple[Stage, ...]:
        """Stages that come before those of the images."""
        return ()

    @property
    def bits_per_label(self) -> float:
        """About what the label of an image takes."""
        return 0.0

    def shared_bits(self, results: Results) -> float:
        """Bits of the file that serve the labels of all images: planned ones, exact once they are known."""
        return 0.0

    @property
    def minimum_shared_bits(self) -> float:
        """The fewest of them that make sense, of whatever budget."""
        return self.shared_bits({})

    @property
    def num_weights(self) -> int:
        """Weights of the network that makes the labels, in the file or not."""
        return 0

    def student_recipe(self, num_images: int) -> Recipe:
        """The recipe for students of so many images with such labels, be they hard or soft."""
        return hard_recipe(self.recipe, self.settings.bpc, num_images)

    def label(self, payload: Payload, results: Results) -> State:
        """Labels of a payload's images as they are now, for :meth:`attach`; a checkpoint can hold them."""
        return None

    def attach(self, payload: Payload, labels: State, results: Results) -> Payload:
        """The payload with the labels of its images."""
        return payload

    def finish(self, payload: Payload, results: Results) -> Payload:
        """The payload with what serves the labels of all images, when it is written."""
        return payload
