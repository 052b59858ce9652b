"""The label network: trained at a rate, its float form, streams of views, and the file it travels in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from golden_payloads import layer, random_labels, random_payload
from torch.nn import functional as F
from torch.utils.data import DataLoader

import rudcodec
from rudcodec import SettingError, bitstream, data, views
from rudcodec.bitstream import constants, labelnet
from rudcodec.bitstream.labels import layers_excess
from rudcodec.bitstream.weights import tensor_bits
from rudcodec.cli.main import main
from rudcodec.distill import Settings
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.evaluation import label_accuracy
from rudcodec.label_network import (
    FloatLabelNetwork,
    LabelNetworkSpec,
    ViewStream,
    label_network_spec,
)
from rudcodec.label_network.model import to_network_input
from rudcodec.label_network.spec import has_label_network
from rudcodec.label_network.training import label_network_from, label_network_weights
from rudcodec.labels.network import NetworkLabels, label_fraction
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.payload import (
    Architecture,
    ImageShape,
    Kernel,
    LabelLayer,
    LabelNetwork,
    Norm,
    Payload,
    Pool,
    QLayer,
    QTensor,
    Recipe,
    ViewRecipe,
)
from rudcodec.runs import RunContext
from rudcodec.students import default_recipe, predict, student_views, view_recipe

LAYERS = (LabelLayer(12, "mean"), LabelLayer(12, residual=True))
GENTLE = ViewRecipe(zoom_min=54, zoom_max=74, rotate=24, flip=False, mixup=20, cutmix=0)


@pytest.fixture(scope="module")
def digits() -> data.LabelledImages:
    return data.load("digits", "train")


@pytest.fixture(scope="module")
def trained(digits: data.LabelledImages) -> LabelNetwork:
    return trained_network(digits, 6000.0, 90_000, RunContext("cpu"))


def trained_network(real: data.LabelledImages, bits: float, num_views: int, run: RunContext) -> LabelNetwork:
    spec = LabelNetworkSpec(LAYERS, real.image_shape, len(real.classes), bits, num_views)
    return label_network_from(label_network_weights(real, spec, GENTLE, run), spec, GENTLE)


def labelled_payload() -> Payload:
    architecture = Architecture(8, 8, 1, (2, 1), (3,), (layer(4, 3), layer(1, 1, relu=False)))
    return random_labels(random_payload(architecture, [(3, 2), (1, 1)], seed=1), LAYERS, seed=1)


@pytest.mark.slow
def test_a_rare_class_is_learnt(digits: data.LabelledImages) -> None:
    """A file has as many images of it as of others."""
    threes, eights = (np.flatnonzero(digits.labels == label) for label in (3, 8))
    rows = np.random.default_rng(0).permutation(np.concatenate([threes, eights[:6]]))
    labels = np.isin(rows, eights).astype(np.int64)
    real = data.LabelledImages(digits.images[rows], labels, ("3", "8"), "unbalanced")
    network = trained_network(real, 4000.0, 30_000, RunContext("cpu"))
    unseen = data.LabelledImages(
        digits.images[eights[6:]], np.ones(len(eights) - 6, int), ("3", "8"), "eights"
    )
    assert label_accuracy(network, unseen) > 0.7


@pytest.mark.slow
def test_training_meets_its_rate_and_learns(trained: LabelNetwork) -> None:
    weights = sum(tensor_bits(p.weight.values) for p in trained.parameters)
    assert weights == pytest.approx(6000 - 6 * 34, rel=0.1)
    assert label_accuracy(trained, data.load("digits", "val")) > 0.85


def test_training_is_repeatable(digits: data.LabelledImages) -> None:
    first, second = (trained_network(digits, 4000.0, 2560, RunContext("cpu", seed=5)) for _ in range(2))
    for a, b in zip(first.parameters, second.parameters, strict=True):
        np.testing.assert_array_equal(a.weight.values, b.weight.values)
        np.testing.assert_array_equal(a.bias.values, b.bias.values)


@pytest.mark.slow
def test_the_twin_agrees_with_the_file(trained: LabelNetwork, digits: data.LabelledImages) -> None:
    """To the tolerance that FloatLabelNetwork states, on real images."""
    images = digits.images[:300]
    exact = bitstream.logits(trained, images) / 4096
    fast = FloatLabelNetwork(trained)(to_network_input(torch.from_numpy(images))).numpy()
    assert np.abs(exact - fast).mean() < 0.05
    softened = torch.from_numpy(fast / 2).softmax(1).numpy()
    assert np.abs(bitstream.probabilities(trained, images) - softened).mean() < 0.01


def networks_of_a_kind(kernel: Kernel, norm: Norm) -> Iterator[LabelNetwork]:
    """With a layer of this kind and any pooling, with and without residual, ReLU and mirror images."""
    architecture = Architecture(12, 10, 3, (1,), (), (layer(3, relu=False),))
    base = random_payload(architecture, [(1, 1, 1)], seed=0)
    for pool, residual, linear in product((None, *get_args(Pool)), (False, True), (False, True)):
        layers = (LabelLayer(6, linear=True), LabelLayer(6, pool, residual, kernel, norm, linear))
        network = random_labels(base, layers, seed=3).network
        assert network is not None
        yield from (network, replace(network, mirror=True))


def smooth_pictures(count: int) -> np.ndarray:
    steps = np.random.default_rng(0).normal(0, 6, (count, 12, 10, 3))
    pictures: np.ndarray = np.clip(128 + steps.cumsum(1).cumsum(2), 0, 255).astype(np.uint8)
    return pictures


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_the_twin_agrees_on_layers_of_every_kind(kernel: Kernel, norm: Norm) -> None:
    """They differ by roundings of activations, which are a fraction of what logits differ by."""
    pictures = smooth_pictures(10)
    for network in networks_of_a_kind(kernel, norm):
        exact = bitstream.logits(network, pictures) / 4096
        with torch.no_grad():
            twin = FloatLabelNetwork(network)(to_network_input(torch.from_numpy(pictures))).numpy()
        assert np.abs(exact - twin).mean() < 0.04 * exact.std(), network


@pytest.mark.parametrize("norm", get_args(Norm))
def test_mirrored_logits_are_means(norm: Norm) -> None:
    """Of the two ways, halves rounded up; so that a picture and its mirror image have the same."""
    pictures = smooth_pictures(6)
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
    for network in networks_of_a_kind("full", norm):
        one_way = replace(network, mirror=False)
        both = bitstream.logits(one_way, pictures) + bitstream.logits(one_way, mirrored)
        if network.mirror:
            np.testing.assert_array_equal(bitstream.logits(network, pictures), (both + 1) >> 1)
            np.testing.assert_array_equal(bitstream.logits(network, mirrored), (both + 1) >> 1)


@pytest.mark.parametrize("elements", [1, 3000, 50_000])
def test_labels_are_the_same_whatever_fits_memory(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = labelled_payload().network
    assert network is not None
    pictures = np.random.default_rng(4).integers(0, 256, (9, 8, 8, 1)).astype(np.uint8)
    whole = bitstream.logits(network, pictures)
    monkeypatch.setattr(labelnet, "_ELEMENTS", elements)
    np.testing.assert_array_equal(bitstream.logits(network, pictures), whole)


@pytest.mark.parametrize(
    ("bits", "widths", "used"),
    [
        (2e4, (12, 24, 24, 24), 2e4),
        (5e4, (20, 40, 40, 40), 5e4),
        (1.5e5, (32, 64, 64, 64), 1.5e5),
        (5e5, (48, 96, 96, 96), 5e5),
        (1e7, (64, 128, 128, 128), 3.6 * 22.5 * 128**2),
    ],
)
def test_plans_grow_with_their_bits(bits: float, widths: tuple[int, ...], used: float) -> None:
    spec = label_network_spec(bits, ImageShape(32, 32, 3), 10, 1000)
    assert tuple(layer.out_channels for layer in spec.layers) == widths
    assert all(layer.pool == "mean" for layer in spec.layers)
    assert spec.bits == used


@pytest.mark.parametrize(("side", "smallest"), [(8, 45), (28, 14), (32, 12), (128, 12)])
def test_students_see_no_less_than_six_pixels(side: int, smallest: int) -> None:
    seen = student_views((side, side, 3), flip=False)
    assert student_views((side, side, 1), flip=False).zoom_min == 45
    assert (seen.zoom_min, seen.mixup + seen.cutmix, seen.flip) == (smallest, 256, False)


def test_small_pictures_have_shorter_lessons_and_large_budgets_gentler_views(
    digits: data.LabelledImages,
) -> None:
    recipe = default_recipe(digits)
    assert [view_recipe(recipe, side, side).steps for side in (8, 28, 128)] == [9143, 32_000, 32_000]
    assert [student_views((32, 32, 3), False, bpc).zoom_min for bpc in (5e4, 1e5)] == [12, 24]


@pytest.mark.parametrize(
    ("settings", "cutmix"), [({"bpc": 5e4}, 128), ({"bpc": 4e4}, 0), ({"lmbda": 1.0, "ipc": 2}, 0)]
)
def test_students_of_many_images_mix_them(
    digits: data.LabelledImages, settings: dict[str, Any], cutmix: int
) -> None:
    asked = Settings(**{"labels": "hard", **settings})
    mode = resolve_inputs(digits, None, asked).label_mode
    assert mode.student_recipe(1000).cutmix == cutmix


def test_a_large_budget_buys_a_network(digits: data.LabelledImages) -> None:
    def mode(**settings: Any) -> str:
        return resolve_inputs(digits, None, Settings(**settings)).settings.labels

    assert [mode(bpc=bpc) for bpc in (1e3, 1e4)] == ["hard", "network"]
    assert [mode(bpc=5e4, labels=labels) for labels in ("hard", "network")] == ["hard", "network"]


def test_the_network_of_a_small_file_has_more_of_it(digits: data.LabelledImages) -> None:
    fractions = [label_fraction(10**power) for power in (4, 5.5, 5.75, 6, 7)]
    assert fractions == pytest.approx([0.7, 0.7, 0.6, 0.5, 0.5])

    def bits(**settings: Any) -> float:
        mode = resolve_inputs(digits, None, Settings(labels="network", **settings)).label_mode
        assert isinstance(mode, NetworkLabels)
        return mode.spec.bits

    found = [bits(bpc=bpc) for bpc in (5e3, 3e4, 1e5)]
    assert found == pytest.approx([0.7 * 5e4, 0.7 * 3e5, 0.5 * 1e6])
    assert bits(bpc=4e4, label_fraction=0.25) == pytest.approx(1e5)


def test_layers_of_many_pixels_are_narrow() -> None:
    """Each as much work as the next one: 16 times the pixels take about three times the time."""
    spec = label_network_spec(3.5e5, ImageShape(128, 128, 3), 10, 1000)
    assert [layer.out_channels for layer in spec.layers] == [12, 24, 48, 96, 96, 96]
    assert [layer.pool for layer in spec.layers] == ["mean"] * 6
    assert [layer.residual for layer in spec.layers] == [False] * 4 + [True] * 2
    (stem, *_) = label_network_spec(0, ImageShape(256, 256, 3), 10, 1000).layers
    assert stem.out_channels == 8


def test_plans_suit_small_images() -> None:
    specs = (label_network_spec(b, ImageShape(s, s, 1), 10, 1000) for b, s in ((1e4, 8), (1e5, 28)))
    pools = [[layer.pool for layer in spec.layers] for spec in specs]
    assert pools == [[None, "mean", "mean", None], ["mean", "mean", "mean", None]]


@pytest.mark.parametrize(
    ("side", "classes", "width"), [(32, 1000, 128), (32, 1623, 96), (96, 1000, 80), (8, 60_000, None)]
)
def test_networks_are_no_larger_than_a_file_may_hold(side: int, classes: int, width: int | None) -> None:
    shape = ImageShape(side, side, 3)
    assert has_label_network(shape, classes) == (width is not None)
    if width is None:
        with pytest.raises(SettingError, match="60,000 classes of 8x8 colour images would be larger"):
            label_network_spec(1e9, shape, classes, 1000)
        return
    layers = label_network_spec(1e9, shape, classes, 1000).layers
    assert layers[-1].out_channels == width
    assert layers_excess(layers, True, shape, classes) is None
    teacher = label_network_spec(1e9, shape, classes, 1000, in_file=False)  # may be as wide as any
    assert teacher.layers[-1].out_channels == 128


def test_a_file_carries_its_network(tmp_path: Path) -> None:
    payload = labelled_payload()
    size = bitstream.write(payload, tmp_path / "a.rud")
    loaded = rudcodec.load(tmp_path / "a.rud")
    assert loaded.network is not None and loaded.size == size
    assert loaded.network.views == ViewRecipe() and loaded.network.layers == LAYERS
    made = loaded.views(7, seed=2)
    assert made.images.shape == (7, 8, 8, 1) and made.probs.shape == (7, 2)
    np.testing.assert_allclose(made.probs.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(made.labels, made.probs.argmax(1))
    later = loaded.views(3, seed=2, start=4)
    np.testing.assert_array_equal(made.images[4:], later.images)
    np.testing.assert_array_equal(made.probs[4:], later.probs)


def test_rows_explain_the_network_too(tmp_path: Path) -> None:
    payload = labelled_payload()
    data = bitstream.encode(payload)
    description = bitstream.describe(data)
    assert sum(row.bytes for row in description.rows) == len(data)
    mine = sum(row.bytes for row in description.rows if row.section in ("labels", "views"))
    assert payload.network is not None and mine == bitstream.labels_size(
        payload.network, payload.image_shape, 2
    )
    (part,) = (part for part in description.parts if part.name.startswith("labels"))
    views = sum(row.bytes for row in description.rows if row.section == "views")
    without = bitstream.encode(replace(payload, network=None))
    assert mine == len(data) - len(without) and views == 15
    assert 0 <= 8 * (mine - views) - part.bits < 8 * (17 + 6 + 8)


def test_truncation_and_salvage_keep_the_network() -> None:
    data = bitstream.encode(labelled_payload())
    short = bitstream.decode(bitstream.truncate(data, ipc=2.5).data)
    assert short.network is not None and len(short.segments) == 1
    broken = data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]
    payload, _, lost = bitstream.salvage(broken)
    assert payload.network is not None and len(lost) == 1


def test_images_are_saved_where_the_network_is_damaged() -> None:
    """They have their classes, and a recipe for images."""
    data = bitstream.encode(labelled_payload())
    outline = bitstream.parse(data)
    assert outline.labels is not None
    section = outline.labels.section
    _, images = bitstream.decode_images(data)
    hard = bitstream.decode(bitstream.extract(data, hard=True))
    for at in (section.start, section.start + 9, section.end, section.end + 3):
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises(rudcodec.FormatError, match=f"labels, byte {section.offset}: checksum"):
            bitstream.decode(bytes(broken))
        payload, pixels, (lost,) = bitstream.salvage(bytes(broken))
        assert np.array_equal(pixels, images) and payload.network is None
        assert "the label network is lost" in str(lost)
        assert payload.recipe == hard.recipe != outline.recipe
    with pytest.raises(rudcodec.FormatError, match="model 0"):  # which has to stand in front of it
        bitstream.salvage(data[: outline.models[0].section.offset] + bytes(broken[section.offset :]))
    longer = data[: section.start - 2] + bytes([data[section.start - 2] ^ 1]) + data[section.start - 1 :]
    payload, pixels, _ = bitstream.salvage(longer)
    assert np.array_equal(pixels, images) and payload.network is None


def test_what_was_changed_of_a_recipe_stays() -> None:
    loaded = rudcodec.load(bitstream.encode(labelled_payload()))
    changed = loaded.with_recipe(steps=20, optimizer="sgd").with_hard_labels()
    assert (changed.recipe.steps, changed.recipe.optimizer) == (20, "sgd")
    assert changed.recipe.batch == loaded.with_hard_labels().recipe.batch


def test_views_need_a_network() -> None:
    with pytest.raises(rudcodec.SettingError, match="no label network"):
        rudcodec.SyntheticSet(
            np.zeros((1, 8, 8, 1), np.uint8), np.zeros(1, np.int64), ("a",), 100, rudcodec_recipe()
        ).views(1)


def rudcodec_recipe() -> Recipe:
    return Recipe(mean=(128,), std=(64,))


def test_streams_are_the_same_with_workers() -> None:
    payload = labelled_payload()
    assert payload.network is not None
    images = bitstream.synthesize(payload)
    stream = ViewStream(images, payload.network, batch=6, batches=5, seed=9)
    alone = list(stream)
    assert len(alone) == 5 and alone[0][0].shape == (6, 8, 8, 1) and alone[0][1].shape == (6, 2)
    shared = list(DataLoader(stream, batch_size=None, num_workers=2))
    for (a, p), (b, q) in zip(alone, shared, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("sharpen", [0, 80])
def test_streams_show_the_files_views(tmp_path: Path, sharpen: int) -> None:
    payload = labelled_payload()
    assert payload.network is not None
    recipe = ViewRecipe(sharpen=sharpen)
    bitstream.write(replace(payload, network=replace(payload.network, views=recipe)), tmp_path / "a.rud")
    loaded = rudcodec.load(tmp_path / "a.rud")
    assert loaded.network is not None and loaded.network.views == recipe
    images, probs = ViewStream(loaded.images, loaded.network, batch=50, seed=4).at(1)
    exact = loaded.views(50, seed=4, start=50)
    np.testing.assert_array_equal(images.numpy(), exact.images)
    assert np.abs(probs.numpy() - exact.probs).mean() < 0.02
    plain = views.draw(recipe, loaded.images.shape, 4, 50, 50)
    assert np.array_equal(views.render(loaded.images, plain, np), exact.images) == (not sharpen)


@pytest.fixture(scope="module")
def compressed(digits: data.LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "digits.rud"
    result = rudcodec.compress(
        digits, path, bpc=6000, ipc=20, labels="network", label_views=90_000, warmup=10, joint=0, tune=4
    )
    assert 0.97 * 6000 < result.bpc <= 6000
    return path


@pytest.mark.slow
def test_compress_with_a_network(compressed: Path) -> None:
    loaded = rudcodec.load(compressed)
    assert loaded.network is not None and loaded.recipe.optimizer == "muon"
    assert loaded.network.views == student_views((8, 8, 1), flip=False)
    spent = bitstream.labels_size(loaded.network, ImageShape(8, 8, 1), 10)
    assert spent == pytest.approx(0.5 * loaded.size, rel=0.3)
    real = data.load("digits", "val")
    quick = replace(loaded.recipe, steps=400, lr=0.005)
    found = rudcodec.evaluate(loaded, real, recipe=quick, seeds=1, width=32)
    assert found.mean > 0.5
    hard = rudcodec.evaluate(loaded.with_hard_labels(), real, seeds=1, steps=20, width=16)
    assert hard.batch == min(64, len(loaded))


@pytest.mark.slow
def test_views_in_a_file_train_as_live_ones_do(compressed: Path, tmp_path: Path) -> None:
    loaded, real, out = rudcodec.load(compressed), data.load("digits", "val"), tmp_path / "views.npz"
    steps, batch = 1500, 64
    command = ["decompress", str(compressed), str(out), "--views", str(steps * batch)]
    assert CliRunner().invoke(main, command).exit_code == 0
    with np.load(out) as stored:
        pictures, probs = torch.from_numpy(stored["images"]), torch.from_numpy(stored["probs"])
    assert loaded.network is not None
    recipe, temperature = loaded.recipe, loaded.network.softmax_temperature
    live = ViewStream(loaded.images, loaded.network, batch=batch, batches=steps)

    def accuracy(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
        net = ConvNet(1, 10, 8, width=24)
        net.reset(torch.Generator().manual_seed(0))
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.005)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for shown, target in batches:
            loss = F.cross_entropy(net(normalise(shown, recipe.mean, recipe.std)) / temperature, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return float(np.mean(predict(net, real.images, recipe) == real.labels))

    from_file = accuracy(zip(pictures.split(batch), probs.split(batch), strict=True))
    assert from_file > 0.8
    # the same views in the same order; their labels differ by roundings
    assert from_file == pytest.approx(accuracy(live), abs=0.06)


def test_nearly_flat_channels_have_their_own_deviation() -> None:
    """Nine of 256 sums are 1, the others 0: a deviation of 3/16, which a rounded variance would make 1/16."""
    size = 16
    images = np.full((1, size, size, 1), constants.MID_GREY, np.uint8)
    dots = [(2, 2 + i) for i in range(9)]
    for row, column in dots:
        images[0, row, column] = constants.MID_GREY + 16

    def pointwise(exponent: int | None) -> QLayer:
        scale = None if exponent is None else QTensor(np.ones(1, np.int32), exponent)
        weight = QTensor(np.ones((1, 1, 1, 1), np.int32), 0)
        return QLayer(weight, QTensor(np.zeros(1, np.int32), 0), scale)

    linear = np.zeros((2, size * size), np.int32)
    linear[0, 2 * size + 2] = 1  # looks at the first dot
    network = LabelNetwork(
        (LabelLayer(1, kernel="pointwise", norm="scale"), LabelLayer(1, kernel="pointwise")),
        (pointwise(4), pointwise(None), QLayer(QTensor(linear, 0), QTensor(np.zeros(2, np.int32), 0))),
        16,
        None,
    )
    first, second = bitstream.logits(network, images)[0] / 4096
    assert (first, second) == (round(16 * 16 / 3) / 16, 0)
