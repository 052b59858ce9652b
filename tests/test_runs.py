"""Runs that are interrupted and go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import stripes

torch = pytest.importorskip("torch")

import rudcodec  # noqa: E402
from rudcodec.distill import schedules  # noqa: E402
from rudcodec.distill.encoding import Encoding  # noqa: E402
from rudcodec.distill.inputs import resolve_inputs  # noqa: E402
from rudcodec.distill.pipeline import pipeline, run_stages  # noqa: E402
from rudcodec.errors import DataError, SettingError  # noqa: E402
from rudcodec.interrupts import Interrupted, raise_interrupted  # noqa: E402
from rudcodec.runs import CheckpointFolder, Journal, Learnt, Ranks, RunContext, joined_ranks  # noqa: E402
from rudcodec.runs import journal as journal_module  # noqa: E402
from rudcodec.settings import Settings  # noqa: E402


class Killed(Exception):  # noqa: N818  (no error)
    pass


class MortalFolder(CheckpointFolder):
    """Ends the process, as it were, after so many checkpoints."""

    lives = 10**9

    def save(self, state: Any) -> None:
        super().save(state)
        MortalFolder.lives -= 1
        if MortalFolder.lives == 0:
            raise Killed


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call it with the number of checkpoints that the process has left."""
    monkeypatch.setattr("rudcodec.distill.encode.CheckpointFolder", MortalFolder)
    monkeypatch.setattr(MortalFolder, "lives", 10**9)

    def after(count: int) -> None:
        MortalFolder.lives = count

    return after


def newest(folder: CheckpointFolder) -> dict[str, Any]:
    state = folder.load()
    assert isinstance(state, dict)
    return state


def test_a_state_comes_back(tmp_path: Path) -> None:
    state = {
        "step": 3,
        "rate": 0.1 + 0.2,
        "nothing": None,
        "nested": [{0: torch.arange(6).view(2, 3), 1: torch.tensor(2.5)}, [], {}, "text"],
        "bytes": torch.Generator().manual_seed(1).get_state(),
    }
    with CheckpointFolder(tmp_path / "run") as folder:
        assert folder.load() is None and not folder.exists()
        folder.save(state)
        found = newest(folder)
    assert repr(found) == repr(state)
    assert torch.equal(found["bytes"], state["bytes"])


def test_checkpoints_of_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with CheckpointFolder(tmp_path / "run") as folder:
        with monkeypatch.context() as patch:
            patch.setattr("rudcodec.runs.checkpoints._LAYOUT", "0")
            folder.save({"number": 1})
        with pytest.raises(DataError, match=r"checkpoint-1.safetensors: is of another version of rudcodec"):
            folder.load()
        folder.save({"number": 2})
        assert newest(folder)["number"] == 2


