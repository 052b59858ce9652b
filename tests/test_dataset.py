"""A decoded set is a dataset: indexed, sliced, loaded in batches, shown, and trained on by its recipe."""

from __future__ import annotations

import base64
import copy
import io
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import hardly_trained
from PIL import Image
from test_output import labelled_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import rudcodec
from rudcodec import DataError, SettingError, SyntheticSet
from rudcodec.augment import augment
from rudcodec.data import Reading
from rudcodec.nets import NETS, build
from rudcodec.nets.normalise import normalise
from rudcodec.payload import Recipe
from rudcodec.students import StudentSpec, Trainer, TrainingSet, optimizers_for, predict

SOFT = Path(__file__).parent / "golden" / "soft-300.rud"


@pytest.fixture
def data(rud: Path) -> SyntheticSet:
    return rudcodec.load(rud)


@pytest.fixture
def soft() -> SyntheticSet:
    return rudcodec.load(SOFT)


def small_net(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """A convolution and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * size[0] * size[1], classes),
    )


def test_items_are_images_and_class_numbers(data: SyntheticSet) -> None:
    image, label = data[3]
    np.testing.assert_array_equal(image, data.images[3])
    assert image.dtype == np.uint8 and type(label) is int and label == data.labels[3]
    assert data[-1][1] == data.labels[-1] and data[np.int64(3)][1] == label
    items = list(data)
    assert len(items) == len(data) == 12 and [label for _, label in items] == data.labels.tolist()
    with pytest.raises(IndexError, match="12"):
        data[12]
    with pytest.raises(TypeError):
        data["3"]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        data[0, 1]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        data[1.0]  # type: ignore[call-overload]


def test_indices_of_no_use_are_refused(soft: SyntheticSet) -> None:
    with pytest.raises(IndexError, match="indices of images must have one dimension, not 2"):
        soft[np.array([[0, 1]])]
    with pytest.raises(TypeError, match="'slice' object cannot be interpreted as an integer"):
        soft.torch()[:2]  # type: ignore[index]
    with pytest.raises(DataError, match="there are no images to train on"):
        soft[0:0].batches()


def test_slices_are_sets(soft: SyntheticSet) -> None:
    some = soft[10:20:3]
    np.testing.assert_array_equal(some.images, soft.images[10:20:3])
    np.testing.assert_array_equal(some.labels, soft.labels[10:20:3])
    for rows in (range(10, 20, 3), torch.arange(10, 20, 3), [10, 13, 16, 19]):
        np.testing.assert_array_equal(soft[rows].images, some.images)
    mask = torch.zeros(len(soft), dtype=torch.bool)
    mask[[10, 13, 16, 19]] = True
    np.testing.assert_array_equal(soft[mask].images, some.images)
    assert len(soft[range(0)]) == len(soft[[]]) == 0 and soft[torch.tensor(10)][1] == soft.labels[10]
    assert some.probs is not None and soft.probs is not None
    np.testing.assert_array_equal(some.probs, soft.probs[10:20:3])
    assert (some.classes, some.size, some.recipe) == (soft.classes, soft.size, soft.recipe)
    chosen = soft[[5, 3]]
    np.testing.assert_array_equal(chosen.labels, soft.labels[[5, 3]])
    assert len(soft[soft.labels < 7]) == 7 and len(soft[[]]) == 0 and len(soft[5:5]) == 0
    assert len(soft[np.array([True] * 2 + [False] * 298)]) == 2


def test_repr_is_a_line(data: SyntheticSet, soft: SyntheticSet, tmp_path: Path) -> None:
    assert repr(data) == (
        f"SyntheticSet(12 images 8x8 RGB, 3 classes, {data.size:,} bytes, {data.bpc:,.0f} bpc, labels: hard)"
    )
    assert repr(soft).startswith("SyntheticSet(300 images 3x2 grey, 300 classes") and "soft)" in repr(soft)
    assert repr(rudcodec.load(labelled_file(tmp_path))).endswith("labels: network)")


def test_notebooks_show_a_sheet(data: SyntheticSet, soft: SyntheticSet) -> None:
    large = replace(data[:1], images=np.zeros((1, 1500, 3000, 3), np.uint8))
    for shown in (data, soft, soft[:0], large, replace(data, classes=("<b>", "b", "c"))):
        text = shown._repr_html_()
        sheet = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
        with Image.open(io.BytesIO(base64.b64decode(sheet[0]))) as image:
            assert image.width <= 900 and image.height <= 900
        assert len(sheet) == 1 and "http" not in text and "<b>" not in text
        assert f"{len(shown)} images" in text and len(text) < 200_000


def test_data_loader_takes_the_set_itself(data: SyntheticSet) -> None:
    # torch's stubs want a subclass of its Dataset; what it needs is a length and items
    loader: Any = DataLoader(data, batch_size=5)  # type: ignore[arg-type]
    batches = list(loader)
    images = torch.cat([images for images, _ in batches])
    assert images.dtype == torch.uint8
    np.testing.assert_array_equal(images.numpy(), data.images)
    assert torch.cat([labels for _, labels in batches]).tolist() == data.labels.tolist()


def test_torch_gives_normalised_tensors(data: SyntheticSet) -> None:
    images = data.torch()
    image, label = images[3]
    assert image.dtype == torch.float32 and image.shape == (3, 8, 8) and label == data.labels[3]
    expected = normalise(torch.from_numpy(data.images), data.recipe.mean, data.recipe.std)
    torch.testing.assert_close(torch.stack([images[k][0] for k in range(12)]), expected)
    plain, _ = data.torch(normalise=False)[3]
    torch.testing.assert_close(plain * 255, torch.from_numpy(data.images[3]).permute(2, 0, 1).float())
    bare = replace(data, stored_recipe=None)
    torch.testing.assert_close(bare.torch(normalise=False)[3][0], plain)
    with pytest.raises(SettingError, match="no training recipe"):
        bare.torch()
    changed, _ = data.torch(lambda picture: -picture)[3]
    torch.testing.assert_close(changed, -image)
    batch, labels = next(iter(DataLoader(images, batch_size=12)))
    torch.testing.assert_close(batch, expected)
    assert labels.tolist() == data.labels.tolist()


def test_names_of_classes_go_with_tensors(data: SyntheticSet) -> None:
    swapped = replace(data, classes=("c", "a", "b"))
    tensors = swapped.torch(normalise=False)
    assert tensors.classes == swapped.classes and tensors.targets.tolist() == data.labels.tolist()
    found = rudcodec.data.load(tensors, "all")
    names = [found.classes[label] for label in found.labels]
    assert sorted(names) == sorted(swapped.classes[label] for label in data.labels)
    assert found.classes == swapped.classes


def test_torch_gives_soft_labels(soft: SyntheticSet, data: SyntheticSet) -> None:
    assert soft.probs is not None
    assert soft.torch()[7][1] == 7
    np.testing.assert_array_equal(soft.torch(soft=True)[7][1].numpy(), soft.probs[7])
    with pytest.raises(SettingError, match="no soft labels"):
        data.torch(soft=True)


def test_train_transform_augments_what_it_normalises(data: SyntheticSet) -> None:
    recipe = data.recipe
    train, test = recipe.train_transform(), recipe.test_transform()
    expected = normalise(torch.from_numpy(data.images), recipe.mean, recipe.std)
    torch.testing.assert_close(test(data.images), expected)
    torch.testing.assert_close(test(data.images[2]), expected[2])
    torch.testing.assert_close(test(Image.fromarray(data.images[2])), expected[2])
    torch.testing.assert_close(test(expected), expected)
    loader: Any = DataLoader(data, len(data))  # type: ignore[arg-type]
    (loaded, _), *_ = loader
    for pixels in (loaded, loaded.permute(0, 3, 1, 2)):
        torch.testing.assert_close(test(pixels), expected)
        torch.testing.assert_close(test(pixels[2]), expected[2])
    torch.manual_seed(3)
    augmented = train(data.images)
    generator = torch.Generator().manual_seed(3)
    torch.testing.assert_close(augmented, augment(expected, recipe.augment, generator))
    torch.manual_seed(3)
    torch.testing.assert_close(pickle.loads(pickle.dumps(train))(expected), augmented)
    torch.manual_seed(3)
    assert train(data[0][0]).shape == (3, 8, 8)
    assert "flip" in repr(train)


def test_transforms_of_grey_sets_take_any_pil_image() -> None:
    recipe = Recipe(mean=(100,), std=(50,), augment=())
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for image in (Image.fromarray(grey), Image.fromarray(grey).convert("RGB")):
        torch.testing.assert_close(
            recipe.train_transform()(image), (torch.tensor(grey).float()[None] - 100) / 50
        )


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8),
        torch.zeros(4, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8, dtype=torch.int64),
        torch.zeros(1, 8, 8), torch.zeros(8, 8), torch.zeros(8, 8, dtype=torch.uint8),
    ],
)  # fmt: skip
def test_transforms_refuse_what_is_no_image_of_theirs(images: Any, data: SyntheticSet) -> None:
    with pytest.raises(SettingError, match=r"images must be .*, not "):
        data.recipe.train_transform()(images)


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_make_optimizer_is_what_the_students_are_trained_by(name: str, data: SyntheticSet) -> None:
    """By hand with torch's parts, and by the one object: the same weights; the rate falls to 0 and stays."""
    recipe = replace(data.recipe, optimizer=name, steps=5, lr=0.05)
    images, labels = data.recipe.test_transform()(data.images), torch.from_numpy(data.labels)
    results = []
    for own in (True, False):
        torch.manual_seed(0)
        net = small_net(3, 3, (8, 8))
        one = recipe.make_optimizer(net)
        parts: list[Any] = [one] if own else optimizers_for(net, recipe)
        schedules = [] if own else [torch.optim.lr_scheduler.CosineAnnealingLR(part, 5) for part in parts]
        for _ in range(5):
            net.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            for part in (*parts, *schedules):
                part.step()
        results.append(torch.nn.utils.parameters_to_vector(net.parameters()).detach())
        if own:
            assert [group["lr"] for group in one.param_groups] == pytest.approx([0] * len(one.param_groups))
            F.cross_entropy(net(images), labels).backward()
            one.step()
            assert max(group["lr"] for group in one.param_groups) < 1e-9
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_an_optimizer_goes_on_from_its_state(name: str, data: SyntheticSet) -> None:
    recipe = replace(data.recipe, optimizer=name, steps=6, lr=0.05)
    images, labels = recipe.test_transform()(data.images), torch.from_numpy(data.labels)

    def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> Tensor:
        for _ in range(steps):

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(images), labels)
                loss.backward()
                return loss

            assert optimizer.step(closure) is not None  # type: ignore[arg-type]
        return torch.nn.utils.parameters_to_vector(net.parameters()).detach()

    torch.manual_seed(0)
    net = small_net(3, 3, (8, 8))
    optimizer = recipe.make_optimizer(net)
    train(net, optimizer, 3)
    saved = io.BytesIO()
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, saved)
    expected = train(net, optimizer, 3)
    saved.seek(0)
    state = torch.load(saved, weights_only=True)
    other = small_net(3, 3, (8, 8))
    other.load_state_dict(state["net"])
    again = recipe.make_optimizer(other)
    again.load_state_dict(state["optimizer"])
    assert again.param_groups[0]["lr"] == pytest.approx(0.025)
    torch.testing.assert_close(train(other, again, 3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_an_optimizer_can_be_copied(copied: Any, data: SyntheticSet) -> None:
    """With the network that it trains; but not be given others."""
    net = small_net(3, 3, (8, 8))
    pair = net, replace(data.recipe, optimizer="muon", lr=0.1).make_optimizer(net)
    other, optimizer = copied(pair)
    before = torch.nn.utils.parameters_to_vector(other.parameters()).detach().clone()
    for parameter in other.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert not torch.equal(torch.nn.utils.parameters_to_vector(other.parameters()), before)
    assert torch.equal(torch.nn.utils.parameters_to_vector(net.parameters()), before)
    assert optimizer.param_groups[0]["lr"] < 0.1
    with pytest.raises(SettingError, match="trains one network"):
        optimizer.add_param_group({"params": [torch.zeros(3, requires_grad=True)]})


def test_an_optimizer_for_a_scheduler_of_ones_own(data: SyntheticSet) -> None:
    recipe = replace(data.recipe, optimizer="muon", lr=0.1)
    optimizer = recipe.make_optimizer(small_net(3, 3, (8, 8)), anneal=False)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.step()
    schedule.step()
    assert {group["lr"] for one in optimizer.optimizers for group in one.param_groups} == {0.05}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_scheduler_may_move_the_momentum(data: SyntheticSet, name: str) -> None:
    recipe = replace(data.recipe, optimizer=name, momentum=0.5)
    optimizer = recipe.make_optimizer(small_net(3, 3, (8, 8)), anneal=False)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    optimizer.step()
    schedule.step()
    (group,) = optimizer.optimizers[0].param_groups
    assert 0.85 < (group["momentum"] if name == "sgd" else group["betas"][0]) < 0.95


def test_a_state_of_another_optimizer_changes_nothing(data: SyntheticSet) -> None:
    recipe, net = replace(data.recipe, optimizer="muon", lr=0.1), small_net(3, 3, (8, 8))
    optimizer = recipe.make_optimizer(net)
    before = copy.deepcopy(optimizer.state_dict())
    others = recipe.make_optimizer(net, anneal=False), replace(recipe, optimizer="sgd").make_optimizer(net)
    for state in (*(other.state_dict() for other in others), {}):
        with pytest.raises(SettingError, match="the state of another kind of optimizer"):
            optimizer.load_state_dict(state)
    assert optimizer.state_dict() == before


def test_batches_are_the_recipe(data: SyntheticSet) -> None:
    """Four steps of eight out of twelve images, in shuffled passes, normalised and augmented."""
    plain = data.with_recipe(augment=())
    batches = plain.batches(seed=1)
    drawn = list(batches)
    assert len(batches) == len(drawn) == data.recipe.steps == 4
    images = torch.cat([images for images, _ in drawn])
    assert images.shape == (32, 3, 8, 8) and images.dtype == torch.float32
    expected = normalise(torch.from_numpy(data.images), data.recipe.mean, data.recipe.std)
    rows = [int((image == expected).flatten(1).all(1).nonzero()[0]) for image in images]
    assert sorted(rows[:8]) != rows[:8] and len(set(rows[:8])) == 8
    assert torch.cat([labels for _, labels in drawn]).tolist() == data.labels[rows].tolist()
    again = torch.cat([images for images, _ in plain.batches(seed=1)])
    assert torch.equal(images, again) and torch.equal(images, torch.cat([x for x, _ in batches]))
    assert not torch.equal(images, torch.cat([images for images, _ in plain.batches(seed=2)]))


def test_batches_of_a_label_network_are_views(tmp_path: Path) -> None:
    data = rudcodec.load(labelled_file(tmp_path))
    data = data.with_recipe(steps=2, batch=5)
    drawn = list(data.batches())
    views = data.views(10)
    expected = normalise(torch.from_numpy(views.images), data.recipe.mean, data.recipe.std)
    torch.testing.assert_close(torch.cat([images for images, _ in drawn]), expected)
    probs = torch.cat([probs for _, probs in drawn])
    np.testing.assert_allclose(probs.numpy(), views.probs, atol=0.05)
    logits = torch.zeros(5, 2)
    loss = data.loss(logits, probs[:5])
    assert loss.item() == pytest.approx(np.log(2) * views.temperature**2, rel=1e-5)
    assert data.loss(logits, torch.zeros(5, dtype=torch.int64)).item() == pytest.approx(np.log(2), rel=1e-5)


@pytest.mark.parametrize("labels", ["hard", "network"])
def test_workers_of_a_loader_take_turns(labels: str, data: SyntheticSet, tmp_path: Path) -> None:
    if labels == "network":
        data = rudcodec.load(labelled_file(tmp_path))
    data = data.with_recipe(steps=5, batch=3, cutmix=128)
    for workers in (0, 2):
        loader: Any = DataLoader(
            data.batches(seed=1),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
        )
        assert len(loader) == 5
        for (images, targets), (ours, own) in zip(loader, data.batches(seed=1), strict=True):
            assert torch.equal(images, ours) and torch.equal(targets, own)


def test_batches_of_soft_labels(soft: SyntheticSet) -> None:
    soft = soft.with_recipe(steps=1)
    ((images, probs),) = soft.batches()
    assert images.shape == (256, 1, 2, 3) and probs.shape == (256, 300) and probs.dtype == torch.float32
    logits = torch.randn(256, 300)
    expected = F.cross_entropy(logits / soft.temperature, probs) * soft.temperature**2
    assert soft.loss(logits, probs).item() == pytest.approx(expected.item(), rel=1e-5)


def test_batches_ask_for_no_more_than_a_file_may(data: SyntheticSet) -> None:
    greedy = replace(data, stored_recipe=replace(data.recipe, steps=2_000_000))
    with pytest.raises(SettingError, match="2,000,000 steps"):
        greedy.batches()


def test_any_network_can_be_a_student(data: SyntheticSet) -> None:
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    result = rudcodec.evaluate(data, real, seeds=1, net=small_net, device="cpu")
    assert result.net == "small_net" and result.width is None and 0 <= result.mean <= 1
    trainer = Trainer(TrainingSet.with_own_labels(data), data.recipe, StudentSpec(small_net, device="cpu"))
    one, two = (torch.nn.utils.parameters_to_vector(trainer.train(0).parameters()) for _ in range(2))
    assert torch.equal(one, two)


def test_networks_are_judged_in_the_mode_for_evaluation(data: SyntheticSet) -> None:
    """Where dropout leaves all as it is, and an image's class doesn't depend on the others."""
    torch.manual_seed(0)  # weights whose logits no rounding brings into another order
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.9), small_net(3, 3, (8, 8)))
    classes = predict(net, data.images, data.recipe)
    assert net.training
    pictures = data.recipe.test_transform()(data.images)
    assert classes.tolist() == net.eval()(pictures).argmax(1).tolist()


