"""Soft labels of single images: the likeliest classes besides an image's own, and their odds.

As elsewhere, one description serves both directions.
"""

from __future__ import annotations

import math

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.container import Fields, Place
from rudcodec.bitstream.weights import code_scaled
from rudcodec.payload import Payload, SoftLabels, SoftScale

LOCATION_BITS = 8
_PROBABILITIES = 1 << 20  # worked out at once, in some arrays of as many
_BATCH = 8192  # images whose classes are worked out at once: what fits the cache


def code_scale(fields: Fields, classes: int, scale: SoftScale | None) -> SoftScale:
    """Code the fields of the section; ``scale`` is None when reading."""
    if classes < 2:
        raise fields.fail("soft labels of a single class")
    max_kept = min(limits.SOFT_KEPT, classes - 1)
    kept = fields.byte("classes kept", scale.kept if scale else 0, 1, max_kept)
    if math.perm(classes - 1, kept) > limits.SOFT_CHOICES:
        raise fields.fail(f"soft labels of {kept} of {classes} classes, too many to number")
    step = fields.byte("step of soft labels", scale.step if scale else 0, 1, 255)
    return SoftScale(kept, step, fields.byte("temperature", scale.temperature if scale else 0, 1, 255))


def code_soft(
    coder: Coder,
    scale: SoftScale,
    own_classes: np.ndarray,
    classes: int,
    labels: SoftLabels | None,
    place: Place,
) -> SoftLabels:
    """Code the labels of a segment's images, which are of ``own_classes``, int64 (n,), of so many.

    ``labels`` is None when decoding.
    """
    ranks = None
    if labels is not None:
        if reason := _fault(scale, own_classes, classes, labels):
            raise place.error(reason)
        ranks = _ranks(own_classes, labels.others, classes)
    choices = math.perm(classes - 1, scale.kept)
    ranks = coder.numbers((choices - 1).bit_length(), len(own_classes), ranks)
    if ranks.max() >= choices:
        raise place.error("soft labels of an image name no classes")
    others = np.empty((len(own_classes), scale.kept), np.int32)
    for i in range(0, len(own_classes), _BATCH):
        block = slice(i, i + _BATCH)
        others[block] = _others(own_classes[block], ranks[block], scale.kept, classes)
    odds = np.zeros((len(own_classes), columns(scale, classes)), np.int32)
    previous = np.zeros(len(own_classes), np.int64)
    for j in range(odds.shape[1]):
        known_increase = labels.odds[:, j] - previous if labels is not None else None
        increase = _code_column(coder, len(own_classes), known_increase)
        if j and increase.min() < 0:
            raise place.error("soft labels of an image are not in order")
        previous += increase
        odds[:, j] = previous
    if np.abs(odds).max() > limits.WEIGHT:
        raise place.error(f"soft labels have values beyond +-{limits.WEIGHT}")
    return SoftLabels(others, odds)


def soft_symbols(scale: SoftScale | None, classes: int) -> int:
    """Symbols of the label of an image, bits of its rank and classes; 0 without soft labels."""
    if scale is None:
        return 0
    return (math.perm(classes - 1, scale.kept) - 1).bit_length() + scale.kept


def columns(scale: SoftScale, classes: int) -> int:
    """Odds of an image: of the classes kept, and one for all others if there are any."""
    return scale.kept + (scale.kept < classes - 1)


