"""Soft labels: how they are quantized and coded, where a set has them, and what a student makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from golden_payloads import layer, random_labels, random_payload, random_soft
from hypothesis import given, settings
from hypothesis import strategies as st

import rudcodec
from rudcodec import FormatError, SettingError, bitstream, data
from rudcodec.bitstream.soft import quantized
from rudcodec.cli.main import main
from rudcodec.nets import ConvNet
from rudcodec.payload import Architecture, LabelLayer, Payload, SoftLabels, SoftScale
from rudcodec.students import StudentSpec, Trainer, TrainingSet, default_recipe

PIXEL = Architecture(2, 3, 1, (1, 1), (), (layer(1, relu=False),))


@st.composite
def soft_payloads(draw: st.DrawFn) -> Payload:
    classes = draw(st.integers(2, 30))
    row = st.lists(st.integers(0, 2), min_size=classes, max_size=classes).map(tuple).filter(any)
    payload = random_payload(
        PIXEL, draw(st.lists(row, min_size=1, max_size=3)), seed=draw(st.integers(0, 99))
    )
    scale = SoftScale(
        draw(st.integers(1, min(12, classes - 1))), draw(st.integers(1, 255)), draw(st.integers(1, 255))
    )
    spread = draw(st.sampled_from([0.01, 2.0, 500.0]))
    return random_soft(payload, scale, seed=draw(st.integers(0, 99)), spread=spread)


@settings(max_examples=50)
@given(soft_payloads())
def test_round_trip(payload: Payload) -> None:
    data = bitstream.encode(payload)
    decoded, _ = bitstream.decode_images(data)
    assert decoded.soft == payload.soft
    for before, after in zip(payload.segments, decoded.segments, strict=True):
        assert before.soft is not None and after.soft is not None
        np.testing.assert_array_equal(before.soft.others, after.soft.others)
        np.testing.assert_array_equal(before.soft.odds, after.soft.odds)
    probabilities = bitstream.soft_labels(decoded)
    assert probabilities is not None
    np.testing.assert_allclose(probabilities.sum(1), 1)
    ideal = sum(part.bits for part in bitstream.code_length(payload)) / 8
    streams = sum(row.bytes for row in bitstream.describe(data).rows if " bits each" in row.note)
    assert ideal <= streams <= 1.005 * ideal + 8 * (1 + len(payload.segments))


def test_quantized_probabilities_are_near() -> None:
    """All classes kept: each log odds is off by half a step at most; else the rest keep their mean."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 6)) * 3
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = np.repeat(np.arange(6), (8, 8, 8, 8, 4, 4))

    def restored(scale: SoftScale) -> np.ndarray:
        soft = quantized(np.log(probabilities), own, scale)
        counts = tuple(np.bincount(own).tolist())
        payload = random_payload(PIXEL, [counts], seed=1)
        (segment,) = payload.segments
        found = bitstream.soft_labels(replace(payload, segments=(replace(segment, soft=soft),), soft=scale))
        assert found is not None
        return found

    for step in (4, 32):
        off = np.log(restored(SoftScale(5, step, 16))) - np.log(probabilities)
        off -= off[np.arange(40), own][:, None]
        assert np.abs(off).max() <= step / 128 + 1e-9
    found = restored(SoftScale(2, 1, 16))
    assert np.abs(found - probabilities).max() > 0.01  # it has lost something
    order = np.argsort(-probabilities, axis=1)
    for i in range(40):
        named = [own[i], *[k for k in order[i] if k != own[i]][:2]]
        rest = [k for k in range(6) if k not in named]
        np.testing.assert_allclose(found[i, named], probabilities[i, named], rtol=0.03)
        np.testing.assert_allclose(found[i, rest], probabilities[i, rest].mean(), rtol=0.03)


TEN = random_soft(random_payload(PIXEL, [(2,) * 10, (1,) * 10], seed=2), SoftScale(3, 32, 32), seed=2)


def changed(change: Callable[[SoftLabels], SoftLabels]) -> Payload:
    first, second = TEN.segments
    assert first.soft is not None
    return replace(TEN, segments=(replace(first, soft=change(first.soft)), second))


