"""What ``rudcodec compress`` is asked for, and what of it can be refused before anything is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rudcodec.data.reading import Reading
from rudcodec.display import ProgressView
from rudcodec.optional import TRAINING, require
from rudcodec.processes import is_first_process
from rudcodec.progress import activity
from rudcodec.run_files import RunFiles, run_folder
from rudcodec.settings import AUTO, NO_UTILITY, Settings

from .metrics import is_unfinished
from .outputs import STANDARD_OUTPUT, check_outputs
from .preview import check_preview
from .reading import read_images
from .setting_flags import GivenSettings

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages, Split
    from rudcodec.distill.inputs import Inputs


@dataclass(frozen=True)
class Sets:
    """What is encoded: a real set, a distilled one, or both."""

    real: LabelledImages | None
    distilled: LabelledImages | None

    @property
    def num_images(self) -> int:
        return len(self._some)

    @property
    def num_classes(self) -> int:
        if self.distilled is not None:
            return len(self.distilled.classes)
        return len(self._some.classes) - len(self._some.empty_classes())  # which the file lacks

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self._some.height, self._some.width

    @property
    def _some(self) -> LabelledImages:
        some = self.real or self.distilled
        assert some is not None
        return some

    def resolve(self, settings: Settings) -> Inputs:
        """What goes into an encode, its settings with nothing left open."""
        with activity("loading torch"):
            from rudcodec.distill.inputs import resolve_inputs

        return resolve_inputs(self.real, self.distilled, settings)


@dataclass(frozen=True)
class Job:
    """The arguments and flags of the command, by their names.

    ``given``: settings; ``distilled``: whether ``source`` is distilled already, and stands for ``real``.
    """

    source: str
    out: Path
    given: GivenSettings
    reading: Reading
    split: Split | None
    distilled: bool
    real: str | None
    dry_run: bool
    resume: bool
    force: bool
    preview: Path | None
    log: Path | None
    checkpoint_seconds: float
    tensorboard: Path | None

    @property
    def is_to_standard_output(self) -> bool:
        return self.out == STANDARD_OUTPUT

    @cached_property
    def files(self) -> RunFiles:
        """What the run keeps."""
        folder = None if self.is_to_standard_output else run_folder(self.out)
        return RunFiles(folder, self.resume, self.checkpoint_seconds)

    @property
    def metrics_paths(self) -> tuple[Path | None, Path | None]:
        """The log, and the folder for TensorBoard, that this process writes."""
        is_writing = is_first_process() and not self.dry_run
        return (self.log, self.tensorboard) if is_writing else (None, None)

    def settings(self, num_classes: int | None = None) -> Settings:
        """The settings as they were given: see :meth:`GivenSettings.settings`."""
        return self.given.settings(self.distilled, num_classes)

    def check(self) -> None:
        """Refuse what is wrong, before anything is read, and before torch is imported.

        Raises RudError; click.UsageError.
        """
        self._check_flags()
        settings = self.settings()
        if self.distilled and self.real is None and settings.utility not in (AUTO, NO_UTILITY):
            raise click.UsageError("--utility needs --real, the set that the distilled one stands for")
        if is_first_process():  # of several (torchrun), it writes and speaks
            self._check_outputs()
        check_preview(self.preview)
        require(*TRAINING)
        if self.tensorboard is not None:
            require("tensorboard", what="--tensorboard")

    def _check_flags(self) -> None:
        if self.real is not None and not self.distilled:
            raise click.UsageError("--real goes with --from-tensors")
        if self.distilled and self.real is None and self.split is not None:
            raise click.UsageError("--split is of --real; of a distilled set all images are coded")
        if not self.is_to_standard_output:
            return
        every = click.get_current_context().get_parameter_source("checkpoint_seconds")
        for flag, is_given in (
            ("--resume", self.resume),
            ("--checkpoint-every", every == ParameterSource.COMMANDLINE),
        ):
            if is_given:
                raise click.UsageError(
                    f"{flag} needs a file as OUT: a run to standard output keeps no checkpoints"
                )

    def _check_outputs(self) -> None:
        outputs: Collection[Path | None] = ()
        known: Collection[Path | None] = ()
        if not self.dry_run:
            self.files.check()
            outputs = (self.out, self.preview, self.log)
        if self.resume:
            goes_on = self.files.goes_on  # with a run that was allowed to write OUT
            known = (
                self.out if goes_on else None,
                self.log if goes_on or is_unfinished(self.log) else None,
            )
        check_outputs(outputs, self.force, known, (self.source, self.real, self.given.config))

    def read(self, view: ProgressView) -> Sets:
        """The sets. Raises RudError."""
        real, distilled = (self.real, self.source) if self.distilled else (self.source, None)
        return Sets(
            None if real is None else read_images(real, self.split or "train", self.reading, view),
            None if distilled is None else read_images(distilled, "all", self.reading, view),
        )
