"""A few small encodes: the size of files and the accuracy of students trained on them.

Run as a program it writes them to results.tsv beside it, whose change is then a diff to explain.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import rudcodec
from rudcodec.data import LabelledImages, load

RESULTS = Path(__file__).with_name("results.tsv")


def shapes(seed: int, count: int) -> LabelledImages:
    """Discs, rings, crosses and bars: noisy colour pictures of 32 x 32, ``count`` of each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    images = []
    for kind in range(4):
        for row, column in rng.uniform(10, 22, (count, 2)):
            across, down = np.abs(x - column), np.abs(y - row)
            disc = np.hypot(across, down) < 8
            ring = disc & (np.hypot(across, down) > 4)
            cross = (np.minimum(across, down) < 3) & (np.maximum(across, down) < 10)
            bar = (down < 4) & (across < 10)
            inside = (disc, ring, cross, bar)[kind][..., None]
            ground, ink = rng.uniform(20, 120, 3), rng.uniform(110, 210, 3)
            image = np.where(inside, ink, ground) + rng.normal(0, 20, (32, 32, 3))
            images.append(image.clip(0, 255).astype(np.uint8))
    return LabelledImages(
        np.stack(images), np.repeat(np.arange(4), count), ("disc", "ring", "cross", "bar"), "shapes"
    )


@dataclass(frozen=True)
class Case:
    """Encodes by the seeds 0, 1, ...: the settings that differ from ``SHORT``, and the steps of the two
    students that judge each. The smallest files differ by points from seed to seed, as from machine to
    machine."""

    name: str
    source: str
    settings: dict[str, Any]
    steps: int
    encodes: int = 1

    def sets(self) -> tuple[LabelledImages, LabelledImages]:
        """What is compressed, and what students are judged on."""
        if self.source == "shapes":
            return shapes(0, 60), shapes(1, 100)
        return load(self.source, "train"), load(self.source, "val")


@dataclass(frozen=True)
class Result:
    """A row of results.tsv: ``size`` in bytes, of the largest file; ``accuracy`` in per cent."""

    case: str
    size: int
    images: int
    accuracy: float


SHORT = {"warmup": 20, "joint": 12, "tune": 6, "utility": "dm", "device": "cpu"}
CASES = (
    Case("digits, hard labels", "digits", {"bpc": 800, "labels": "hard", "ipc": 5}, 200, encodes=3),
    Case(
        "digits, soft labels",
        "digits",
        {"bpc": 1500, "labels": "soft", "ipc": 10, "label_views": 20_000},
        300,
    ),
    Case("digits, label network", "digits", {"bpc": 3000, "labels": "network", "label_views": 120_000}, 1000),
    Case("shapes, no budget", "shapes", {"lmbda": 0.005, "labels": "hard", "ipc": 8}, 150),
)


def measure(case: Case) -> Result:
    """Encode by some seeds, and train students on each file: the largest size, the mean accuracy."""
    data, real = case.sets()
    sizes, accuracies = [], []
    for seed in range(case.encodes):
        with TemporaryDirectory() as folder:
            made = rudcodec.compress(data, Path(folder) / "set.rud", seed=seed, **{**SHORT, **case.settings})
            judged = rudcodec.evaluate(made.path, real, seeds=2, steps=case.steps, width=32, device="cpu")
        sizes.append(made.size)
        accuracies.append(judged.mean)
    return Result(case.name, max(sizes), made.ipc * len(data.classes), round(100 * mean(accuracies), 1))


def recorded() -> dict[str, Result]:
    """What results.tsv says of each case."""
    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    results = [Result(r["case"], int(r["size"]), int(r["images"]), float(r["accuracy"])) for r in rows]
    return {result.case: result for result in results}


def main() -> None:
    results = []
    for case in CASES:
        results.append(measure(case))
        print(results[-1])
    with RESULTS.open("w", newline="") as file:
        names = [field.name for field in fields(Result)]
        writer = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(result) for result in results)


if __name__ == "__main__":
    main()
