"""Files are written complete or not at all, and nothing beside them is lost."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from rudcodec.errors import DataError
from rudcodec.files import check_writable, write_bytes

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.rud"
    write_bytes(b"one", path)
    write_bytes(b"two", path)
    assert path.read_bytes() == b"two" and [p.name for p in tmp_path.iterdir()] == ["out.rud"]


def test_what_lies_beside_it_stays(tmp_path: Path) -> None:
    beside = [".out.rud.original", ".out.rud.12345678", "out.rud.tmp"]
    for name in beside:
        (tmp_path / name).write_text("of the user's")
    (tmp_path / ".out.rud.abcd1234.rudcodec-tmp").write_text("of a process that was killed")
    write_bytes(b"data", tmp_path / "out.rud")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*beside, "out.rud"])


@posix
def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.rud", tmp_path / "link.rud"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_bytes(b"new", link)
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@posix
def test_a_device_and_a_pipe_are_written_into(tmp_path: Path) -> None:
    write_bytes(b"data", "/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_bytes(b"data", pipe)
    reader.join()
    assert read == [b"data"] and stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("check", [check_writable, lambda path: write_bytes(b"", path)])
def test_what_can_not_be_written(tmp_path: Path, check: object) -> None:
    assert callable(check)
    with pytest.raises(DataError, match="is a folder, not a file"):
        check(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder|can't be written"):
        check(tmp_path / "none" / "out.rud")
    with pytest.raises(DataError, match="no file can have that name"):
        check(tmp_path / "out\0.rud")
    assert list(tmp_path.iterdir()) == []


def test_a_long_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)
    write_bytes(b"data", path)
    assert path.read_bytes() == b"data" and len(list(tmp_path.iterdir())) == 1


@posix
@pytest.mark.parametrize("names", [("set", "set"), ("set", "set.rud")])
def test_two_that_write_at_once_leave_each_other_alone(tmp_path: Path, names: tuple[str, str]) -> None:
    """Neither takes what the other is about to put in place for what a killed process has left."""
    errors: list[Exception] = []

    def write(path: Path) -> None:
        try:
            for _ in range(200):
                write_bytes(b"data", path)
        except DataError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(tmp_path / name,)) for name in (*names, names[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and {path.name for path in tmp_path.iterdir()} == {*names}