class OnlyLarge(nn.Linear):
    """As torchvision's vision transformers refuse images."""

    def __init__(self) -> None:
        super().__init__(192, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("only large ones")


class Auxiliary(nn.Linear):
    """Gives more than logits in training, as torchvision's GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__(192, 3)

    def forward(self, x: torch.Tensor) -> Any:
        logits = super().forward(x.flatten(1))
        return (logits, logits) if self.training else logits


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (len, r"must take \(channels, classes, \(height, width\)\)"),
        (lambda channels, classes, size: 3, "makes a int, not a torch.nn.Module"),
        (lambda channels, classes, size: nn.Flatten(), "doesn't give 3 logits"),
        (lambda channels, classes, size: nn.Conv2d(1, 3, 1), r"can't take images \(3, 8, 8\)"),
        (lambda channels, classes, size: OnlyLarge(), r"can't take images \(3, 8, 8\): only large ones"),
        (lambda channels, classes, size: Auxiliary(), "and nothing else, when it is trained"),
        (
            lambda channels, classes, size: nn.Sequential(
                nn.Flatten(), nn.Linear(192, classes).requires_grad_(False)
            ),
            "without weights that can be trained",
        ),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_networks_that_do_not_fit_are_one_line(
    net: Any, text: str, by_name: bool, data: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    if by_name:  # as other packages bring them
        monkeypatch.setattr("test_dataset.net_of_others", net, raising=False)
        monkeypatch.setitem(NETS._added, "others", "test_dataset:net_of_others")  # noqa: SLF001  (only here)
    with pytest.raises(SettingError, match=text):
        rudcodec.evaluate(data, real, seeds=1, net="others" if by_name else net, device="cpu")


def test_each_student_needs_a_network_of_its_own(data: SyntheticSet) -> None:
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    net = small_net(3, 3, (8, 8))
    with pytest.raises(SettingError, match="gives a network that it has given before"):
        rudcodec.evaluate(data, real, seeds=2, net=lambda channels, classes, size: net, device="cpu")


@pytest.mark.slow
@hardly_trained
def test_the_callers_state_of_torch_stays(data: SyntheticSet, tmp_path: Path) -> None:
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    short: dict[str, Any] = {"bpc": 20_000, "ipc": 1, "labels": "hard", "utility": "dm", "warmup": 4}
    before = torch.get_rng_state()
    with torch.no_grad():
        rudcodec.compress(real, tmp_path / "out.rud", device="cpu", joint=3, tune=2, **short)
        rudcodec.evaluate(data, real, seeds=1, net=small_net, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_network_is_as_it_was_made_after_it_has_been_tried(data: SyntheticSet) -> None:
    """Also one that can't be copied, as those of torch's older weight_norm."""

    def net(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
        linear = torch.nn.utils.weight_norm(nn.Linear(192, classes))
        return nn.Sequential(nn.BatchNorm2d(channels), nn.Flatten(), linear)

    made = build(net, (8, 8, 3), 3, torch.Generator().manual_seed(0))
    (norm,) = (module for module in made.modules() if isinstance(module, nn.BatchNorm2d))
    assert made.training and norm.num_batches_tracked == 0 and norm.running_var is not None
    assert norm.running_var.tolist() == [1, 1, 1]


def test_real_images_have_the_size_and_the_class_numbers_of_a_file(data: SyntheticSet) -> None:
    numbered = np.repeat(np.arange(8, dtype=np.uint8), 64 * 3).reshape(8, 8, 8, 3)
    names = ("dog", "ant", "cat", "bee")
    real = rudcodec.data.LabelledImages(numbered, np.arange(8) % 4, names, "real")
    mine = SyntheticSet(data.images, data.labels, ("ant", "bee", "cat"), data.size, data.recipe)
    with pytest.warns(RuntimeWarning, match="3 of 4 classes"):
        found = mine.real_images(real)
    assert found.classes == mine.classes and found.labels.tolist() == [0, 2, 1, 0, 2, 1]
    assert found.images[:, 0, 0, 0].tolist() == [1, 2, 3, 5, 6, 7]
    grey = replace(mine, images=mine.images[..., :1], classes=names)
    named = (numbered, np.array(names)[real.labels])
    assert grey.real_images(named, "all", reading=Reading(mode="grey")).channels == 1
    with pytest.raises(DataError, match="images are 8x8 colour, the file's are 8x4 colour"):
        replace(data, images=data.images[:, :4]).real_images(real)