REFUSED = [
    ("others of soft labels must be integers", changed(lambda soft: replace(soft, others=soft.others[1:]))),
    ("odds of soft labels must be integers", changed(lambda soft: replace(soft, odds=soft.odds * 1.0))),
    ("no classes, or one twice", changed(lambda soft: replace(soft, others=soft.others * 0))),
    ("no classes, or one twice", changed(lambda soft: replace(soft, others=soft.others + 10))),
    ("not in order", changed(lambda soft: replace(soft, odds=-soft.odds - np.arange(4, dtype=np.int32)))),
    ("values beyond", changed(lambda soft: replace(soft, odds=soft.odds + 2048))),
    ("where the set has not", replace(TEN, soft=None)),
    ("where the set has not", replace(TEN, segments=(TEN.segments[0], replace(TEN.segments[1], soft=None)))),
    ("both soft labels and", random_labels(TEN, (LabelLayer(2),), seed=1)),
    ("classes kept is 10", replace(TEN, soft=SoftScale(10, 32, 32))),
]


@pytest.mark.parametrize(("reason", "payload"), REFUSED, ids=range(len(REFUSED)))
def test_what_the_format_cannot_express_is_refused(reason: str, payload: Payload) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        bitstream.encode(payload)
    assert caught.value.offset == -1


def test_labels_go_with_their_images(tmp_path: Path) -> None:
    """Whichever way a part of the set is read."""
    path = tmp_path / "set.rud"
    bitstream.write(TEN, path)
    whole = rudcodec.load(path)
    assert whole.probs is not None and whole.probs.dtype == np.float32
    assert (whole.temperature, whole.probs.shape) == (2.0, (30, 10))
    some = rudcodec.load(path, classes=["class 3", "class 7"])
    assert some.probs is not None
    np.testing.assert_array_equal(some.probs, whole.probs[np.isin(whole.labels, [3, 7])])
    parts = [part.probs for part in rudcodec.stream(path)]
    np.testing.assert_array_equal(np.concatenate([p for p in parts if p is not None]), whole.probs)
    rudcodec.truncate(path, tmp_path / "first.rud", ipc=2)
    first = rudcodec.load(tmp_path / "first.rud").probs
    assert first is not None
    np.testing.assert_array_equal(first, whole.probs[:20])
    whole.save(tmp_path / "folder")
    text = json.loads((tmp_path / "folder" / "labels.json").read_text())
    assert text["temperature"] == 2.0 and text["probs"].keys() == text["labels"].keys()
    np.testing.assert_allclose(text["probs"]["class 3/00001.png"], whole.probs[7], atol=1e-4)
    shown = CliRunner().invoke(main, ["info", str(path), "--bits"]).stdout
    assert "soft labels" in shown and "labels of images" in shown


@pytest.fixture(scope="module")
def digits() -> data.LabelledImages:
    return data.load("digits", "train")


def test_certain_labels_teach_what_classes_teach(digits: data.LabelledImages) -> None:
    images, labels = digits.images[:200], digits.labels[:200]
    recipe = replace(default_recipe(digits), steps=5, batch=50)

    def weights(probs: np.ndarray | None) -> torch.Tensor:
        net = Trainer(TrainingSet(images, labels, 10, probs), recipe, StudentSpec(width=16)).train(0)
        assert isinstance(net, ConvNet)
        return torch.cat([p.detach().ravel() for p in net.parameters()])

    certain = np.eye(10, dtype=np.float32)[labels]
    torch.testing.assert_close(weights(certain), weights(None), rtol=1e-3, atol=1e-4)
    assert (weights(np.full_like(certain, 0.1)) - weights(None)).abs().max() > 1e-3


@pytest.mark.slow
def test_compress_with_soft_labels(digits: data.LabelledImages, tmp_path: Path) -> None:
    """The budget holds, the teacher's labels are sensible, and students use them."""
    path = tmp_path / "soft.rud"
    result = rudcodec.compress(
        digits, path, bpc=2000, ipc=5, labels="soft", label_views=20_000, warmup=60, joint=3, tune=20
    )
    assert 0.97 * 2000 <= result.bpc <= 2000
    whole = rudcodec.load(path)
    assert whole.network is None and whole.probs is not None
    assert (whole.probs.argmax(1) == whole.labels).mean() > 0.8
    assert 0.2 < whole.probs.max(1).mean() < 0.999
    real = data.load("digits", "val")
    soft, hard = (
        rudcodec.evaluate(labelled, real, seeds=1, steps=60, width=16).per_class
        for labelled in (whole, whole.with_hard_labels())
    )
    assert soft != hard


def test_soft_labels_need_real_images(digits: data.LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="labels: soft ones need real images"):
        rudcodec.compress(None, tmp_path / "x.rud", distilled=digits, bpc=2000, labels="soft")
