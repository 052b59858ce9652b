"""Time and memory of files at the limits of a strict reader: ``python benchmarks/extremes.py [SHAPE ...]``

Each shape of ``tests/hostile_extremes.py`` is made and read in a process of its own, on one thread, by
``load`` and by ``stream``. A row tells the file's bytes, its units of work (and how many of them its bytes
don't pay for), CPU seconds, picoseconds a unit, and the largest memory.
"""

from __future__ import annotations

import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import click

READERS = ("load", "stream")


def make(shape: str, work: int, path: Path) -> dict[str, int]:
    """Write the file of a shape; its work."""
    from hostile_extremes import data_of

    from rudcodec import bitstream
    from rudcodec.bitstream import limits

    data = data_of(shape, work)
    path.write_bytes(data)
    outline, total = bitstream.parse(data, strict=True), limits.WorkLimit(strict=True)
    all_work = sum(limits.model_work(model.architecture, model.num_groups) for model in outline.model_fields)
    total.add(all_work)
    for one in outline.segments.values():
        work = one.fields.work(outline.model_fields, outline.soft)
        all_work += work
        total.add(work, one.section.end - one.section.start)
    return {"bytes": len(data), "work": all_work, "excess": total.excess}


def read(reader: str, path: Path) -> dict[str, float]:
    """CPU seconds and peak megabytes of reading a file, imports apart."""
    import rudcodec
    import rudcodec.bitstream
    from rudcodec.memory import peak_memory

    started = time.process_time()
    if reader == "load":
        rudcodec.load(path, strict=True)
    else:
        collections.deque(rudcodec.stream(path, strict=True), 0)
    return {"seconds": time.process_time() - started, "memory": peak_memory() / 1e6}


def child(*arguments: str, seconds: int) -> dict[str, float] | None:
    """What this program says in another process; None if it takes longer."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    result = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=False, preexec_fn=limit
    )
    answer: dict[str, float] | None = json.loads(result.stdout) if result.returncode == 0 else None
    return answer


@click.command()
@click.argument("shapes", nargs=-1)
@click.option("--work", default=36.0, help="Binary logarithm of the work.")
@click.option("--seconds", default=60, help="CPU seconds after which reading is given up.")
@click.option("--step", nargs=2, type=str, hidden=True)
def main(shapes: tuple[str, ...], work: float, seconds: int, step: tuple[str, str] | None) -> None:
    if step is not None:
        (shape,) = shapes
        action, path = step[0], Path(step[1])
        print(json.dumps(make(shape, int(2**work), path) if action == "make" else read(action, path)))
        return
    from hostile_extremes import SHAPES

    print("| shape | bytes | work, 2^30 | unpaid | load s | stream s | ps a unit | load MB | stream MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for shape in shapes or SHAPES:
            file = str(Path(folder) / "shape.rud")
            made = child(shape, "--work", str(work), "--step", "make", file, seconds=600)
            if made is None:
                print(f"| {shape} | can't be made |", flush=True)
                continue
            found = [child(shape, "--step", reader, file, seconds=seconds) for reader in READERS]
            times = [f"{one['seconds']:.2f}" if one else f"> {seconds}" for one in found]
            sizes = [f"{one['memory']:.0f}" if one else "" for one in found]
            slowest = max(one["seconds"] if one else seconds for one in found)
            rate = f"{slowest / made['work'] * 1e12:.0f}"
            amounts = [f"{made['bytes']:,}", f"{made['work'] / 2**30:.2f}", f"{made['excess'] / 2**30:.2f}"]
            print("| " + " | ".join([shape, *amounts, *times, rate, *sizes]) + " |", flush=True)


if __name__ == "__main__":
    main()
