"""Peak memory by the number of real images: ``python benchmarks/memory.py [--form FORM] [--images N] ...``

Makes a set of N coloured noise images, ten classes, and runs ``rudcodec compress`` and ``eval`` on it with
short settings that use every stage that draws real images: the label network, the selection, the utility's
networks and moments, and as a baseline AVIF. A row for each run has the largest anonymous memory (``RssAnon``
of /proc: what can't be dropped and read again, as pages of mapped files can), the largest resident size with
such pages, and seconds. Needs Linux. Forms:

- ``npy``: an array in the order of its classes, which is read where it lies;
- ``shuffled``: an array in another order, of which the cache has a copy;
- ``tar``: shards of a WebDataset, ten thousand JPEG pictures in each;
- ``folder``: class folders of PNG pictures.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES, DIFFERENT, SHARD = 10, 500, 10_000
COMPRESS = (
    "--bpc=60k", "--ipc=2", "--labels=network", "--utility=mm", "--set=label_views=2000", "--set=warmup=4",
    "--set=joint=2", "--set=tune=2", "--set=mm.runs=1", "--set=mm.steps=6", "--set=mm.real_batch=100",
    "--split=all", "--checkpoint-every=0",
)  # fmt: skip
EVAL = ("--split=all", "--seeds=1", "--steps=4", "--width=16", "--baseline=avif")
PERIOD = 0.02  # seconds between looks at a process


def pictures(size: int) -> NDArray[np.uint8]:
    """The different pictures of each class, uint8 (classes, n, size, size, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (CLASSES, DIFFERENT, 4, 4, 3))
    fine = coarse.repeat(size // 4, 2).repeat(size // 4, 3)
    return (fine + rng.integers(-20, 20, fine.shape)).clip(0, 255).astype(np.uint8)


def label_of(index: Any, count: int) -> Any:
    """The class of a picture, or int64 (n,) of several, in a set of ``count`` that is ordered by class."""
    return index * CLASSES // count


def write_arrays(folder: Path, count: int, size: int, order: NDArray[np.intp]) -> Path:
    """An images.npy and a labels.npy with the pictures in an order."""
    some = pictures(size)
    labels = label_of(order, count)
    folder.mkdir()
    np.save(folder / "labels.npy", labels)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, size, size, 3))
    for start in range(0, count, 1000):
        rows = slice(start, start + 1000)
        images[rows] = some[labels[rows], order[rows] % DIFFERENT]
    images.flush()
    return folder


def write_npy(folder: Path, count: int, size: int) -> Path:
    """Arrays in the order of the classes."""
    return write_arrays(folder, count, size, np.arange(count))


def write_shuffled(folder: Path, count: int, size: int) -> Path:
    """Arrays in a random order."""
    return write_arrays(folder, count, size, np.random.default_rng(1).permutation(count))


def encoded(size: int, kind: str) -> list[list[bytes]]:
    """The files of the pictures of each class."""

    def file(image: NDArray[np.uint8]) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind)
        return buffer.getvalue()

    return [[file(image) for image in images] for images in pictures(size)]


def write_tar(folder: Path, count: int, size: int) -> Path:
    """Shards of a WebDataset, whose pictures are in a random order."""
    files = encoded(size, "jpeg")
    folder.mkdir()
    order = np.random.default_rng(1).permutation(count).tolist()
    for start in range(0, count, SHARD):
        with tarfile.open(folder / f"train-{start // SHARD:05}.tar", "w") as shard:
            for index in order[start : start + SHARD]:
                label = label_of(index, count)
                contents = {"jpg": files[label][index % DIFFERENT], "cls": str(label).encode()}
                for ending, data in contents.items():
                    entry = tarfile.TarInfo(f"{index:08}.{ending}")
                    entry.size = len(data)
                    shard.addfile(entry, io.BytesIO(data))
    return folder


def write_folder(folder: Path, count: int, size: int) -> Path:
    """Class folders."""
    files = encoded(size, "png")
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for index in range(count):
        label = label_of(index, count)
        (folder / str(label) / f"{index:08}.png").write_bytes(files[label][index % DIFFERENT])
    return folder


FORMS: dict[str, Callable[[Path, int, int], Path]] = {
    "npy": write_npy,
    "shuffled": write_shuffled,
    "tar": write_tar,
    "folder": write_folder,
}


def measured(words: list[str]) -> tuple[float, float, float]:
    """Megabytes of anonymous and of all resident memory at their largest, and seconds, of a command."""
    started, peaks = time.monotonic(), {"RssAnon": 0, "VmRSS": 0}
    process = subprocess.Popen([sys.executable, "-m", "rudcodec", *words], stdout=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        for line in status.read_text().splitlines():
            name = line.partition(":")[0]
            if name in peaks:
                peaks[name] = max(peaks[name], int(line.split()[1]))
        time.sleep(PERIOD)
    if process.returncode:
        raise click.ClickException(f"rudcodec {words[0]} ended with {process.returncode}")
    return peaks["RssAnon"] / 1e3, peaks["VmRSS"] / 1e3, time.monotonic() - started


@click.command()
@click.option("--form", type=click.Choice([*FORMS]), default="npy", show_default=True)
@click.option("--images", "count", default=100_000, show_default=True)
@click.option("--size", default=64, show_default=True)
@click.option("--times", default=2, show_default=True, help="Runs of compress; the second finds a cache.")
@click.option("--eval/--no-eval", "evaluate", default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where there is room for the set.")
def main(form: str, count: int, size: int, times: int, evaluate: bool, folder: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        root = Path(place)
        started = time.monotonic()
        source = FORMS[form](root / "set", count, size)
        click.echo(f"made {count:,} images of {size}x{size} as {form}: {time.monotonic() - started:.0f} s")
        os.environ["RUDCODEC_CACHE"] = str(root / "cache")
        file = str(root / "set.rud")
        compress = ["compress", str(source), file, "--force", *COMPRESS]
        runs = [("compress", compress)] * times
        if evaluate:
            runs.append(("eval", ["eval", file, "--real", str(source), *EVAL]))
        click.echo("command   anonymous MB  resident MB  seconds")
        for name, words in runs:
            anonymous, resident, seconds = measured([*words, "-q"])
            click.echo(f"{name:8}  {anonymous:12,.0f}  {resident:11,.0f}  {seconds:7.0f}")


if __name__ == "__main__":
    main()
