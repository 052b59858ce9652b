"""Writing files: each is complete or not there, and nothing of the user's is lost on the way.

Every file that this package writes goes through :func:`replacing`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from rudcodec.errors import DataError, SettingError
from rudcodec.text import shown

if sys.platform != "win32":  # there, a file that is open can't be removed anyway
    import fcntl

TEMPORARY_SUFFIX = ".rudcodec-tmp"
_DRAWN = 8  # characters of a temporary name that tempfile draws
_LONGEST_NAME = 180  # bytes; file systems allow 255, and a temporary file's name is longer than its target's


def write_bytes(data: bytes, path: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a file that is complete or not there: see :func:`replacing`; or into one that is open. Raises
    DataError."""
    if not isinstance(path, str | os.PathLike):
        path.write(data)
        return
    with replacing(path) as file:
        file.write(data)


def names_folder(path: str) -> bool:
    """Whether a path ends with a slash, as only a folder's does."""
    return path.endswith(("/", os.sep))


def home_expanded(path: str, whose: str) -> Path:
    """A path whose ``~`` is a user's home; ``whose`` says where it was given.

    Raises SettingError if that home isn't known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SettingError(f"{whose}: {shown(path)} is no folder, since that home isn't known") from None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write into, and to seek in, that is at ``path`` when the block ends, complete; after an error
    it is not there.

    A symbolic link stays, and the file it points to is replaced; an existing file's permissions are kept. A
    pipe or a character device, such as ``/dev/stdout``, is written into at the end. What killed processes
    have left beside the file, while they wrote it by this function, is removed.

    Raises:
        DataError: ``path`` is a folder, a block device or a socket, or can't be written.
    """
    target = _resolved(path)
    try:
        mode = _mode(Path(path))
        if mode is not None and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            with tempfile.TemporaryFile() as file:
                yield file
                file.seek(0)
                with Path(path).open("wb") as device:
                    shutil.copyfileobj(file, device)
            return
        _check_replaceable(mode, path)
        _remove_leftovers(target, target.parent)
        with _replacing(target, mode) as file:
            yield file
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: can't be written ({error.strerror or error})") from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise DataError if :func:`write_bytes` can't write ``path``: before hours of work, not after it."""
    target = _resolved(path)
    mode = _mode(Path(path))
    _check_replaceable(mode, path)
    if mode is not None and not stat.S_ISREG(mode):
        target = Path(path)
    if not target.parent.is_dir():
        raise DataError(f"{os.fspath(path)}: there is no folder {target.parent}")
    replaced = mode is None or stat.S_ISREG(mode)
    if (replaced and not os.access(target.parent, os.W_OK)) or (
        mode is not None and not os.access(target, os.W_OK)
    ):
        raise DataError(f"{os.fspath(path)}: there is no permission to write it")


def check_not_read(path: str | os.PathLike[str], sources: Iterable[object]) -> None:
    """Raise DataError if writing ``path`` would replace one of the files that are read. ``sources``: paths,
    names of sets, or anything else."""
    for source in sources:
        if isinstance(source, str | os.PathLike) and _are_same(path, source):
            raise DataError(
                f"{os.fspath(path)}: is what is read, which not even --force replaces; name another file"
            )


def _are_same(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether these are one file or folder; not if one of them isn't there."""
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def real_place(folder: Path) -> Path:
    """The same folder, or link, with a name of its own in a real folder: renaming moves what ``..`` leads
    through."""
    if folder.name in ("", ".."):
        return Path(os.path.realpath(folder))
    return Path(os.path.realpath(folder.parent), folder.name)


def temporary_prefix(target: Path) -> str:
    """What the names of temporary files and folders beside ``target``, which has a name, begin with."""
    name = target.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


@contextmanager
def temporary_folder(target: Path, where: Path) -> Iterator[Path]:
    """A folder in ``where`` to write what is to become ``target``, or to be in it; removed at the end, as is
    now what killed processes have left of such folders. Raises OSError."""
    _remove_leftovers(target, where)
    while True:
        folder = Path(tempfile.mkdtemp(TEMPORARY_SUFFIX, temporary_prefix(target), where))
        if sys.platform == "win32":
            handle = None
            break
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            if _is_ours(handle, folder):
                break
            os.close(handle)
    try:
        folder.chmod(0o777 & ~_umask())
        yield folder
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def is_temporary(path: Path, target: Path) -> bool:
    """Whether something is called like what :func:`temporary_folder` makes."""
    return fnmatchcase(path.name, _temporary_pattern(target))


def _temporary_pattern(target: Path) -> str:
    """Of temporary names of this target, and of none whose name begins like it."""
    return glob.escape(temporary_prefix(target)) + "?" * _DRAWN + TEMPORARY_SUFFIX


def _resolved(path: str | os.PathLike[str]) -> Path:
    """Where a file lies, without links. Raises DataError for a name that none can have."""
    if "\0" in os.fsdecode(path):
        raise DataError(f"{shown(os.fsdecode(path))}: no file can have that name")
    return Path(os.path.realpath(path))


def _mode(target: Path) -> int | None:
    """The type and permissions of what is at ``target``, None where there is nothing."""
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{target}: can't be written ({error.strerror})") from None


def _check_replaceable(mode: int | None, path: str | os.PathLike[str]) -> None:
    """Raise DataError if there is something that is neither an ordinary file nor takes bytes."""
    if mode is None or stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a block device" if stat.S_ISBLK(mode) else "a socket"
    raise DataError(f"{os.fspath(path)}: is {kind}, not a file")


@contextmanager
def _replacing(target: Path, mode: int | None) -> Iterator[BinaryIO]:
    while True:
        handle, name = tempfile.mkstemp(TEMPORARY_SUFFIX, temporary_prefix(target), target.parent)
        temporary = Path(name)
        if _is_ours(handle, temporary):
            break
        os.close(handle)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(handle)
            temporary.chmod(stat.S_IMODE(mode) if mode is not None else 0o666 & ~_umask())
            if sys.platform != "win32":  # before the lock goes with the handle, or it is taken for a leftover
                temporary.replace(target)
        if sys.platform == "win32":  # there, a file that is open can't be moved
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _remove_leftovers(target: Path, where: Path) -> None:
    """Remove the temporary files and folders of processes that were killed, which no one holds a lock on."""
    if sys.platform == "win32":
        return
    for leftover in where.glob(_temporary_pattern(target)):
        with suppress(OSError):
            handle = os.open(leftover, os.O_RDONLY)
            try:
                _lock(handle)
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            finally:
                os.close(handle)


def _is_ours(handle: int, path: Path) -> bool:
    """Lock what has just been made; whether it is still there: before that it may be taken for a leftover."""
    try:
        _lock(handle)
    except BlockingIOError:  # who has it is about to remove it
        return False
    except OSError:  # not every file system has locks
        pass
    return path.exists()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a block about this folder, where there are locks. Raises
    DataError if there is no such folder."""
    if sys.platform == "win32":
        yield
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"{folder}: can't be written ({error.strerror})") from None
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock a file until it is closed. Raises OSError if another process has."""
    if sys.platform != "win32":
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _umask() -> int:
    """What new files of this process may not permit to others."""
    with suppress(OSError, LookupError, ValueError):  # other threads never see it changed
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(dict(line.split(":", 1) for line in lines)["Umask"], 8)
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
