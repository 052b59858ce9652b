"""How many threads torch is told to use, and how much memory there is, in a container and outside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rudcodec import control_groups, threads
from rudcodec.memory import free_memory


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups in a folder, on a machine of which this process may use eight cores."""
    monkeypatch.setattr(threads, "_cores_by_affinity", lambda: 8)
    monkeypatch.setattr(control_groups, "_MOUNT", tmp_path / "mount")
    monkeypatch.setattr(threads, "_set_here", set())
    monkeypatch.setattr(control_groups, "_GROUPS", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/jobs/mine\n4:memory:/x\n3:cpu,cpuacct:/box\n")
    return tmp_path / "mount"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("own", "parent", "cores"),
    [("max 100000", "max 100000", 8), ("350000 100000", "max 100000", 3), ("max 100000", "20000 100000", 1)],
)
def test_quota_of_version_2(groups: Path, own: str, parent: str, cores: int) -> None:
    write(groups / "jobs" / "mine" / "cpu.max", own)
    write(groups / "jobs" / "cpu.max", parent)
    assert threads.available_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 2)])
def test_quota_of_version_1(groups: Path, quota: str, cores: int) -> None:
    write(groups / "cpu,cpuacct" / "box" / "cpu.cfs_quota_us", quota)
    write(groups / "cpu,cpuacct" / "box" / "cpu.cfs_period_us", "100000")
    assert threads.available_cores() == cores


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't say")
def test_memory_is_what_the_groups_leave(groups: Path) -> None:
    machine = free_memory()
    assert machine > 10**6
    write(groups / "jobs" / "mine" / "memory.max", "max")
    write(groups / "jobs" / "mine" / "memory.current", "70000")
    assert free_memory() > 10**6
    write(groups / "jobs" / "memory.max", "90000")
    write(groups / "jobs" / "memory.current", "70000")
    assert free_memory() == 20_000
    write(groups / "jobs" / "memory.stat", "anon 5\ninactive_file 3000\n")
    assert free_memory() == 23_000
    write(groups / "memory" / "x" / "memory.limit_in_bytes", "80000")
    write(groups / "memory" / "x" / "memory.usage_in_bytes", "79000")
    assert free_memory() == 1000


def test_without_control_groups(groups: Path) -> None:
    (groups.parent / "cgroup").unlink()
    assert threads.available_cores() == 8


def test_the_environment_gets_a_number_only_where_there_is_a_quota(groups: Path) -> None:
    environment: dict[str, str] = {}
    threads.prepare_threads(environment)
    assert environment == {"OMP_WAIT_POLICY": "passive"}
    write(groups / "cpu.max", "200000 100000")
    threads.prepare_threads(environment)
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "2"


def test_small_images_are_the_work_of_one_thread(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    write(groups / "cpu.max", "200000 100000")
    environment: dict[str, str] = {}
    threads.prepare_threads(environment)
    threads.prepare_for_images(environment, 32, 32)
    assert environment["OMP_NUM_THREADS"] == "2"
    threads.prepare_for_images(environment, 8, 8)
    assert environment["OMP_NUM_THREADS"] == "1"


def test_users_choice_stands(groups: Path) -> None:
    write(groups / "cpu.max", "200000 100000")
    chosen = {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active"}
    environment = dict(chosen)
    threads.prepare_threads(environment)
    threads.prepare_for_images(environment, 8, 8)
    assert environment == chosen
