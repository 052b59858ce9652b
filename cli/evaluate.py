"""``rudcodec eval``: what students trained on a .rud file are worth, beside real images at the same bytes."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

import click

from .progress import ProgressView
from .tables import print_table
from .values import finite, naming, network_names

if TYPE_CHECKING:
    from rudcodec.baselines import Baseline, Codec
    from rudcodec.data import LabelledImages, Split
    from rudcodec.evaluation import EvalResult
    from rudcodec.payload import LabelNetwork, Recipe
    from rudcodec.synthetic import SyntheticSet


@click.command("eval")
@click.argument("file", metavar="FILE")
@click.option(
    "--real", "source", required=True, metavar="SRC", help="The real images: a source as for compress."
)
@click.option(
    "--split", type=click.Choice(["val", "test"]), default="val", help="Part of SRC to judge on (val)."
)
@click.option(
    "--baseline",
    type=click.Choice(["avif", "webp", "jpeg", "none"]),
    default="none",
    help="Real images at equal bytes, too.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, metavar="N", help="Number of students (3).")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Instead of the steps in FILE's recipe.")
@click.option(
    "--nets",
    type=network_names,
    default="convnet",
    metavar="NET,...",
    help="Students: convnet (default), alexnet, vgg11, resnet18, lenet, mlp, vit.",
)
@click.option(
    "--width", type=click.IntRange(1), default=128, metavar="N", help="Channels of a ConvNet (128)."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute (auto)."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(
    file: str,
    source: str,
    split: Split,
    baseline: Codec | Literal["none"],
    steps: int | None,
    nets: tuple[str, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Train students from scratch on FILE, judge them on real images.

    Each student follows FILE's recipe; the accuracy is that after its last step. --baseline does the same
    with random real images of SRC's train split, as one picture of at most FILE's size.

    A FILE's label network labels views to train on, and is judged itself.
    """
    import rudcodec

    with naming(file):
        data = rudcodec.load(file)
    with ProgressView() as view:
        task = _Task(file, data, _read(source, split, data, view), steps, nets, view, how)
        rows = task.judge()
        if baseline != "none":
            rows += task.judge_real(_read(source, "train", data, view), baseline)
    if as_json:
        facts = {
            "file": file,
            "bytes": data.size,
            "bpc": data.bpc,
            "ipc": data.ipc,
            "real": source,
            "split": split,
            "rows": [row.facts() for row in rows],
        }
        click.echo(json.dumps(finite(facts), indent=1))
        return
    students = rows[0].results
    first = students[0]
    click.echo(
        f"{len(first.seeds)} student(s) of each network, {first.steps} steps of {first.batch}; "
        f"judged on {first.real_images:,} real images ({split})"
    )
    titles = [f"{s.net} w{s.width}" if s.width else s.net for s in students]
    table = [
        (row.name, f"{row.size:,}", f"{row.ipc:g}" if row.ipc else "", *row.percents(len(titles)))
        for row in rows
    ]
    print_table(("trained on", ">bytes", ">images a class", *(f">{title}" for title in titles)), table)
    for row in rows:
        if row.baseline is not None:
            click.echo(f"{100 * (rows[0].accuracy - row.accuracy):+.1f} points over {row.name}")


@dataclasses.dataclass(frozen=True)
class _Row:
    """One thing that was judged: students (``results`` of each network), or the label network by itself."""

    name: str
    size: int
    ipc: float
    accuracy: float
    results: tuple[EvalResult, ...] = ()
    baseline: Baseline | None = None

    def percents(self, columns: int) -> list[str]:
        """Of each network's students."""
        if not self.results:
            return [f"{100 * self.accuracy:.1f} %"] + [""] * (columns - 1)
        return [f"{100 * r.mean:.1f} ± {100 * r.std:.1f} %" for r in self.results]

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"name": self.name, "bytes": self.size, "ipc": self.ipc}
        facts["accuracy"] = self.accuracy
        if self.results:
            facts["results"] = [dataclasses.asdict(result) for result in self.results]
        return facts if self.baseline is None else facts | _baseline_facts(self.baseline)


