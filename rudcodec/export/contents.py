"""What is saved: labelled images, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from rudcodec.payload import Recipe
    from rudcodec.synthetic import SyntheticSet
    from rudcodec.viewset import Views


class Batch(Protocol):
    """Some labelled images: a decoded set is one, and so are views."""

    @property
    def images(self) -> np.ndarray:
        """uint8 (n, H, W, C)."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,)."""

    @property
    def probs(self) -> np.ndarray | None:
        """float32 (n, classes), if there are soft labels."""


@dataclass(frozen=True)
class Contents:
    """What is saved, in whichever form.

    Attributes:
        num_images: how many images there are in all.
        shape: of each: height, width, channels.
        classes: class names.
        facts: what else is known, such as the recipe; JSON can say it.
        has_probs: whether each image has probabilities of all classes.
        batches: the images and their labels, some at a time; can be gone through once.
    """

    num_images: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    facts: dict[str, Any]
    has_probs: bool
    batches: Iterable[Batch]

    @classmethod
    def of_set(cls, data: SyntheticSet) -> Contents:
        """A decoded set."""
        facts = {"size_bytes": data.size, "bits_per_class": data.bpc, "recipe": _facts_of(data.stored_recipe)}
        if data.probs is not None:
            facts["temperature"] = data.temperature
        height, width, channels = data.images.shape[1:]
        return cls(len(data), (height, width, channels), data.classes, facts, data.probs is not None, [data])

    @classmethod
    def of_views(cls, batches: Iterable[Views], count: int) -> Contents:
        """``count`` views, in at least one batch."""
        following = iter(batches)
        first = next(following)
        height, width, channels = first.images.shape[1:]
        facts = {"recipe": _facts_of(first.recipe), "temperature": first.temperature}
        return cls(count, (height, width, channels), first.classes, facts, True, chain([first], following))

    def about(self) -> str:
        """The classes and facts as JSON."""
        return json.dumps({"classes": list(self.classes), **self.facts}, ensure_ascii=False)


def rounded(probs: np.ndarray) -> list[float]:
    """Probabilities as JSON says them."""
    return [round(float(p), 6) for p in probs]


def _facts_of(recipe: Recipe | None) -> dict[str, Any] | None:
    return None if recipe is None else asdict(recipe)