def soft_labels(payload: Payload) -> np.ndarray | None:
    """Probabilities of the images of a set, float64 (N, classes); None if its labels are hard.

    ``softmax(-step / 64 * odds)``, the own class having odds 0.
    """
    if payload.soft is None:
        return None
    classes = len(payload.classes)
    probs = np.empty((payload.num_images, classes))
    rows = max(1, _PROBABILITIES // classes)
    end = 0
    for segment in payload.segments:
        labels, soft = segment.labels, segment.soft
        assert soft is not None
        for i in range(0, len(labels), rows):
            block = slice(i, i + rows)
            own_classes = labels[block]
            start, end = end, end + len(own_classes)
            some = SoftLabels(soft.others[block], soft.odds[block])
            probs[start:end] = restored(some, own_classes, payload.soft, classes)
    return probs


def restored(soft: SoftLabels, own_classes: np.ndarray, scale: SoftScale, classes: int) -> np.ndarray:
    """Probabilities, float64 (n, classes), of images of the classes ``own_classes``, int64 (n,)."""
    odds = np.repeat(soft.odds[:, -1:].astype(np.float64), classes, axis=1)
    np.put_along_axis(odds, soft.others.astype(np.intp), soft.odds[:, : scale.kept], axis=1)
    odds[np.arange(len(own_classes)), own_classes] = 0
    powers = np.exp(-scale.step / 64 * (odds - odds.min(1, keepdims=True)))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _code_column(coder: Coder, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code a column as a location, a scale and differences; ``values`` is None when decoding."""
    location = differences = None
    if values is not None:
        location = int(np.clip(np.median(values), 0, (1 << LOCATION_BITS) - 1))
        differences = (values - location).astype(np.int32)
    location = coder.number(LOCATION_BITS, location)
    return code_scaled(coder, count, differences).astype(np.int64) + location


def _ranks(own_classes: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    """Numbers of the tuples of other classes: in mixed radix, each digit an index among the classes left."""
    rank = np.zeros(len(own_classes), np.int64)
    used = [own_classes]
    for j in range(others.shape[1]):
        label = others[:, j].astype(np.int64)
        index = label - sum((previous < label).astype(np.int64) for previous in used)
        rank = rank * (classes - 1 - j) + index
        used.append(label)
    return rank


def _others(own_classes: np.ndarray, ranks: np.ndarray, kept: int, classes: int) -> np.ndarray:
    """The inverse of :func:`_ranks`: (n, kept)."""
    digits = []
    for j in reversed(range(kept)):
        ranks, digit = np.divmod(ranks, classes - 1 - j)
        digits.append(digit)
    used = own_classes[:, None]
    for digit in reversed(digits):
        label = digit
        for previous in np.sort(used, axis=1).T:
            label = label + (label >= previous)
        used = np.concatenate([used, label[:, None]], axis=1)
    return used[:, 1:]


def _fault(scale: SoftScale, own_classes: np.ndarray, classes: int, labels: SoftLabels) -> str | None:
    """The fault of labels, or None: wrong shapes, or an image's classes aren't all different."""
    shapes = {"others": (len(own_classes), scale.kept), "odds": (len(own_classes), columns(scale, classes))}
    for name, shape in shapes.items():
        array = getattr(labels, name)
        if array.shape != shape or array.dtype.kind not in "iu":
            return f"{name} of soft labels must be integers of shape {shape}, is {array.dtype} {array.shape}"
    all_classes = np.sort(np.concatenate([own_classes[:, None], labels.others], axis=1), axis=1)
    if (
        all_classes[:, 0].min() < 0
        or all_classes[:, -1].max() >= classes
        or (np.diff(all_classes, axis=1) == 0).any()
    ):
        return "soft labels of an image name no classes, or one twice"
    return None


def quantized(logs: np.ndarray, labels: np.ndarray, scale: SoftScale) -> SoftLabels:
    """Soft labels from logarithms of probabilities, float64 (n, classes), and own classes, int64 (n,)."""
    images = np.arange(len(logs))
    all_odds = logs[images, labels][:, None] - logs
    sort_keys = all_odds.copy()
    sort_keys[images, labels] = -np.inf
    order = np.argsort(sort_keys, axis=1, kind="stable")[:, 1:]
    others, unnamed = order[:, : scale.kept], order[:, scale.kept :]
    steps = 64 / scale.step
    odds = np.rint(steps * np.take_along_axis(all_odds, others, axis=1))
    if unnamed.shape[1]:
        unnamed_odds = np.take_along_axis(all_odds, unnamed, axis=1)
        smallest = unnamed_odds.min(1, keepdims=True)
        mean = smallest - np.log(np.exp(smallest - unnamed_odds).mean(1, keepdims=True))
        odds = np.concatenate([odds, np.rint(steps * mean)], axis=1)
    odds = np.clip(odds, -limits.WEIGHT, limits.WEIGHT)
    return SoftLabels(others.astype(np.int32), odds.astype(np.int32))
