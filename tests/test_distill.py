"""The encoder through its door: budgets, determinism, errors. Runs are short: quality is not the question."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import rudcodec
from rudcodec import bitstream
from rudcodec.bitstream import check_limits
from rudcodec.data import LabelledImages, load
from rudcodec.distill import ProgressReport, Settings, distill
from rudcodec.distill.allocation import Demand, allocate, smallest_images_bpc
from rudcodec.distill.encode import encode
from rudcodec.distill.estimate import estimate
from rudcodec.distill.inputs import resolve_inputs
from rudcodec.distill.payload_builder import segment_sizes
from rudcodec.distill.pipeline import pipeline
from rudcodec.distill.schedules import joint_schedule, tuning_schedule
from rudcodec.distill.selection import select_images
from rudcodec.errors import BudgetError, DataError, FormatError, RudError, SettingError
from rudcodec.payload import ImageShape, Payload
from rudcodec.run_files import RunFiles
from rudcodec.runs import RunContext
from rudcodec.students import default_recipe
from rudcodec.utility.mm import MomentMatching
from rudcodec.utility_options import MMOptions

QUICK: dict[str, Any] = {"warmup": 40, "joint": 3, "tune": 20}


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return load("digits", "train")


@pytest.fixture(scope="module")
def colour() -> LabelledImages:
    """Three classes of coloured stripes, 12 x 10."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30).astype(np.int64)
    phase = rng.integers(0, 10, (90, 1, 1))
    x, y = np.arange(10)[None, None, :], np.arange(12)[None, :, None]
    wave = np.sin((x + phase) * (1 + labels[:, None, None]) / 2 + y / 3)
    tint = np.eye(3)[labels][:, None, None, :] * 60
    images = np.clip(128 + 80 * wave[..., None] + tint + rng.normal(0, 8, (90, 12, 10, 3)), 0, 255)
    return LabelledImages(images.astype(np.uint8), labels, ("a", "b", "c"), "stripes")


