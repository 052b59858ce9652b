"""Sets that are larger than memory should hold: the cache of decoded images, and reading where images lie."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import png, stripes
from PIL import Image

from rudcodec.cli.main import main
from rudcodec.data import LabelledImages, Reading, digest, load
from rudcodec.data.cache_place import cache_folder
from rudcodec.data.mapped import new_array, release_pages, take
from rudcodec.errors import DataError, SettingError

SET = stripes(3)
LOAD = """
import sys
from rudcodec.data import digest, load
print(digest(load(sys.argv[1], "all")))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache that is used for the smallest set."""
    monkeypatch.setenv("RUDCODEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "1")
    return tmp_path / "cache"


def in_memory(source: Any, *args: Any, **known: Any) -> LabelledImages:
    """The set as it is read without a cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RUDCODEC_IN_MEMORY", raising=False)
        return load(source, *args, **known)


def assert_same(a: LabelledImages, b: LabelledImages) -> None:
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.labels, b.labels)
    assert (a.classes, a.name, a.report, digest(a)) == (b.classes, b.name, b.report, digest(b))


def names(folder: Path) -> list[str]:
    """The entries of a cache, whole or not."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []


def class_folders(path: Path) -> Path:
    """The set as class folders."""
    for number, (image, label) in enumerate(zip(SET.images, SET.labels, strict=True)):
        file = path / SET.classes[label] / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    return path


def splits(path: Path) -> Path:
    """The set with a validation split of its own."""
    class_folders(path / "train")
    for name in SET.classes:
        (path / "val" / name).mkdir(parents=True)
        file = next((path / "train" / name).iterdir())
        file.rename(path / "val" / name / file.name)
    return path


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as file:
        for picture in class_folders(path).rglob("*.png"):
            file.write(picture, picture.relative_to(path))
    return path.with_suffix(".zip")


def table(path: Path) -> Path:
    path.mkdir()
    lines = ["file,label"]
    for number, (image, label) in enumerate(zip(SET.images[::-1], SET.labels[::-1], strict=True)):
        (path / f"{number}.png").write_bytes(png(image))
        lines.append(f"{number}.png,{SET.classes[label]}")
    (path / "labels.csv").write_text("\n".join(lines))
    return path


def npz(path: Path) -> Path:
    images = np.asfortranarray(SET.images)
    np.savez_compressed(path.with_suffix(".npz"), images=images, labels=SET.labels, classes=SET.classes)
    return path.with_suffix(".npz")


def arrays(path: Path, images: np.ndarray = SET.images, labels: np.ndarray = SET.labels) -> Path:
    path.mkdir()
    np.save(path / "images.npy", images)
    np.save(path / "labels.npy", labels)
    return path


def shuffled(path: Path) -> Path:
    return arrays(path, SET.images[::-1].copy(), SET.labels[::-1].copy())


def floats(path: Path) -> Path:
    return arrays(path, (SET.images[::-1] / 255).astype(np.float32), SET.labels[::-1].copy())


def idx(path: Path) -> Path:
    path.mkdir()
    for kind, array in (("images-idx3", SET.images[..., 0]), ("labels-idx1", SET.labels)):
        head = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (path / f"train-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    return path


def parquet(path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    images = [{"bytes": png(image), "path": None} for image in SET.images[::-1]]
    rows = pyarrow.table({"image": images, "label": SET.labels[::-1]})
    files.write_table(rows, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def items(path: Path) -> Any:
    return [(Image.fromarray(image), int(label)) for image, label in zip(SET.images, SET.labels, strict=True)]


FILES = (class_folders, splits, archive, table, shuffled, parquet)
OTHERS = (npz, arrays, floats, idx, items)


@pytest.mark.parametrize("split", ["train", "val", "all"])
@pytest.mark.parametrize("make", [*FILES, *OTHERS])
def test_the_same_set_with_and_without_it(
    make: Callable[[Path], Any], split: Any, tmp_path: Path, folder: Path
) -> None:
    source = make(tmp_path / "set")
    expected = in_memory(source, split)
    assert not folder.exists()
    again = load(source, split)
    assert_same(again, expected)
    assert not (isinstance(again.images, np.memmap) and again.images.flags.writeable)
    kept = names(folder)
    assert len(kept) == (make in FILES or (make is arrays and split != "all"))
    times = [file.stat().st_mtime_ns for file in folder.rglob("*.npy")]
    assert_same(load(source, split), expected)
    assert (names(folder), [file.stat().st_mtime_ns for file in folder.rglob("*.npy")]) == (kept, times)


def test_what_was_left_out_is_known_without_reading(tmp_path: Path, folder: Path) -> None:
    source, reading = class_folders(tmp_path / "set"), Reading(skip_bad=True)
    (source / "down" / "00.png").write_bytes(png(SET.images[0])[:60])
    expected = in_memory(source, "all", reading=reading)
    assert expected.report is not None and len(expected.report.bad) == 1
    for _ in range(2):
        assert_same(load(source, "all", reading=reading), expected)
    with pytest.raises(DataError, match="is damaged"):
        load(source, "all")
    assert len(names(folder)) == 1


def test_a_small_set_stays_in_memory(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "4608B")
    images: Any = load(class_folders(tmp_path / "set"), "all").images
    assert type(images) is np.ndarray and images.flags.writeable
    assert not folder.exists()
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "4.5k")
    assert isinstance(load(tmp_path / "set", "all").images, np.memmap)
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "half of it")
    with pytest.raises(SettingError, match="RUDCODEC_IN_MEMORY must be a number of bytes such as 512MiB"):
        load(tmp_path / "set", "all")


def test_an_array_is_read_where_it_lies(tmp_path: Path, folder: Path) -> None:
    source = arrays(tmp_path / "set")
    images: Any = load(source, "all").images
    assert isinstance(images, np.memmap)
    assert (Path(str(images.filename)), images.flags.writeable) == (source / "images.npy", False)
    grey = load(source, "all", reading=Reading(mode="grey")).images
    np.testing.assert_array_equal(grey, in_memory(source, "all", reading=Reading(mode="grey")).images)
    assert len(names(folder)) == 1


def file_pages() -> int:
    """Kilobytes of mapped files that this process has in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_pages_are_released(tmp_path: Path, folder: Path) -> None:
    size = 1 << 25
    array = new_array((4, size // 4))
    before = file_pages()
    for row in range(4):
        array[row] = row
    assert file_pages() > before + size // 2048
    release_pages(array[1:])
    assert file_pages() < before + size // 8192
    assert [(values == row).all() for row, values in enumerate(array)] == [True] * 4
    assert (take(array, np.array([2, 0]))[:, 5] == [2, 0]).all()
    assert file_pages() < before + size // 8192


def test_what_a_user_changed_of_a_mapped_array_stays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(10_000))
    array = np.load(tmp_path / "a.npy", mmap_mode="c")
    array[:] = 1
    release_pages(array)
    assert (array == 1).all()


def test_a_changed_source_is_noticed(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")
    load(source, "all")
    changed = source / "down" / "20.png"
    before = changed.stat()
    changed.write_bytes(png(255 - SET.images[20]))
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    np.testing.assert_array_equal(load(source, "all").images[20], 255 - SET.images[20])
    changed.rename(source / "down" / "00.png")
    np.testing.assert_array_equal(load(source, "all").images[12], 255 - SET.images[20])
    (source / "down" / "00.png").unlink()
    assert len(load(source, "all")) == 23
    load(source, "all", size=4)
    assert len(names(folder)) == 5


def test_a_change_while_it_is_read_is_noticed(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")

    def change(done: int, total: int) -> None:
        os.utime(source / "down" / "20.png")

    with pytest.raises(DataError, match="set: has changed while it was read; run it again"):
        load(source, "all", progress=change)
    assert names(folder) == []
    assert_same(load(source, "all"), in_memory(source, "all"))


def test_killed_in_the_middle(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")
    code = LOAD.replace(
        'load(sys.argv[1], "all")',
        'load(sys.argv[1], "all", progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))',
    )
    line = [sys.executable, "-c", f"import os, signal\n{code}", str(source)]
    assert subprocess.run(line, check=False, timeout=100).returncode < 0
    (left,) = names(folder)
    assert left.endswith(".part")
    listed = CliRunner().invoke(main, ["cache"]).stdout
    assert "(unfinished)" in listed
    assert_same(load(source, "all"), in_memory(source, "all"))
    assert names(folder) == [left.removesuffix(".part")]


def test_what_is_not_whole_is_made_again(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")
    expected = in_memory(source, "all")
    load(source, "all")
    (entry,) = folder.glob("*.lock")
    path = entry.with_suffix("")
    for damage in ("images", "facts", "no facts"):
        if damage == "images":
            os.truncate(path / "images.npy", 1000)
        elif damage == "facts":
            (path / "entry.json").write_text('{"missing": [77777')
        else:
            (path / "entry.json").unlink()
        assert_same(load(source, "all"), expected)
        assert names(folder) == [path.name]


def test_two_processes_at_once(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")
    line = [sys.executable, "-c", LOAD, str(source)]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=100)[0].strip() for process in processes}
    assert printed == {digest(in_memory(source, "all"))}
    assert len(names(folder)) == 1


def test_no_room(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = class_folders(tmp_path / "set")

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    for unnamed in (source, items(tmp_path)):
        with pytest.raises(DataError) as caught:
            load(unnamed, "all")
        assert str(caught.value) == (
            f"{folder}: the decoded images can't be kept here (no space left on device); they are more than "
            "memory should hold: name a folder with room for them (--cache DIR)"
        )
        assert names(folder) == []
    monkeypatch.undo()
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "1")
    folder.rename(tmp_path / "other")
    folder.write_text("a file")
    result = run("compress", str(source), str(tmp_path / "x.rud"), "--cache", str(folder))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"rudcodec: {folder}: the decoded images can't be kept here (")
    assert not (tmp_path / "x.rud").exists()


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words], prog_name="rudcodec")


def test_list_and_clear(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("cache").stdout == f"{folder}: nothing is kept here\n"
    source = splits(tmp_path / "set")
    load(source, "all")
    load(source, "val")
    (folder / "my notes").mkdir()
    (folder / "my notes" / "images.npy").write_text("mine")
    header, first, second, total = (line.split() for line in run("cache").stdout.splitlines())
    assert header == ["source", "split", "images", "size", "bytes"]
    assert first[:7] == [str(source), "train", "and", "val", "24", "8x8", first[6]]
    assert second[:4] == [str(source), "val", "2", "8x8"]
    facts = json.loads(run("cache", "--json").stdout)
    assert facts["folder"] == str(folder) == total[0]
    assert sum(entry["bytes"] for entry in facts["entries"]) == int(total[1].replace(",", ""))
    other = tmp_path / "elsewhere"
    assert run("cache", "--clear", "--cache", str(other)).exit_code == 0
    assert len(names(folder)) == 3 and not other.exists()
    assert os.environ["RUDCODEC_CACHE"] == str(folder)

    from filelock import FileLock

    images = load(source, "val")
    with FileLock(f"{facts['entries'][0]['folder']}.lock"):
        result = run("cache", "--clear")
        assert "left, since another process is at work on them" in result.stderr
    assert len(names(folder)) == 2
    assert run("cache", "--clear").stdout.startswith(f"{folder}: removed ")
    assert [path.name for path in folder.iterdir()] == ["my notes"]
    assert_same(images, in_memory(source, "val"))  # who uses them still has them


def test_folders_that_are_only_called_like_entries_stay(tmp_path: Path, folder: Path) -> None:
    load(splits(tmp_path / "set"), "val")
    theirs = folder / "d41d8cd98f00b204e9800998ecf8427e"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    lock = folder / f"{'0' * 32}.lock"
    lock.write_text("mine")
    empty = folder / ("1" * 32)
    empty.mkdir()
    assert run("cache", "--clear").exit_code == 0
    assert sorted(folder.iterdir()) == sorted([theirs, lock, empty])
    assert (theirs / "thesis.txt").read_text() == "mine"


def test_a_failed_set_leaves_no_lock(tmp_path: Path, folder: Path) -> None:
    source = class_folders(tmp_path / "set")
    (source / "down" / "99.png").write_bytes(png(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(DataError, match="is 9x9 pixels"):
        load(source, "all")
    assert run("cache", "--clear").exit_code == 0
    assert list(folder.iterdir()) == []


def test_a_home_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("cache", "--cache", "~nosuchuser/x")
    assert result.exit_code == 2
    assert result.stderr == (
        "rudcodec: $RUDCODEC_CACHE: ~nosuchuser/x is no folder, since that home isn't known\n"
    )
    monkeypatch.setenv("RUDCODEC_DATA", "~nosuchuser/x")
    with pytest.raises(SettingError, match="RUDCODEC_DATA: ~nosuchuser/x is no folder"):
        load("cifar100")


def test_more_in_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", "1e15")
    with pytest.raises(DataError, match=r"a lower \$RUDCODEC_IN_MEMORY keeps them on the disk"):
        new_array((1 << 44,))


def test_an_npz_larger_than_memory(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "s.npz", images=SET.images, labels=SET.labels)
    monkeypatch.setenv("RUDCODEC_IN_MEMORY", str(SET.images.nbytes - 1))
    monkeypatch.setattr(os, "sysconf", lambda name: 40)  # the labels fit
    np.testing.assert_array_equal(load(tmp_path / "s.npz", "all").images, SET.images)


SHORT: dict[str, Any] = {"ipc": 2, "warmup": 2, "tune": 2, "device": "cpu", "label_views": 1000}
NETWORK: dict[str, Any] = {"labels": "network", "bpc": 8000, "joint": 0}
UTILITY: dict[str, Any] = {
    "labels": "hard", "utility": "mm", "bpc": 2500, "joint": 2,
    "utility_options": {"mm.runs": 1, "mm.steps": 6, "mm.width": 8},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("more", [NETWORK, UTILITY], ids=["network", "utility"])
def test_the_same_file(
    more: dict[str, Any], tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    import rudcodec
    from rudcodec.distill import Settings
    from rudcodec.nets.transfer import DeviceImages
    from rudcodec.runs import ignore_report

    source, out = class_folders(tmp_path / "set"), tmp_path / "a.rud"

    def encoded() -> bytes:
        rudcodec.compress(source, out, Settings(**SHORT, **more), report=ignore_report)
        return out.read_bytes()

    with_cache = encoded()
    assert len(names(folder)) == 1
    # as a GPU has large sets: a batch at a time
    monkeypatch.setattr(DeviceImages, "are_on_device", False)
    assert encoded() == with_cache
    monkeypatch.delenv("RUDCODEC_IN_MEMORY")
    assert encoded() == with_cache
    # the components of some images stand for those of all
    monkeypatch.setattr("rudcodec.distill.selection.PCA_IMAGES", 7)
    assert encoded()


def test_a_home_that_is_not_known_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What platformdirs does then depends on its version."""
    for found in (RuntimeError("no home"), "~/.cache"):

        def cache_dir(*_: object, found: object = found) -> str:
            if isinstance(found, Exception):
                raise found
            return str(found)

        monkeypatch.setattr("platformdirs.user_cache_dir", cache_dir)
        with pytest.raises(SettingError, match=r"home isn't known: name one by \$RUDCODEC_CACHE"):
            cache_folder({})
