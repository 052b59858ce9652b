"""What labels a file carries, and what they leave of its budget for images."""

from __future__ import annotations

from dataclasses import replace

from rudcodec.bitstream.ancillary import pack_metadata
from rudcodec.data import LabelledImages
from rudcodec.distill.allocation import Demand, smallest_images_bpc
from rudcodec.errors import SettingError
from rudcodec.label_network.spec import has_label_network
from rudcodec.labels import LabelMode
from rudcodec.labels.network import NetworkLabels
from rudcodec.payload import Recipe
from rudcodec.plugins import LABEL_MODES
from rudcodec.settings import AUTO, Settings

# Bits of a file from which most of them are better spent on a label network.
LABEL_NETWORK_MIN_BITS = 1e5


def with_label_mode(
    settings: Settings, real: LabelledImages, candidates: LabelledImages, recipe: Recipe
) -> Settings:
    """Settings with a label mode: what makes the better students of a file of the budget.

    Raises SettingError: a label fraction is asked for, and there is no label network.
    """
    chosen = _chosen_mode(settings, real, candidates, recipe) if settings.labels == AUTO else settings
    if settings.label_fraction is not None and chosen.labels in ("hard", "soft"):
        why = ", which suit this set and budget," if settings.labels == AUTO else ""
        raise SettingError(f"label_fraction: a file of {chosen.labels} labels{why} has no label network")
    return chosen


def _chosen_mode(
    settings: Settings, real: LabelledImages, candidates: LabelledImages, recipe: Recipe
) -> Settings:
    hard, network = (replace(settings, labels=labels) for labels in ("hard", "network"))
    is_small = settings.bpc * len(real.classes) < LABEL_NETWORK_MIN_BITS
    if is_small or not has_label_network(real.image_shape, len(real.classes)):
        return hard
    mode = NetworkLabels(real, network, recipe)
    smallest = smallest_bpc(demand_of(candidates, network, mode), network, mode, settings.ipc or 1)
    return network if settings.bpc >= smallest else hard


def make_label_mode(
    settings: Settings, real: LabelledImages, candidates: LabelledImages, recipe: Recipe
) -> LabelMode:
    """The label mode of settings; of a smaller label fraction where the images would lack what they need.

    That isn't put into the encode's settings: the smallest budget doesn't follow from it.
    """
    make: type[LabelMode] = LABEL_MODES.load_class(settings.labels, LabelMode)
    mode = make(real, settings, recipe)
    images_bpc = smallest_images_bpc(demand_of(candidates, settings, mode), settings.ipc or 1)
    if settings.bpc - mode.shared_bits({}) / len(real.classes) >= images_bpc:
        return mode
    fraction = 1 - images_bpc / settings.bpc
    return make(real, replace(settings, label_fraction=fraction), recipe) if fraction > 0 else mode


def demand_of(candidates: LabelledImages, settings: Settings, mode: LabelMode | None = None) -> Demand:
    """What a budget is to be spent on; ``mode``: of labels, which may take a place of their own."""
    return Demand(
        class_names=candidates.classes,
        image_shape=candidates.image_shape,
        smallest_class=candidates.rarest_class()[1],
        share=settings.share,
        for_views=mode is not None and mode.for_views,
        bits_per_label=0.0 if mode is None else mode.bits_per_label,
        metadata_bytes=len(pack_metadata(settings.metadata)),
    )


def smallest_bpc(demand: Demand, settings: Settings, mode: LabelMode, ipc: int) -> float:
    """The smallest budget for ``ipc`` images per class and their labels, in bits per class."""
    images_bpc, labels_bpc = smallest_images_bpc(demand, ipc), mode.minimum_shared_bits / demand.num_classes
    fraction = settings.label_fraction
    if fraction is None or labels_bpc == 0:
        return images_bpc + labels_bpc
    return max(images_bpc / (1 - fraction), labels_bpc / fraction)