def test_two_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path / "run") as folder:
        for number in range(12):
            folder.save({"number": number, "tensor": torch.full((4,), number)})
        files = sorted(folder.path.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
        assert [path.name for path in files] == ["checkpoint-11.safetensors", "checkpoint-12.safetensors"]
        assert newest(folder)["number"] == 11
        whole = files[1].read_bytes()
        for position in range(len(whole)):
            data = bytearray(whole)
            data[position] ^= 1
            files[1].write_bytes(data)
            found = newest(folder)
            harmless = whole[position] == ord(" ") or found["number"] == 10
            assert harmless and torch.equal(found["tensor"], torch.full((4,), found["number"]))
        files[0].write_bytes(b"")
        with pytest.raises(DataError, match=r"12.safetensors: is not a readable checkpoint"):
            folder.load()
        folder.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_what_is_not_of_a_run(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    with CheckpointFolder(mine) as folder:  # empty, but the user's
        folder.save({})
        folder.clear()
    assert list(mine.iterdir()) == []
    theirs.mkdir()
    (theirs / "checkpoint-1.safetensors").write_bytes(b"weights")
    with pytest.raises(DataError, match="holds files that are not of a run"), CheckpointFolder(theirs):
        pass
    with pytest.raises(DataError, match="is a file"), CheckpointFolder(theirs / "checkpoint-1.safetensors"):
        pass
    with CheckpointFolder(tmp_path / "new") as folder:
        (folder.path / "notes.txt").write_text("of the user's")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["notes.txt"]
    assert [path.name for path in theirs.iterdir()] == ["checkpoint-1.safetensors"]


@pytest.mark.parametrize(
    "left",
    [
        "rudcodec-run.lock",
        ".rudcodec-run.json.a1b2c3d4.rudcodec-tmp",
        ".checkpoint-3.safetensors.a1b2c3d4.rudcodec-tmp",
    ],
)
def test_a_process_was_killed_as_it_began_or_ended(tmp_path: Path, left: str) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / left).write_bytes(b"")
    with CheckpointFolder(path) as folder:
        folder.save({"a": 1})
    with CheckpointFolder(path) as folder:
        assert folder.load() == {"a": 1}
        folder.clear()
    assert list(path.iterdir()) == []


def test_two_runs_can_not_use_one_folder(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path / "run"):
        with pytest.raises(DataError, match="another run is using"), CheckpointFolder(tmp_path / "run"):
            pass
        assert (tmp_path / "run").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_compress_deletes_nothing_of_the_users(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"bpc": 2400.0, "ipc": 2, "warmup": 4, "joint": 0, "tune": 2}
    rudcodec.compress(
        stripes(1), tmp_path / "out.rud", checkpoints=tmp_path, checkpoint_seconds=0, **settings
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out.rud"]
    with pytest.raises(DataError, match="holds files that are not of a run"):
        rudcodec.compress(stripes(1), tmp_path / "more.rud", checkpoints=tmp_path, **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["out.rud"]


class Total:
    """Something that stages change."""

    def __init__(self) -> None:
        self.value = 0

    def state(self) -> int:
        return self.value

    def restore(self, state: int) -> None:
        self.value = state


def errand(journal: Journal) -> tuple[list[int], int]:
    """A run of three stages, each of five steps."""
    total = Total()
    journal.register("total", total)

    def work(stage: int) -> int:
        own = Total()
        for step in journal.steps(5, own):
            own.value += step
            total.value = 2 * total.value + stage
        return own.value

    results = [journal.run_stage(f"stage {stage}", partial(work, stage)) for stage in range(3)]
    return results, total.value


@pytest.mark.parametrize("lives", range(1, 18))
def test_a_run_goes_on_from_any_checkpoint(lives: int, tmp_path: Path, dying: Callable[[int], None]) -> None:
    whole = errand(Journal())
    assert whole[0] == [10, 10, 10]
    dying(lives)
    with MortalFolder(tmp_path / "run") as folder:
        with pytest.raises(Killed):
            errand(Journal(folder, checkpoint_seconds=0))
        assert errand(Journal(folder, resume=True, checkpoint_seconds=0)) == whole


class Signalling(Total):
    """The state of a loop that a signal interrupts at a step; writing it takes longer than patience does."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.moment, self.is_done = moment, False

    def signal_at(self, moment: str) -> None:
        if moment == self.moment and not self.is_done:
            self.is_done = True
            signal.raise_signal(signal.SIGTERM)

    def state(self) -> int:
        self.signal_at("save")
        time.sleep(0.2)
        return self.value


@pytest.mark.parametrize("moment", ["step 0", "step 4", "decision 1", "decision 4", "save"])
def test_a_signal_ends_a_run_behind_a_checkpoint(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes to write, and whenever the signal comes."""
    monkeypatch.setattr(journal_module, "PATIENCE", 0.05)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    decisions = count()

    def work(journal: Journal, loop: Signalling) -> int:
        for step in journal.steps(5, loop):
            loop.value += step
            loop.signal_at(f"step {step}")
        return loop.value

    class LateRanks(Ranks):
        def agree(self, flag: bool) -> bool:
            loop.signal_at(f"decision {next(decisions)}")
            return flag

    seconds = 0.0 if moment == "save" else 100.0
    try:
        with CheckpointFolder(tmp_path / "run") as folder:
            journal, loop = Journal(folder, checkpoint_seconds=seconds, ranks=LateRanks()), Signalling(moment)
            with pytest.raises(Interrupted), journal:
                journal.run_stage("only", partial(work, journal, loop))
            assert len(list(folder.path.glob("*.safetensors"))) >= 1
            journal, loop = Journal(folder, resume=True), Signalling("never")
            assert journal.run_stage("only", partial(work, journal, loop)) == 10
            assert not loop.is_done
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        ("in the first", ["first"]),
        ("behind the first", ["first"]),
        ("in the second", ["first", "second"]),
        ("long in the first", []),
        ("long in the second", ["first"]),
        ("long in a step", ["first", "second"]),
        ("behind the steps", ["first", "second", "third"]),
        ("at the end", ["first", "second", "third"]),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_loses_no_finished_stage(
    moment: str, kept: list[str], number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between stages and within, where no checkpoint is due; a stage that doesn't end soon is given up."""
    monkeypatch.setattr(journal_module, "PATIENCE", 0.05)
    before = signal.signal(number, raise_interrupted)
    moments, done = {moment}, []

    def reach(place: str) -> None:
        for prefix in ("", "long "):
            if prefix + place in moments:
                moments.clear()
                signal.raise_signal(number)
                if prefix:
                    time.sleep(10)

    def work(journal: Journal, total: Total, name: str) -> str:
        if name == "third":
            for _ in journal.steps(3):
                reach("in a step")
            reach("behind the steps")
        total.value += 1  # as a stage may that has no steps left
        reach(f"in the {name}")
        done.append(name)
        return name

    def work_all(journal: Journal) -> int:
        total = Total()
        journal.register("total", total)
        for name in ("first", "second", "third"):
            journal.run_stage(name, partial(work, journal, total, name))
            reach(f"behind the {name}")
        reach("at the end")
        return total.value

    try:
        with CheckpointFolder(tmp_path / "run") as folder:
            with pytest.raises(Interrupted), Journal(folder, checkpoint_seconds=100.0) as journal:
                work_all(journal)
            assert folder.exists() == (kept != [])
            done.clear()
            with Journal(folder, resume=True) as journal:
                assert work_all(journal) == 3
            assert [*kept, *done] == ["first", "second", "third"]
    finally:
        signal.signal(number, before)


def test_a_stage_has_one_loop_and_a_name_of_its_own() -> None:
    """A second one would begin where the first ended."""
    journal = Journal()
    assert journal.run_stage("a", lambda: list(journal.steps(3))) == [0, 1, 2]
    assert journal.run_stage("b", lambda: list(journal.steps(4))) == [0, 1, 2, 3]
    with pytest.raises(AssertionError, match="second loop"):
        journal.run_stage("c", lambda: [*journal.steps(3), *journal.steps(4)])
    with pytest.raises(AssertionError, match="two stages 'a'"):
        journal.run_stage("a", lambda: None)


def test_another_run_is_refused(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path / "run") as folder:
        errand(Journal(folder, {"bpc": 1000.0, "seed": 0}, checkpoint_seconds=0))
        errand(Journal(folder, {"bpc": 1000.0, "seed": 0}, resume=True))
        with pytest.raises(SettingError, match="has seed 0, not 1"):
            Journal(folder, {"bpc": 1000.0, "seed": 1}, resume=True)


def test_runs_and_what_they_have_learnt_have_folders_of_their_own(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path / "run") as folder:
        errand(Journal(folder, {"seed": 0}, checkpoint_seconds=0))
        with pytest.raises(DataError, match="holds an unfinished run, not what runs have learnt"):
            Learnt(folder)
    with CheckpointFolder(tmp_path / "learnt") as folder:
        journal = Journal()
        Learnt(folder).once({"kind": "a"}, journal, lambda: 1)
        with pytest.raises(DataError, match="holds no run, but what runs have learnt"):
            Journal(folder, {"seed": 0}, resume=True)
    with pytest.raises(SettingError, match="checkpoints and learnt are one folder"):
        rudcodec.compress("digits", tmp_path / "x.rud", checkpoints="one", learnt=Path("one").absolute())


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"bpc": 2400.0, "ipc": 4, "joint": 4, "chunk": 4, "utility_images": 4},
        {"bpc": 24000.0, "ipc": 4, "labels": "network", "label_fraction": 0.2, "label_views": 8000},
        {"bpc": 24000.0, "ipc": 4, "labels": "soft", "label_views": 8000},
        {"bpc": 2600.0, "ipc": 2, "share": "class", "joint": 4, "utility": "gm"},
    ],
    ids=["joint", "network", "soft", "class"],
)
def test_an_encode_that_dies_again_and_again(
    settings: dict[str, Any], tmp_path: Path, dying: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PRETRAINING_STEPS", 30)  # no need to die in it more than in other stages
    data = stripes(3)
    settings |= {"warmup": 6, "tune": 4, "device": "cpu"}
    rudcodec.compress(data, tmp_path / "whole.rud", **settings)
    deaths, out, run = 0, tmp_path / "out.rud", tmp_path / "run"
    while not out.exists():
        dying(1 if deaths < 3 else 60)
        try:
            rudcodec.compress(data, out, checkpoints=run, resume=True, checkpoint_seconds=0, **settings)
        except Killed:
            deaths += 1
    assert deaths > 2
    assert out.read_bytes() == (tmp_path / "whole.rud").read_bytes()
    assert not run.exists()


@pytest.mark.slow
def test_a_file_that_can_not_be_written_costs_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out, run = stripes(1), tmp_path / "out.rud", tmp_path / "run"
    settings: dict[str, Any] = {"bpc": 2400.0, "ipc": 2, "warmup": 4, "joint": 0, "tune": 2}
    monkeypatch.setattr(schedules, "PRETRAINING_STEPS", 30)

    def full(*_: object) -> None:
        raise DataError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rudcodec.distill.encode.write_bytes", full)
        with pytest.raises(DataError, match="no space"):
            rudcodec.compress(data, out, checkpoints=run, **settings)
    stages: list[str] = []
    rudcodec.compress(
        data,
        out,
        checkpoints=run,
        resume=True,
        report=lambda report: stages.append(report.stage),
        **settings,
    )
    assert stages == [] and out.exists() and not run.exists()


def test_checkpoints_are_not_thrown_away(tmp_path: Path, dying: Callable[[int], None]) -> None:
    data, out, run = stripes(1), tmp_path / "out.rud", tmp_path / "run"
    settings: dict[str, Any] = {"bpc": 2400.0, "ipc": 2, "warmup": 4, "joint": 0, "tune": 2}
    dying(3)
    with pytest.raises(Killed):
        rudcodec.compress(data, out, checkpoints=run, checkpoint_seconds=0, **settings)
    with pytest.raises(DataError, match="run: holds an unfinished run"):
        rudcodec.compress(data, out, checkpoints=run, **settings)
    with pytest.raises(SettingError, match=r"has images of digest [0-9a-f]+, not"):
        rudcodec.compress(stripes(3), out, checkpoints=run, resume=True, **settings)
    with pytest.MonkeyPatch.context() as other:  # another version, whose encodes have other stages
        other.setattr("rudcodec.distill.encode.pipeline", lambda inputs: pipeline(inputs)[1:])
        with pytest.raises(SettingError, match=r"has pipeline \d+ stages \(\w+\), not \d+ stages"):
            rudcodec.compress(data, out, checkpoints=run, resume=True, **settings)
    with pytest.raises(SettingError, match="has warmup 4, not 5"):
        rudcodec.compress(data, out, checkpoints=run, resume=True, **{**settings, "warmup": 5})
    assert run.exists() and not out.exists()


@pytest.mark.parametrize(
    ("stage", "settings"),
    [
        ("utility networks", {"utility_options": {"mm.steps": 6, "mm.width": 8}}),
        ("teacher", {"labels": "soft", "label_views": 1000}),
    ],
)
def test_what_is_learnt_of_the_set_is_learnt_once(
    tmp_path: Path, stage: str, settings: dict[str, Any]
) -> None:
    """Runs of other budgets have it from the first one, not those of other seeds."""
    data, seen = stripes(3), []

    def learn(bpc: float, seed: int) -> list[Any]:
        inputs = resolve_inputs(data, None, Settings(bpc=bpc, ipc=2, device="cpu", **settings))
        with CheckpointFolder(tmp_path / "learnt") as folder:
            run = RunContext("cpu", seed, lambda report: seen.append(report.stage), learnt=Learnt(folder))
            encoding = Encoding(inputs, run)
            run_stages(encoding, stage)
        networks = encoding.results[stage]
        first = networks[0] if isinstance(networks, list) else networks
        return [weights.numpy() for weights in first.values()]

    first = learn(2400.0, seed=0)
    assert stage in seen
    seen.clear()
    again = learn(4000.0, seed=0)
    assert stage not in seen and all(map(np.array_equal, first, again))
    other = learn(4000.0, seed=1)
    assert stage in seen and not all(map(np.array_equal, first, other))


def test_seconds_of_learning_count_for_all_who_use_it(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path / "learnt") as folder:
        folder.save({})
        for _ in range(2):
            learnt, journal = Learnt(folder, {"data": "abc"}), Journal()

            def learn() -> int:
                time.sleep(0.2)
                return 7

            found = journal.run_stage("teacher", partial(learnt.once, {"kind": "teacher"}, journal, learn))
            assert found == 7 and journal.seconds >= 0.2
            assert Learnt(folder, {"data": "def"}).once({"kind": "teacher"}, Journal(), lambda: 8) == 8


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This process is the second of two on a machine with two GPUs; what it asks torch for."""
    asked: list[str] = []
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: asked.append(f"GPU {index}"))
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: False)
    monkeypatch.setattr("torch.distributed.init_process_group", asked.append)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.get_backend", lambda: asked[-1])
    monkeypatch.setattr("torch.distributed.new_group", lambda backend: asked.append(f"{backend} to talk"))
    for name in ("barrier", "destroy_process_group"):
        monkeypatch.setattr(f"torch.distributed.{name}", lambda: None)
    return asked


@pytest.mark.parametrize(
    ("device", "asked"),
    [
        ("cpu", ["gloo"]),
        ("auto", ["GPU 1", "nccl", "gloo to talk"]),
        ("cuda", ["GPU 1", "nccl", "gloo to talk"]),
    ],
)
def test_processes_meet_where_they_compute(device: str, asked: list[str], second_of_two: list[str]) -> None:
    """NCCL can't send what is on a CPU, so that gloo is there, too; a run on CPUs leaves GPUs alone."""
    with joined_ranks(device) as ranks:
        assert (ranks.rank, ranks.world_size) == (1, 2)
    assert second_of_two == asked


def test_each_process_has_a_gpu(second_of_two: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="device: cuda:0 is one GPU"), joined_ranks("cuda:0"):
        pass
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingError, match="device: 2 processes for 1 GPU;"), joined_ranks("auto"):
        pass
    assert second_of_two == []


@pytest.mark.parametrize(
    ("processes", "text"),
    [
        ("abc", "the environment says WORLD_SIZE=abc; torchrun sets it"),
        ("0", "the environment says WORLD_SIZE=0; torchrun sets it"),
        ("2", "WORLD_SIZE: 2 processes must be started with torchrun"),
    ],
)
def test_processes_that_torchrun_has_not_started(
    processes: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", processes)
    for device in ("cpu", "cuda"):
        with pytest.raises(SettingError, match=text), joined_ranks(device):
            pass