class _Task:
    """What is judged on what: the set of ``file`` and its rivals on ``real``."""

    def __init__(
        self,
        file: str,
        data: SyntheticSet,
        real: LabelledImages,
        steps: int | None,
        nets: tuple[str, ...],
        view: ProgressView,
        how: dict[str, Any],
    ) -> None:
        from rudcodec.data.matching import matching
        from rudcodec.students import hard_recipe

        self.file, self.data, self.nets, self.view, self.how = file, data, nets, view, how
        self.real = matching(real, "val", data.images.shape[1:], data.classes)
        self.recipe = dataclasses.replace(data.recipe, steps=steps or data.recipe.steps)
        self.hard_recipe = self.recipe
        if data.network is not None:
            usual = hard_recipe(data.recipe)
            self.hard_recipe = dataclasses.replace(usual, steps=min(steps or usual.steps, usual.steps))
        self.network_size = _network_size(data)

    def judge(self) -> list[_Row]:
        """The set; one with labels of its own also by its images with their classes alone, and by its label
        network itself."""
        from rudcodec.evaluation import label_accuracy

        data = self.data
        results = self._students(self.recipe, hard=False)
        rows = [self._done(_Row(self.file, data.size, data.ipc, results[0].mean, results))]
        if data.network is not None:
            accuracy = label_accuracy(data.network, self.real)
            rows.append(self._done(_Row("  its label network", self.network_size, 0, accuracy)))
        if data.network is not None or data.probs is not None:
            hard = self._students(self.hard_recipe, hard=True)
            size = data.size - self.network_size
            rows.append(self._done(_Row("  its images, hard labels", size, data.ipc, hard[0].mean, hard)))
        return rows

    def _students(self, recipe: Recipe, hard: bool) -> tuple[EvalResult, ...]:
        """Of each network."""
        import rudcodec

        how = ", hard labels" * hard
        return tuple(
            rudcodec.evaluate(
                self.data,
                self.real,
                recipe=recipe,
                hard=hard,
                net=net,
                progress=lambda stage, *steps, net=net: self.view(f"{net}{how}: {stage}", *steps),
                **self.how,
            )
            for net in self.nets
        )

    def _done(self, row: _Row) -> _Row:
        """Said at once: what comes next may take long."""
        self.view.say(f"{row.name.strip()}: {', '.join(filter(None, row.percents(len(self.nets))))}")
        return row

    def judge_real(self, train: LabelledImages, codec: Codec) -> list[_Row]:
        """Real images of the same bytes: with classes, and, where the set has one, with its label network."""
        if self.data.network is None:
            return [self._rival(train, codec, "", self.recipe, None)]
        return [
            self._rival(train, codec, ", hard labels", self.hard_recipe, None),
            self._rival(train, codec, ", the same label network", self.recipe, self.data.network),
        ]

    def _rival(
        self, train: LabelledImages, codec: Codec, name: str, recipe: Recipe, network: LabelNetwork | None
    ) -> _Row:
        from rudcodec.baselines import best_baseline

        beside = self.network_size if network else 0
        found = best_baseline(
            train,
            self.real,
            recipe,
            self.data.size - beside,
            codec,
            ipc=self.data.ipc,
            network=network,
            nets=self.nets,
            progress=lambda stage, *steps: self.view(f"baseline: {stage}", *steps),
            **self.how,
        )
        won = found.winner
        label = f"real images, {won.codec} q{won.quality} {won.subsampling}{name}"
        return self._done(
            _Row(label, won.size + beside, won.count, found.results[0].mean, found.results, found)
        )


def _network_size(data: SyntheticSet) -> int:
    from rudcodec import bitstream

    if data.network is None:
        return 0
    height, width, channels = data.images.shape[1:]
    return bitstream.labels_size(data.network, (height, width, channels), len(data.classes))


def _read(source: str, split: Split, data: Any, view: ProgressView) -> LabelledImages:
    from rudcodec.data import load

    height, width = data.images.shape[1:3]
    size = height if height == width else None
    return load(source, split, size, lambda done, total: view(f"reading {split}", done, total))


def _baseline_facts(baseline: Baseline) -> dict[str, Any]:
    won = baseline.winner
    return {
        "codec": won.codec,
        "quality": won.quality,
        "subsampling": won.subsampling,
        "psnr": won.psnr,
        "trials": [
            {
                "ipc": t.candidate.count,
                "quality": t.candidate.quality,
                "psnr": t.candidate.psnr,
                "accuracy": t.accuracy,
            }
            for t in baseline.trials
        ],
    }
