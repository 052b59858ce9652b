"""Hard labels: each image has its class."""

from __future__ import annotations

from dataclasses import replace

from rudcodec.labels import LabelMode
from rudcodec.payload import Recipe

CUTMIX = 128  # of 256 batches: IDC, DSDM and NCFM mix half of them, too
CUTMIX_BPC = 5e4  # with fewer bits a class, images are too few to gain by it


class HardLabels(LabelMode):
    """Images are ordered by class, so that the labels are their counts."""

    def student_recipe(self) -> Recipe:
        """With CutMix, where the budget buys many images."""
        return replace(self.recipe, cutmix=CUTMIX) if self.settings.bpc >= CUTMIX_BPC else self.recipe
