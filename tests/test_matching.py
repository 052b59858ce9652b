"""Gradient and trajectory matching, and the experts that the latter needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import hardly_trained, stripes

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.func import functional_call  # noqa: E402

import rudcodec  # noqa: E402
from rudcodec.cli.main import main  # noqa: E402
from rudcodec.data import LabelledImages, load  # noqa: E402
from rudcodec.data.reading import Reading  # noqa: E402
from rudcodec.distill.inputs import resolve_inputs  # noqa: E402
from rudcodec.errors import DataError, SettingError  # noqa: E402
from rudcodec.nets import ConvNet  # noqa: E402
from rudcodec.nets.normalise import normalise  # noqa: E402
from rudcodec.runs import RunContext  # noqa: E402
from rudcodec.settings import Settings  # noqa: E402
from rudcodec.students import default_recipe, hard_recipe  # noqa: E402
from rudcodec.utility import make_utility  # noqa: E402
from rudcodec.utility.experts import ExpertRecipe, Experts, ExpertTrainer  # noqa: E402
from rudcodec.utility.gm import GradientMatching, distance  # noqa: E402
from rudcodec.utility.mm import MomentMatching  # noqa: E402
from rudcodec.utility.tm import StudentTrajectory, TrajectoryMatching  # noqa: E402
from rudcodec.utility_options import GMOptions, MMOptions, TMOptions  # noqa: E402

CPU = torch.device("cpu")
SHORT = ExpertRecipe(epochs=3, width=4, batch=8, lr=0.05)


@pytest.fixture(scope="module")
def data() -> LabelledImages:
    return stripes()


@pytest.fixture(scope="module")
def folder(data: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experts")
    ExpertTrainer(data, SHORT, CPU).fill(path, 2)
    return path


def synthetic(dtype: Any = None) -> tuple[Tensor, Tensor]:
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(3), dtype=dtype)
    return images.requires_grad_(), torch.tensor([0, 0, 0, 1, 1, 1])


def test_distance_is_one_minus_the_cosine_for_each_output() -> None:
    a = torch.tensor([[1.0, 0.0], [2.0, 2.0]])
    b = torch.tensor([[0.0, 3.0], [1.0, 1.0]])
    assert float(distance([a, torch.ones(2)], [b, -torch.ones(2)])) == pytest.approx(1.0, abs=1e-5)
    assert float(distance([a], [-a])) == pytest.approx(4.0, abs=1e-5)


def test_trajectories_that_do_not_fit_are_refused(
    data: LabelledImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    utility = TrajectoryMatching(default_recipe(data), TMOptions(experts=str(folder)))
    assert 1e5 < utility.memory() < 1e8
    assert utility.learn(data, RunContext("cpu"))[0] == 2
    monkeypatch.setattr("rudcodec.utility.room.free_memory", lambda: 10**5)
    with pytest.raises(SettingError, match=r"trajectory matching takes 0\.\d GB, and cpu has 0\.0 GB"):
        utility.check(data, CPU, 1)


def test_moments_that_do_not_fit_are_refused_before_networks_are_trained(
    data: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    utility = MomentMatching(default_recipe(data), MMOptions(runs=2, steps=10**9, width=8))
    features = 8 * (4 * 4 + 2 * 2 + 1)  # of blocks, which end halved
    assert utility.memory(data, 5) == 4 * 2 * 2 * MMOptions().snapshots * 5 * len(data.classes) * features
    for steps, states in ((2, 2), (0, 1)):  # no more snapshots than steps
        few = MomentMatching(default_recipe(data), MMOptions(runs=2, steps=steps, width=8))
        assert few.memory(data, 1) == 4 * 2 * 2 * states * len(data.classes) * features
    monkeypatch.setattr("rudcodec.utility.room.free_memory", lambda: 1000)
    with pytest.raises(
        SettingError, match=r"to keep the moments of 2 classes takes 0\.0 GB, and cpu has 0\.0 GB"
    ):
        utility.check(data, CPU, 1)


def test_gradients_of_the_real_images_match_themselves(data: LabelledImages) -> None:
    utility = GradientMatching(default_recipe(data), GMOptions(real_batch=100, width=4))
    utility.prepare(data, CPU, None)
    real = normalise(torch.from_numpy(data.images), utility.recipe.mean, utility.recipe.std)
    labels = torch.from_numpy(data.labels)
    same = utility(real, labels, torch.Generator().manual_seed(0))
    images, other = synthetic()
    far = utility(images, other, torch.Generator().manual_seed(0))
    assert float(same.detach()) == pytest.approx(0.0, abs=1e-3) and float(far.detach()) > 1
    far.backward()
    assert images.grad is not None and (images.grad != 0).flatten(1).any(1).all()


def test_gradient_matching_goes_on_from_its_state(data: LabelledImages) -> None:
    def made() -> GradientMatching:
        utility = GradientMatching(default_recipe(data), GMOptions(width=4, outer_steps=3, inner_steps=2))
        utility.prepare(data, CPU, None)
        return utility

    images, labels = synthetic()
    generator, first = torch.Generator().manual_seed(0), made()
    values = []
    for call in range(5):
        if call == 2:
            kept, numbers = first.state(), generator.get_state()
        values.append(float(first(images, labels, generator).detach()))
    second = made()
    second.restore(kept)
    again = [float(second(images, labels, generator.set_state(numbers)).detach()), 0, 0]
    again[1:] = [float(second(images, labels, generator).detach()) for _ in range(2)]
    assert again == values[2:]
    assert len(set(values)) == 5


def test_the_way_back_is_the_gradient_of_the_way(data: LabelledImages) -> None:
    images, labels = synthetic(torch.float64)
    net = ConvNet(1, 2, 8, width=3)
    net.reset(torch.Generator().manual_seed(1))
    net.double()
    start = [p.detach() for p in net.parameters()]
    target = [p + 0.1 * torch.randn_like(p) for p in start]
    rows = [torch.tensor(r) for r in ([0, 3, 4], [1, 2, 5], [5, 0, 1], [2, 3, 0])]
    journey = StudentTrajectory(net, ("color", "crop", "flip"), images.detach(), labels, rows, seed=9)
    rate = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    # the graph of all steps, as published
    names = [name for name, _ in net.named_parameters()]
    weights = [w.clone().requires_grad_() for w in start]
    whole = StudentTrajectory(net, journey.augment, images, labels, rows, seed=9)
    for step, mine in enumerate(rows):
        slopes = torch.autograd.grad(whole.loss(step, weights, images[mine]), weights, create_graph=True)
        weights = [w - rate * s for w, s in zip(weights, slopes, strict=True)]
    assert names and functional_call(net, dict(zip(names, weights, strict=True)), (images,)).shape == (6, 2)
    value = sum(((a - b) ** 2).sum() for a, b in zip(weights, target, strict=True))
    by_images, by_rate = torch.autograd.grad(value, [images, rate])

    visited = journey.unroll(start, 0.3)
    slope = [2 * (a - b) for a, b in zip(visited[-1], target, strict=True)]
    mine_by_images, mine_by_rate = journey.backward(visited, slope, 0.3)
    assert torch.allclose(mine_by_images, by_images, rtol=1e-9) and by_images.abs().max() > 1e-6
    assert torch.allclose(mine_by_rate, by_rate, rtol=1e-9)


def test_a_student_that_stands_still_is_as_far_as_the_expert_went(data: LabelledImages, folder: Path) -> None:
    utility = TrajectoryMatching(
        default_recipe(data), TMOptions(experts=str(folder), steps=3, epochs_ahead=1, batch=4)
    )
    utility.prepare(data, CPU, utility.learn(data, RunContext("cpu")))
    images, labels = synthetic()
    utility.lr = 1e-9
    assert float(utility(images, labels, torch.Generator().manual_seed(0)).detach()) == pytest.approx(1)
    utility.lr = 0.05
    value = utility(images, labels, torch.Generator().manual_seed(0))
    value.backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert utility.lr != 0.05  # learned
    recipe = hard_recipe(default_recipe(data), bpc=100_000, num_images=1000)
    adapted = utility.adapt_recipe(recipe)
    assert adapted.lr == pytest.approx(utility.lr, rel=1e-3)
    assert adapted == replace(recipe, optimizer="sgd", lr=adapted.lr)


def test_experts_are_added_and_checked(data: LabelledImages, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "more" / "experts"
    reports: list[int] = []
    trainer = ExpertTrainer(data, SHORT, CPU, lambda epoch, epochs, loss: reports.append(epoch))
    trainer.fill(path, 1)
    trainer.fill(path, 2)
    assert reports == [1, 2, 3, 4, 5, 6]
    for name in ("manifest.json", "0.safetensors", "1.safetensors"):
        assert (path / name).read_bytes() == (folder / name).read_bytes()
    experts = Experts(path)
    first, last = (experts.weights(1, epoch, torch.zeros(1)) for epoch in (0, 3))
    assert len(experts) == 2 and any(not torch.equal(a, b) for a, b in zip(first, last, strict=True))
    with pytest.raises(SettingError, match=r"have lr 0\.05, not 0\.01"):
        ExpertTrainer(data, ExpertRecipe(epochs=3, width=4, batch=8), CPU).fill(path, 2)
    other = LabelledImages(data.images + np.uint8(1), data.labels, data.classes, "others")
    with pytest.raises(SettingError, match="other data"):
        experts.check(other, 1)
    with pytest.raises(SettingError, match="3 epochs can't be 4 epochs ahead"):
        experts.check(data, 4)
    (path / "1.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match=r"1\.safetensors: can't be read"):
        Experts(path).weights(1, 0, torch.zeros(1))
    (path / "manifest.json").write_bytes(b"no")
    with pytest.raises(DataError, match="is not the manifest"):
        Experts(path)


def test_experts_whose_training_runs_away_are_not_kept(data: LabelledImages, tmp_path: Path) -> None:
    trainer = ExpertTrainer(data, replace(SHORT, lr=1e30), CPU)
    with pytest.raises(SettingError, match=r"lr: by 1e\+30 the experts' training runs away"):
        trainer.fill(tmp_path, 1)
    assert [*tmp_path.iterdir()] == []
    ExpertTrainer(data, SHORT, CPU).fill(tmp_path, 1)
    (tmp_path / "0.safetensors").unlink()  # a manifest without experts says nothing
    ExpertTrainer(data, replace(SHORT, epochs=1), CPU).fill(tmp_path, 1)
    assert Experts(tmp_path).epochs == 1


def test_what_experts_cannot_do_is_said_before_anything_is_computed(
    data: LabelledImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        bpc=9000, ipc=2, labels="soft", utility="tm", utility_options={"tm.experts": str(folder)}
    )
    assert resolve_inputs(data, None, settings).settings.utility == "tm"
    other = LabelledImages(data.images + np.uint8(1), data.labels, data.classes, "others")
    with pytest.raises(SettingError, match="other data"):
        resolve_inputs(other, None, settings)
    monkeypatch.setattr("rudcodec.utility.room.free_memory", lambda: 10**5)
    with pytest.raises(SettingError, match="trajectory matching takes"):
        resolve_inputs(data, None, settings)


def test_experts_of_a_set_with_an_empty_class_are_those_of_the_file(
    data: LabelledImages, folder: Path, tmp_path: Path
) -> None:
    wider = LabelledImages(data.images, data.labels, (*data.classes, "none"), "wider")
    ExpertTrainer(wider, SHORT, CPU).fill(tmp_path, 1)
    for name in ("manifest.json", "0.safetensors"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_experts_of_a_part_of_a_set(tmp_path: Path) -> None:
    words = ["digits", str(tmp_path / "experts"), "--split", "all", "--class", "1", "--class", "7"]
    result = CliRunner().invoke(main, ["experts", *words, "--count", "1", "--epochs", "1", "--width", "4"])
    assert result.exit_code == 0, result.output
    part = load("digits", "all", reading=Reading(classes=("1", "7")))
    Experts(tmp_path / "experts").check(part, 1)


def test_numbers_of_experts_are_plain(data: LabelledImages, tmp_path: Path) -> None:
    numbers: dict[str, Any] = {"epochs": np.int64(3), "width": np.int32(4), "batch": np.uint8(8)}
    numbers |= {"lr": np.float64(0.05), "seed": np.int64(0)}
    assert repr(ExpertRecipe(**numbers)) == repr(SHORT)
    with pytest.raises(SettingError, match="seed is -1"):
        ExpertRecipe(seed=-1)


@pytest.mark.parametrize("name", ["0.safetensors", "notes.txt", "manifest.json"])
def test_experts_are_not_put_among_files_of_something_else(
    data: LabelledImages, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DataError, match=r"holds files that are no experts'|is not the manifest of experts"):
        ExpertTrainer(data, SHORT, CPU).fill(tmp_path, 1)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("wrong", [{"lr": 1e39}, {"lr": 0.0}, {"width": 10**20}, {"epochs": 0}])
def test_experts_can_not_be_trained_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        ExpertRecipe(**wrong)


def test_experts_that_come_later_change_no_run_under_way(data: LabelledImages, tmp_path: Path) -> None:
    ExpertTrainer(data, SHORT, CPU).fill(tmp_path, 2)

    def utility() -> TrajectoryMatching:
        return TrajectoryMatching(default_recipe(data), TMOptions(experts=str(tmp_path), epochs_ahead=1))

    learned = utility().learn(data, RunContext("cpu"))
    for later in (10, 2):
        (tmp_path / f"{later}.safetensors").write_bytes((tmp_path / "1.safetensors").read_bytes())
    resumed = utility()
    resumed.prepare(data, CPU, learned)
    assert [file.stem for file in resumed.experts.files] == ["0", "1"]
    assert [file.stem for file in utility().experts.files] == ["0", "1", "2", "10"]
    with pytest.raises(DataError, match="holds 4 experts; the run began with 5"):
        utility().prepare(data, CPU, [5, learned[1]])
    others = tmp_path / "others"
    ExpertTrainer(data, replace(SHORT, seed=7), CPU).fill(others, 2)
    (tmp_path / "manifest.json").write_bytes((others / "manifest.json").read_bytes())
    with pytest.raises(SettingError, match="these aren't the experts that the run began with"):
        utility().prepare(data, CPU, learned)


def test_experts_of_two_commands_do_not_mix(data: LabelledImages, tmp_path: Path) -> None:
    def others_come(*_: Any) -> None:
        if not list(tmp_path.glob("*.safetensors")):
            ExpertTrainer(data, replace(SHORT, seed=7), CPU).fill(tmp_path, 1)

    with pytest.raises(SettingError, match="the experts there have"):
        ExpertTrainer(data, SHORT, CPU, others_come).fill(tmp_path, 2)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["0.safetensors"]
    ExpertTrainer(data, replace(SHORT, seed=7), CPU).fill(tmp_path, 2)


def test_other_tensors_are_no_experts(data: LabelledImages, tmp_path: Path) -> None:
    ExpertTrainer(data, SHORT, CPU).fill(tmp_path, 1)
    save_file({"a": torch.zeros(2)}, tmp_path / "1.safetensors")
    with pytest.raises(DataError, match=r"1\.safetensors: lacks weights of an expert of 3 epochs"):
        Experts(tmp_path).weights(1, 0, torch.zeros(1))
    (tmp_path / "0 (copy).safetensors").write_bytes((tmp_path / "0.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"0 \(copy\)\.safetensors is none of its experts"):
        Experts(tmp_path)


def test_trajectories_need_experts(tmp_path: Path, data: LabelledImages) -> None:
    recipe = default_recipe(data)
    with pytest.raises(SettingError, match="needs a folder"):
        make_utility("tm", recipe, {})
    with pytest.raises(DataError, match=r"manifest\.json: can't be read"):
        make_utility("tm", recipe, {"tm.experts": str(tmp_path)})


@pytest.mark.slow
@hardly_trained
def test_experts_and_both_utilities_by_command(tmp_path: Path, data: LabelledImages) -> None:
    source, folder = tmp_path / "stripes.npz", tmp_path / "experts"
    np.savez(source, images=data.images, labels=data.labels, classes=np.array(data.classes))

    def run(*args: str | Path) -> None:
        result = CliRunner().invoke(main, [str(arg) for arg in args])
        assert result.exit_code == 0, result.output

    run("experts", source, folder, "--count", "1", "--epochs", "3", "--width", "8")
    assert json.loads((folder / "manifest.json").read_text())["epochs"] == 3
    quick = ["--bpc", "2400", "--ipc", "3", "--set", "warmup=6", "--set", "tune=2", "--set", "joint=3"]
    recipes = {}
    for utility in ("dm", "gm", "tm"):
        out = tmp_path / f"{utility}.rud"
        options = ("--set", f"tm.experts={folder}") if utility == "tm" else ()
        run("compress", source, out, *quick, "--utility", utility, *options)
        recipes[utility] = rudcodec.load(out).recipe
    assert recipes["dm"] == recipes["gm"]
    assert recipes["tm"].lr != recipes["dm"].lr  # the step size that was learned
