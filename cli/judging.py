"""Judging on the command line: the flags that all commands share which train students, and what they say."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rudcodec.baselines.codecs import CODECS
from rudcodec.data.reading import Reading
from rudcodec.display import ProgressView
from rudcodec.errors import DataError
from rudcodec.recipe_checks import check_recipe
from rudcodec.text import shown
from rudcodec.whole_numbers import MAX_STUDENTS

from .commands import RareOption, device_flag
from .reading import SPLIT, read_images, reading_flags
from .values import network_names, recipe_change

if TYPE_CHECKING:
    from rudcodec.comparison import Comparison
    from rudcodec.data import LabelledImages, Split
    from rudcodec.progress import StageProgress
    from rudcodec.report import JudgedFile
    from rudcodec.students import Panel, StudentSpec
    from rudcodec.synthetic import SyntheticSet

Command = TypeVar("Command", bound=Callable[..., Any])

CODEC = click.Choice([*CODECS, "none"])


def recipe_flag(recipe: str) -> Callable[[Command], Command]:
    """``--set``, which changes what its help calls ``recipe``."""
    return click.option(
        "--set",
        "changes",
        type=recipe_change,
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Change {recipe}: steps, batch, lr, ...",
    )


def judging_flags(rare: bool = False) -> Callable[[Command], Command]:
    """Add the flags of :class:`Judging`, ``--set`` apart, to a command; its help may have those of the
    students among the rare ones."""
    kind: dict[str, Any] = {"cls": RareOption, "section": "How students are trained"} if rare else {}
    flags = (
        click.option(
            "--split",
            type=SPLIT,
            default="val",
            metavar="NAME",
            help="Of SRC, to judge on: train, val, test or all (val).",
        ),
        click.option(
            "--seeds",
            type=click.IntRange(1, MAX_STUDENTS),
            default=3,
            metavar="N",
            help="Number of students (3).",
        ),
        click.option(
            "--steps", type=click.IntRange(1), metavar="N", help="Instead of those in the recipe.", **kind
        ),
        click.option(
            "--nets",
            type=network_names,
            default="convnet",
            metavar="NET,...",
            help="Students: convnet, alexnet, vgg11, resnet18, ...",
            **kind,
        ),
        click.option(
            "--width",
            type=click.IntRange(1),
            default=128,
            metavar="N",
            help="Channels of a ConvNet (128).",
            **kind,
        ),
        device_flag,
        reading_flags,
    )

    def add(command: Command) -> Command:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return add


@dataclass(frozen=True)
class Judging:
    """What the flags say: who judges, on what, and how that is read.

    ``changes``: fields of a file's recipe that are to be otherwise; ``steps`` stands above them.
    """

    split: Split
    seeds: int
    steps: int | None
    nets: tuple[str, ...]
    width: int
    device: str
    reading: Reading
    changes: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def students(self, view: ProgressView, files: Sequence[bytes], *facts: Any) -> Iterator[Panel]:
        """The students of one command, about the contents of some files. Imports torch.

        What they have done is kept in the cache until the block ends: the same command, of the same
        ``facts``, goes on where it was interrupted, and says so.
        """
        from rudcodec.students import Panel, students_in_cache

        checksum = hashlib.sha256(repr((self, facts)).encode())
        for contents in files:
            checksum.update(hashlib.sha256(contents).digest())
        with students_in_cache(checksum.hexdigest()[:32]) as keeper:
            if keeper.goes_on:
                view.say("this was interrupted before: going on from there")
            with resumable():
                yield Panel(self._specs(), range(self.seeds), keeper)

    def _specs(self) -> tuple[StudentSpec, ...]:
        """The kinds of students. Imports torch."""
        from rudcodec.students import StudentSpec

        return tuple(StudentSpec(net, self.width, self.device) for net in self.nets)

    @property
    def changes_text(self) -> str:
        """What is to be changed of a file's recipe, in words: ``lr=0.1, steps=200``."""
        return ", ".join(
            f"{name}={','.join(value) if isinstance(value, tuple) else value}"
            for name, value in self.recipe_changes().items()
        )

    def check(self, train: LabelledImages, has_baseline: bool, real_images: RealImages) -> None:
        """Raise what would be raised once files of ``train`` are judged: before these are made. Imports
        torch."""
        from rudcodec.comparison import check_networks
        from rudcodec.students import default_recipe

        check_recipe(replace(default_recipe(train), **self.recipe_changes()), train.channels)
        check_networks(self._specs(), train.images.shape[1:], len(train.classes))
        real_images.of(train)
        if has_baseline:
            real_images.of(train, "train").require_every_class("a baseline could have")

    def warn_of_overlap(self) -> None:
        """Warn where students are judged on images that a file is made from."""
        if self.split in ("train", "all"):
            warnings.warn(
                f"--split {self.split} has images that the file was made from, and that real images of a "
                "baseline are drawn from: accuracies on them say little",
                RuntimeWarning,
                stacklevel=2,
            )

    def recipe_changes(self) -> dict[str, Any]:
        """What is to be changed of a file's recipe."""
        return self.changes | ({} if self.steps is None else {"steps": self.steps})

    def read(
        self, source: str, split: Split, data: SyntheticSet | LabelledImages, view: ProgressView
    ) -> LabelledImages:
        """Real images as a set has them: of its size and its classes, with its class numbers."""
        from rudcodec.data.matching import matching, square_side

        shape = data.images.shape[1:]
        images = read_images(source, split, replace(self.reading, size=square_side(shape)), view)
        return matching(images, split, shape, data.classes, has_all=False, whose="the file")

    def comparison(
        self, file: JudgedFile, real: LabelledImages, panel: Panel, progress: StageProgress
    ) -> Comparison:
        """What judges a file on real images. Imports torch."""
        from rudcodec.comparison import Comparison

        size, changes = file.size_without_labels, self.recipe_changes()
        return Comparison(file.name, file.data, size, real, panel, changes, progress)


@contextmanager
def resumable() -> Iterator[None]:
    """Lets an interruption say that the same command goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.args = ("interrupted; the same command goes on",)
        raise


class RealImages:
    """Real images of a source as sets have them, read once for all sets that have them alike."""

    def __init__(self, judging: Judging, source: str, view: ProgressView) -> None:
        self._judging, self.source, self._view = judging, source, view
        self._read: dict[Any, LabelledImages] = {}

    def of(self, data: SyntheticSet | LabelledImages, split: Split | None = None) -> LabelledImages:
        """Those that go with a set: of the split to judge on, unless another is named."""
        split = split or self._judging.split
        key = split, data.images.shape[1:], data.classes
        if key not in self._read:
            self._read[key] = self._judging.read(self.source, split, data, self._view)
        return self._read[key]

    def of_all(self, files: Sequence[JudgedFile]) -> list[LabelledImages]:
        """Those that go with each of some files. Raises DataError if these aren't of the same classes: then
        their accuracies would say nothing of each other."""
        sets = [self.of(file.data) for file in files]
        for file, images in zip(files, sets, strict=True):
            if other := {*images.classes} ^ {*sets[0].classes}:
                raise DataError(
                    f"{file.name} and {files[0].name}: accuracies on different classes don't compare "
                    f"({shown(min(other))} is in one of them only); eval judges each by itself"
                )
        return sets
