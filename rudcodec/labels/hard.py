"""Hard labels: each image has its class."""

from __future__ import annotations

from rudcodec.labels import LabelMode
from rudcodec.payload import Recipe, hard_recipe


class HardLabels(LabelMode):
    """Images are ordered by class, so that the labels are their counts."""

    def student_recipe(self) -> Recipe:
        return hard_recipe(self.recipe, self.settings.bpc)