@pytest.mark.slow
def test_file_uses_its_budget_and_no_more(digits: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "digits.rud"
    result = rudcodec.compress(digits, path, bpc=2500, ipc=12, **{**QUICK, "warmup": 100})
    assert path.stat().st_size == result.size
    assert 0.97 * 2500 <= result.bpc <= 2500
    assert rudcodec.load(path).ipc == 12


@pytest.mark.slow
@pytest.mark.parametrize(("bpc", "ipc"), [(2500, 12), (9000, 8)])
def test_a_file_keeps_what_the_utility_has_made(
    colour: LabelledImages, bpc: int, ipc: int, tmp_path: Path
) -> None:
    """Where it comes out too small: what more it takes up is not what the utility has changed images from."""
    path = tmp_path / "stripes.rud"
    settings: dict[str, Any] = {**QUICK, "joint": 60, "labels": "hard"}
    result = rudcodec.compress(colour, path, bpc=bpc, ipc=ipc, **settings)
    assert 0.95 * bpc <= result.bpc <= bpc
    assert result.target_psnr > result.psnr + 1


@pytest.mark.slow
def test_lmbda_is_the_price_of_errors(colour: LabelledImages, tmp_path: Path) -> None:
    """No budget: what a sixteenth of the error is worth more, takes more bits."""
    found, images = [], LabelledImages(colour.images[::3], colour.labels[::3], colour.classes, "stripes")
    for lmbda in (0.005, 0.08):
        path = tmp_path / f"{lmbda}.rud"
        result = rudcodec.compress(None, path, distilled=images, lmbda=lmbda, warmup=60, tune=10)
        errors = rudcodec.load(path).images.astype(float) - images.images
        found.append((result.bpc, float(np.square(errors).mean())))
    (coarse, harm), (fine, less) = found
    assert 1.3 * coarse < fine and less < 0.6 * harm
    pixels = images.images[0, ..., 0].size * 10  # of a class
    assert coarse / pixels + 0.005 * harm < fine / pixels + 0.005 * less  # each minimises its own
    assert fine / pixels + 0.08 * less < coarse / pixels + 0.08 * harm


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("share", ["dataset", "class"])
def test_same_seed_same_bytes(colour: LabelledImages, share: Literal["dataset", "class"]) -> None:
    settings = Settings(bpc=9000, ipc=6, share=share, **QUICK)
    first, second = (bitstream.encode(distill(colour, settings)) for _ in range(2))
    assert first == second
    assert len(first) * 8 <= 9000 * 3


@pytest.mark.slow
def test_networks_per_class_where_a_chunk_does_not_hold_every_class(colour: LabelledImages) -> None:
    settings = Settings(bpc=5000, ipc=2, share="class", chunk=2, warmup=4, joint=0, tune=2)
    (model,) = distill(colour, settings).models
    assert (len(model.groups), model.classes) == (3, (0, 1, 2))


@pytest.mark.slow
def test_decoded_images_resemble_real_ones(colour: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "stripes.rud"
    rudcodec.compress(colour, path, bpc=6000, ipc=5, warmup=100, joint=0, tune=20)
    decoded = rudcodec.load(path)
    for k in range(3):
        real = colour.images[colour.labels == k].astype(float)
        for image in decoded.images[decoded.labels == k].astype(float):
            nearest = np.square(real - image).mean((1, 2, 3)).min()
            assert nearest < 0.5 * real.var()


@pytest.mark.slow
def test_a_distilled_set_keeps_all_its_images(colour: LabelledImages, tmp_path: Path) -> None:
    """Without a real set; with one, under the names of its classes."""
    rows = np.random.default_rng(1).permutation(90)  # not by class
    start = LabelledImages(colour.images[rows], colour.labels[rows], ("0", "1", "2"), "distilled")
    path = tmp_path / "all.rud"
    result = rudcodec.compress(None, path, distilled=start, bpc=20000, warmup=63, tune=10)
    decoded = rudcodec.load(path)
    assert (result.ipc, decoded.classes) == (30, ("0", "1", "2"))
    assert 0.9 * 20000 <= result.bpc <= 20000
    for k in range(3):
        given = start.images[start.labels == k].astype(float)
        found = decoded.images[decoded.labels == k].astype(float)
        nearest = np.square(given[:, None] - found).mean((2, 3, 4)).argmin(1)
        assert sorted(nearest.tolist()) == list(range(30))  # segments take turns
    with pytest.warns(RuntimeWarning, match="^classes are numbers; taken as 0: a, 1: b, 2: c$"):
        payload = distill(colour, Settings(bpc=20000, warmup=4, joint=2, tune=2), distilled=start)
    assert (payload.classes, payload.segments[0].counts) == (("a", "b", "c"), (10, 10, 10))


def test_a_distilled_set_that_can_not_be_coded(colour: LabelledImages, digits: LabelledImages) -> None:
    start = LabelledImages(colour.images[:-1], colour.labels[:-1], colour.classes, "distilled")
    settings = Settings(bpc=20000)
    with pytest.raises(DataError, match=r"distilled: class c has 29 images, a 30"):
        distill(None, settings, distilled=start)
    with pytest.raises(DataError, match=r"stripes: images are 10x12 colour, the real set's are 8x8 grey"):
        distill(digits, settings, distilled=colour)
    with pytest.raises(SettingError, match="ipc: 4, but each class has 30"):
        distill(None, Settings(bpc=20000, ipc=4), distilled=colour)
    with pytest.raises(SettingError, match="labels: network ones need real images"):
        distill(None, Settings(bpc=20000, labels="network"), distilled=colour)
    with pytest.raises(SettingError, match="nothing to compress"):
        distill(None, settings)


@pytest.mark.slow
def test_progress_names_the_stages_in_order(colour: LabelledImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """The utility is prepared just before it is needed, and not where a file's size is asked for."""
    seen: list[ProgressReport] = []
    prepared: list[str] = []
    prepare = MomentMatching.prepare

    def noted(*args: Any) -> None:
        prepared.append(seen[-1].stage)
        prepare(*args)

    monkeypatch.setattr(MomentMatching, "prepare", noted)
    distill(colour, Settings(bpc=6000, ipc=4, **QUICK), report=seen.append)
    stages = list(dict.fromkeys(p.stage for p in seen))
    expected = ["selection", "utility networks", "pretraining", "warm-up 1", "warm-up 2", "joint"]
    assert stages[:7] == [*expected, "tuning 1"]
    assert prepared == ["warm-up 2"]
    assert all(0 < p.step <= p.steps for p in seen)
    assert [p for p in seen if p.stage == "joint"][-1].utility is not None


def test_what_an_encode_takes_is_told_of_classes_that_alternate() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), np.uint8)
    alternate = LabelledImages(images, np.arange(120) % 2, ("a", "b"), "alternate")
    options = {"mm.runs": 1, "mm.steps": 2, "mm.width": 8}
    settings = Settings(bpc=30_000, ipc=50, labels="hard", warmup=4, joint=2, utility_options=options)
    assert estimate(resolve_inputs(alternate, None, settings)).seconds["joint"] > 0


@pytest.mark.parametrize(("epochs", "straight"), [(10, 2), (450, 90), (1200, 90)])
def test_a_stage_ends_rounding_straight_through_but_not_for_long(epochs: int, straight: int) -> None:
    schedule = joint_schedule(epochs)
    rounding = [schedule.rounding(epoch / epochs) for epoch in range(epochs)]
    assert rounding.index(None) == epochs - straight
    assert rounding.count(None) == straight


def test_impossible_budget_says_what_would_do(colour: LabelledImages) -> None:
    with pytest.raises(BudgetError, match=r"bpc: 100 is too small .* at least \d+"):
        distill(colour, Settings(bpc=100, ipc=5))


def test_no_more_images_than_a_file_may_ask_for() -> None:
    """Of 256 x 256 pixels, in a file that has nine tenths of its budget."""
    demand = Demand(tuple("0123456789"), ImageShape(256, 256, 3), smallest_class=5000)
    planned = allocate(demand, 1e6, None)

    def check(ipc: int) -> None:
        check_limits(planned.architecture, ((ipc,) * 10,), 1, 1_125_000)

    check(planned.ipc)
    with pytest.raises(FormatError):
        check(planned.ipc + 50)
    with pytest.raises(BudgetError, match=r"may hold \d+ images per class, not 4000") as refused:
        allocate(demand, 1e6, 4000)
    most = int(str(refused.value).split("may hold ")[1].split()[0])
    assert allocate(demand, 1e6, most).ipc == most >= planned.ipc
    with pytest.raises(BudgetError, match=f"may hold {most} images per class, not {most + 1}"):
        allocate(demand, 1e6, most + 1)


@pytest.mark.parametrize(
    ("side", "classes", "share", "ipc"),
    [(256, 10, "dataset", 10), (32, 100, "class", 50), (32, 10, "dataset", 900)],
)
@pytest.mark.parametrize("factor", [1.0, 1.3, 10.0])
def test_the_smallest_budget_pays_for_decoding(
    side: int, classes: int, share: str, ipc: int, factor: float
) -> None:
    """By the bytes of its latents: head and networks don't count."""
    names = tuple(map(str, range(classes)))
    demand = Demand(names, ImageShape(side, side, 3), smallest_class=5000, share=share)
    planned = allocate(demand, factor * smallest_images_bpc(demand, ipc), ipc)
    counts = tuple((size,) * classes for size in segment_sizes(ipc))
    size = int((planned.budget_bits - planned.overhead_bits) / 8)
    check_limits(planned.architecture, counts, demand.num_groups, size)


def test_lmbda_does_not_say_how_many_images(colour: LabelledImages) -> None:
    with pytest.raises(SettingError, match="lmbda: say how many images per class, with --ipc"):
        distill(colour, Settings(lmbda=0.01))


def test_more_images_than_there_are(colour: LabelledImages) -> None:
    with pytest.raises(DataError, match="class a has 30 images, fewer than 31"):
        distill(colour, Settings(lmbda=0.01, ipc=31))
    with pytest.raises(DataError, match="class a has 30 images, fewer than 31"):
        distill(colour, Settings(bpc=50_000, ipc=31))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bpc": 0}, "bpc"),
        ({"lmbda": 0}, "lmbda: 0; it must be above 0"),
        ({"bpc": float("nan")}, "bpc: nan"),
        ({"ipc": 2.5}, "ipc: 2.5 is not a whole number"),
        ({"ipc": True}, "ipc: True is not a whole number"),
        ({"labels": "hardd"}, "labels: 'hardd' is none of .*; is it 'hard'"),
        ({"seed": -1}, "seed: -1; it must be at least 0"),
        ({"seed": 2**32}, "seed: 4,294,967,296; it must be below 4,294,967,296"),
        ({"ipc": 0}, "ipc"),
        ({"warmup": 0}, "warmup"),
        ({"share": "both"}, "share"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Settings(**{"bpc": 1000.0, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"labels": "hard", "joint": 0, "utility": "dm"},
            "utility: with joint=0 there is no joint phase to use dm",
        ),
        (
            {"labels": "soft", "label_fraction": 0.5},
            "label_fraction: a file of soft labels has no label network",
        ),
        (
            {"label_fraction": 0.5},
            "label_fraction: a file of hard labels, which suit this set and budget, has no label network",
        ),
    ],
)
def test_settings_that_nothing_would_use(colour: LabelledImages, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        resolve_inputs(colour, None, Settings(bpc=9000, **wrong))


def test_numbers_of_numpy_can_be_written_into_checkpoints() -> None:
    settings = Settings(bpc=9000, utility_options={"mm.runs": np.int64(3)})
    assert json.loads(json.dumps(settings.as_dict()))["utility_options"] == {"mm.runs": 3}


def test_settings_of_another_type(colour: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"settings must be Settings, such as Settings.preset"):
        rudcodec.compress(colour, tmp_path / "x.rud", "fast")  # type: ignore[arg-type]


def test_a_utility_needs_real_images_of_every_class(colour: LabelledImages) -> None:
    some = colour.take(np.flatnonzero(colour.labels != 1))
    with pytest.raises(DataError, match="class b has no image that a utility could match"):
        resolve_inputs(some, colour, Settings(bpc=90_000, utility="mm"))


@pytest.mark.parametrize("labels", ["soft", "network"])
def test_labels_need_real_images_of_every_class(colour: LabelledImages, labels: str) -> None:
    some = colour.take(np.flatnonzero(colour.labels != 1))
    with pytest.raises(DataError, match="class b has no image that labels could be learned from"):
        resolve_inputs(some, colour, Settings(bpc=90_000, labels=labels))


@pytest.mark.parametrize(
    ("labels", "bpc"), [("auto", math.inf), ("hard", math.inf), ("auto", 9000.0), ("network", 9000.0)]
)
def test_a_class_without_images_is_none_of_the_file(colour: LabelledImages, labels: str, bpc: float) -> None:
    some = colour.take(np.flatnonzero(colour.labels != 1))
    inputs = resolve_inputs(some, None, Settings(labels=labels, utility="none", bpc=bpc))
    assert inputs.real.classes == ("a", "c") and inputs.num_classes == 2
    np.testing.assert_array_equal(inputs.real.labels, some.labels // 2)
    assert inputs.notes == ("the file lacks b, of which the set has no image",)
    with pytest.raises(DataError, match="needs two classes or more, has only a"):
        resolve_inputs(colour.take(np.flatnonzero(colour.labels == 0)), None, Settings())


def test_a_class_of_few_images_limits_all(colour: LabelledImages) -> None:
    few = np.flatnonzero(colour.labels == 1)[9:]
    some = colour.take(np.setdiff1d(np.arange(len(colour)), few))
    generous, small = Settings(bpc=90_000, labels="hard"), Settings(bpc=1000, labels="hard")
    assert resolve_inputs(some, None, generous).limiting_class == ("b", 9)
    assert resolve_inputs(some, None, small).limiting_class is None
    assert resolve_inputs(colour, None, generous).limiting_class is None


def test_images_too_small_for_networks_are_refused_at_once() -> None:
    rows = LabelledImages(np.zeros((6, 1, 64, 3), np.uint8), np.arange(6) % 2, ("a", "b"), "rows")
    with pytest.raises(SettingError, match="rows: images of 64x1 pixels are too small"):
        resolve_inputs(rows, None, Settings(bpc=9000, labels="hard"))
    assert resolve_inputs(None, rows, Settings(bpc=9000)).settings.utility == "none"


def test_too_many_classes_for_a_label_network_have_hard_labels() -> None:
    """Where nobody asks for another; else that is said before anything is trained."""
    count = 60_000
    many = LabelledImages(
        np.zeros((count, 2, 2, 1), np.uint8), np.arange(count), tuple(map(str, range(count))), "many"
    )
    assert resolve_inputs(many, None, Settings(bpc=2000, ipc=1)).settings.labels == "hard"
    with pytest.raises(SettingError, match="would be larger than a file may hold"):
        resolve_inputs(many, None, Settings(bpc=2000, ipc=1, labels="network"))


def test_seeds_change_the_networks_of_a_utility(colour: LabelledImages) -> None:
    def weights(seed: int) -> torch.Tensor:
        utility = MomentMatching(default_recipe(colour), MMOptions(runs=2, steps=0, width=4))
        return torch.stack([one["convs.0.weight"] for one in utility.learn(colour, RunContext("cpu", seed))])

    first, again, other = weights(0), weights(0), weights(1)
    assert torch.equal(first, again)
    assert not any(torch.equal(one, another) for one in first for another in other)


def test_failed_compress_leaves_no_file(colour: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(BudgetError):
        rudcodec.compress(colour, tmp_path / "out.rud", bpc=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
def test_no_file_is_written_that_would_not_decode(
    colour: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"bpc": 9000, "ipc": 2, "labels": "hard", "warmup": 4, "joint": 0, "tune": 2}

    def decoded_wrongly(data: bytes) -> Payload:
        payload = decode(data)
        payload.segments[0].latents[-1][0, 0, 0] ^= 1
        return payload

    decode = bitstream.decode
    monkeypatch.setattr("rudcodec.bitstream.decode", decoded_wrongly)
    with pytest.raises(RudError, match=r"out\.rud: isn't written, since it wouldn't decode"):
        rudcodec.compress(colour, tmp_path / "out.rud", **settings)
    assert list(tmp_path.iterdir()) == []


def test_tuning_with_a_utility_has_no_noise() -> None:
    for epochs in (20, 200):
        schedule = tuning_schedule(epochs, "tuning", with_utility=True)
        assert {schedule.rounding(done / epochs) for done in range(epochs)} == {None}


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
def test_a_file_that_is_made_meanwhile_is_kept(colour: LabelledImages, tmp_path: Path) -> None:
    """The run waits, finished, until its name is free."""
    out, run = tmp_path / "out.rud", tmp_path / "run"
    settings: dict[str, Any] = {"bpc": 9000, "ipc": 2, "labels": "hard", "warmup": 4, "joint": 0, "tune": 2}

    def use_its_name(_: ProgressReport) -> None:
        out.write_text("precious")

    with pytest.raises(DataError, match=r"out\.rud: is there, and isn't what this run has made"):
        rudcodec.compress(colour, out, report=use_its_name, checkpoints=run, **settings)
    with pytest.raises(DataError, match=r"out\.rud: is there"):
        rudcodec.compress(colour, out, checkpoints=run, resume=True, **settings)
    assert out.read_text() == "precious"
    out.unlink()
    assert rudcodec.compress(colour, out, checkpoints=run, resume=True, **settings).ipc == 2
    assert not run.exists()
    inputs, made = resolve_inputs(colour, None, Settings(**settings)), out.read_bytes()
    encode(inputs, out, replaces=False)  # is its own
    out.write_text("precious")
    with pytest.raises(DataError, match=r"out\.rud: is there"):
        encode(inputs, out, RunFiles(run), replaces=False)
    assert out.read_text() == "precious"
    encode(inputs, out, RunFiles(run, resume=True))
    assert out.read_bytes() == made and not run.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
def test_a_run_that_goes_on_may_replace_what_it_might(colour: LabelledImages, tmp_path: Path) -> None:
    out, run = tmp_path / "out.rud", tmp_path / "run"
    settings = Settings(bpc=9000, ipc=2, labels="hard", warmup=4, joint=0, tune=2)
    out.write_text("old")

    def interrupt(report: ProgressReport) -> None:
        if report.stage == "warm-up 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rudcodec.compress(colour, out, settings, report=interrupt, checkpoints=run, checkpoint_seconds=0)
    assert out.read_text() == "old"
    encode(resolve_inputs(colour, None, settings), out, RunFiles(run, resume=True), replaces=False)
    assert rudcodec.load(out).ipc == 2


def test_selection_takes_different_images_of_every_class(colour: LabelledImages) -> None:
    chosen, clusters = select_images(colour, 7, default_recipe(colour), RunContext("cpu"))
    assert len(np.unique(chosen)) == 21
    assert colour.labels[chosen].tolist() == [0] * 7 + [1] * 7 + [2] * 7
    assert not clusters.any()


def test_selection_takes_as_many_images_of_every_cluster(colour: LabelledImages) -> None:
    """Which are as large a part of the class."""
    chosen, clusters = select_images(colour, 7, default_recipe(colour), RunContext("cpu"), clusters=3)
    assert len(np.unique(chosen)) == 21
    assert clusters[chosen].tolist() == [0, 0, 1, 1, 2, 2, 2] * 3
    for label, size in enumerate(np.bincount(colour.labels)):
        sizes = np.bincount(clusters[colour.labels == label])
        assert np.abs(sizes - size * np.array([2, 2, 3]) / 7).max() <= 1


def constant_images() -> LabelledImages:
    """Three classes of equal grey images, of a level for each."""
    images = np.repeat(np.array([40, 120, 200], np.uint8), 20)[:, None, None, None]
    labels = np.repeat(np.arange(3), 20)
    return LabelledImages(np.tile(images, (1, 16, 16, 3)), labels, ("a", "b", "c"), "flat")


def test_equal_images_can_be_chosen() -> None:
    """Without a warning of numpy's: their features have no variance."""
    data = constant_images()
    for same in (data, replace(data, images=np.full_like(data.images, 120))):
        assert len(set(select_images(same, 4, default_recipe(same), RunContext("cpu"))[0])) == 12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the file holds the images as they were selected:RuntimeWarning")
def test_no_estimate_is_below_zero() -> None:
    """Where latents are so large that they take far less than their estimate, as those of equal images."""
    reports: list[ProgressReport] = []
    settings = Settings.preset("fast", bpc=2000, warmup=30, joint=10, tune=6, device="cpu")
    distill(constant_images(), settings, report=reports.append)
    pretraining = [report.bpc for report in reports if report.stage == "pretraining 3"]
    assert pretraining and all(bpc is not None and bpc > 2000 for bpc in pretraining)
    assert all(report.bpc is None or report.bpc > 0 for report in reports)


def test_the_pipeline_says_what_an_encode_does(colour: LabelledImages) -> None:
    """No two stages share a name; a distilled set and a label network have no joint phase."""

    def names(*, distilled: LabelledImages | None = None, **settings: Any) -> list[str]:
        chosen = Settings(**{"bpc": 90_000.0, **settings})
        found = [stage.name for stage in pipeline(resolve_inputs(colour, distilled, chosen))]
        assert len(set(found)) == len(found)
        return found

    hard, network = names(labels="hard"), names(labels="network")
    assert hard[:2] == ["selection", "utility networks"] and "joint" in hard
    assert network[:2] == ["label network", "selection"] and "joint" not in network
    assert names(labels="soft")[0] == "teacher"
    assert "selection" not in names(distilled=colour, labels="hard")
    assert "joint" in names(distilled=colour, labels="hard", utility="gm")
    assert "trim 1" not in names(labels="hard", bpc=float("inf"), lmbda=0.01, ipc=2)
    assert "trim 1" in hard


@pytest.mark.slow
def test_a_utility_has_options_of_its_own(colour: LabelledImages) -> None:
    settings = Settings(bpc=9000, ipc=2, utility_options={"mm.runs": "1", "mm.steps": 2}, **QUICK)
    assert len(distill(colour, settings).segments) == 1
    for key, message in [
        ("mm.run", r"mm\.run: the utility 'mm' has no such option; is it 'mm\.runs"),
        ("gm.width", "gm.width: is an option of the utility 'gm', but the utility is 'mm'"),
    ]:
        with pytest.raises(SettingError, match=message):
            distill(colour, Settings(bpc=9000, ipc=2, utility_options={key: "1"}, **QUICK))
    with pytest.raises(SettingError, match=r"mm\.runs: 0; it must be at least 1"):
        distill(colour, Settings(bpc=9000, ipc=2, utility_options={"mm.runs": 0}, **QUICK))


def test_a_label_network_needs_a_budget(colour: LabelledImages) -> None:
    with pytest.raises(SettingError, match="lmbda: a label network needs a budget"):
        resolve_inputs(colour, None, Settings(lmbda=1, ipc=2, labels="network"))


@pytest.mark.slow
def test_a_set_that_is_a_python_object(colour: LabelledImages, tmp_path: Path) -> None:
    pair = (colour.images, colour.labels)
    settings: dict[str, Any] = {"ipc": 1, "bpc": 2000, "labels": "hard", "warmup": 2, "joint": 0, "tune": 2}
    assert rudcodec.compress(pair, tmp_path / "a.rud", **settings).ipc == 1
    assert rudcodec.load(tmp_path / "a.rud").classes == ("0", "1", "2")
