"""Encodes from the outside: of a source into a file, of inputs that are resolved, of a set into a payload."""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from rudcodec import bitstream
from rudcodec.data import LabelledImages, Reading, SourceLike, Split, load
from rudcodec.distill.inputs import Inputs, resolve_inputs
from rudcodec.distill.pipeline import pipeline, run_pipeline
from rudcodec.errors import BudgetError, DataError, RudError, SettingError
from rudcodec.files import check_not_read, check_writable, write_bytes
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import computes_on
from rudcodec.nets.state import usual_torch
from rudcodec.overrides import Overrides, check_names
from rudcodec.payload import Payload
from rudcodec.plugins import LABEL_MODES, UTILITIES
from rudcodec.processes import is_first_process, world_size
from rudcodec.run_files import CHECKPOINT_SECONDS, RunFiles
from rudcodec.runs import (
    CheckpointFolder,
    Journal,
    Learnt,
    Reporter,
    RunContext,
    State,
    ignore_report,
    joined_ranks,
    software,
)
from rudcodec.settings import NO_UTILITY, Settings
from rudcodec.text import per_class, shown
from rudcodec.watching import watched_reports

_LOGGER = logging.getLogger("rudcodec")


@dataclass(frozen=True)
class CompressResult:
    """What was written.

    Attributes:
        path: of the file; ``size`` of it in bytes, ``bpc`` from that.
        ipc: images per class.
        psnr: in dB, of the file's images against those that it stands for, the selected or distilled ones.
        target_psnr: against what was to be kept: after a joint phase, the images that it has made.
        seconds: of encoding, those before an interruption included.
    """

    path: Path
    size: int
    bpc: float
    ipc: int
    psnr: float
    target_psnr: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.path}: {self.size} bytes, {self.bpc:.0f} bpc, {per_class(self.ipc)}"


@usual_torch()
def compress(
    source: LabelledImages | SourceLike | None,
    path: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    split: Split = "train",
    reading: Reading | None = None,
    distilled: LabelledImages | SourceLike | None = None,
    report: Reporter | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    resume: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    learnt: str | os.PathLike[str] | None = None,
    **overrides: Unpack[Overrides],
) -> CompressResult:
    """Distill a labelled image set into a ``.rud`` file of at most ``settings.bpc`` bits per class.

    Without a budget :func:`rudcodec.distill.default_budget.default_bpc` finds one that suits the set. A class
    of few images that limits all is logged (logger ``rudcodec``, level WARNING), and so are classes of which
    the set has no image: these are no classes of the file.

    In processes that ``torchrun`` has started, all of them call it alike; the first one writes and reports.

    Args:
        source: a set, or what :func:`rudcodec.data.load` reads, such as a path or a ``datasets.Dataset`` (its
            ``split`` is read). None: there is only the distilled set, which is coded by rate and distortion
            alone, with hard labels.
        path: of the file; it appears when it is complete, and replaces one that is there.
        settings: by default ``Settings(**overrides)``.
        split: of a source that isn't read yet: "train", from which the last tenth of each class is held out
            for validation where the source has no part for that, or "all", "val", "test".
        reading: how sources that aren't read yet are read, see :class:`rudcodec.data.Reading`.
        distilled: a set that is distilled already, by whatever method: all its images are encoded, instead of
            some of ``source``; as they are, unless ``utility`` says what they are to match.
        report: called with a :class:`rudcodec.runs.ProgressReport` about once a second. None: progress is
            shown on a terminal, and logged elsewhere (logger ``rudcodec``, level INFO);
            :func:`rudcodec.runs.ignore_report` shows nothing.
        checkpoints: a folder for the state of the run: a new one, which is removed at the end of the run, or
            an empty one. None: no checkpoints.
        resume: go on from the newest of the ``checkpoints``; on the same machine, to the same file.
        checkpoint_seconds: time between checkpoints.
        learnt: a folder, new or empty, that keeps what is learnt of the real set alone, whatever the budget:
            the networks whose features the utility ``mm`` compares, and the teacher of soft labels. Other
            files of the set that are given this folder are spared the time, and are the same without it.
            None: it isn't kept.

    Raises:
        RudError: unreadable data, wrong settings, a budget that can't be met, or checkpoints of another run.
    """
    check_names(overrides, inspect.signature(compress).parameters)
    check_writable(path)
    check_not_read(path, [source, distilled])
    run_path, learnt_path = (None if folder is None else Path(folder) for folder in (checkpoints, learnt))
    files = RunFiles(run_path, resume, checkpoint_seconds, learnt_path)
    files.check()
    replaces = os.path.lexists(path) and not files.goes_on
    if not isinstance(settings, Settings | None):
        raise SettingError("settings must be Settings, such as Settings.preset('fast', bpc=30_000)")
    if settings is None:
        settings = Settings.preset("balanced", distilled is not None, **overrides)
    else:
        settings = replace(settings, **overrides)
    real, synthetic = _loaded(source, split, reading), _loaded(distilled, "all", reading)
    inputs = resolve_inputs(real, synthetic, settings)
    for note in inputs.notes if is_first_process() else ():
        _LOGGER.warning("%s: %s", shown(inputs.real.name), note)
    return encode(inputs, path, files, report, replaces)


def encode(
    inputs: Inputs,
    path: str | os.PathLike[str],
    files: RunFiles = RunFiles(),  # noqa: B008  (frozen)
    report: Reporter | None = None,
    replaces: bool = True,
) -> CompressResult:
    """Write the file of inputs that are resolved; what is raised then, and the arguments, are those of
    :func:`compress`.

    ``replaces``: whether the run may replace a file of somebody else; one that goes on still may what it was
    allowed when it began.
    """
    settings = inputs.settings
    with joined_ranks(settings.device) as ranks, ExitStack() as stack:
        # the caller's: networks that are made draw from torch's own generator
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(usual_torch())
        folder, learnt = (
            stack.enter_context(CheckpointFolder(kept)) if kept is not None and ranks.is_first else None
            for kept in (files.checkpoints, files.learnt)
        )
        if ranks.is_first:
            files.check_new()  # another run may have begun since it was looked for
        machine = _machine(inputs, ranks.world_size)
        fingerprint = _fingerprint(inputs, machine)
        with Journal(folder, fingerprint, files.resume, files.checkpoint_seconds, ranks) as journal:
            reporter = stack.enter_context(watched_reports(report if ranks.is_first else ignore_report))
            facts = {**machine, "data": fingerprint["images of digest"]}
            run = RunContext(settings.device, settings.seed, reporter, journal, Learnt(learnt, facts))
            permission = _Permission(replaces)
            journal.register("may replace the file", permission)
            try:
                payload, quality = run_pipeline(inputs, run)
            except BudgetError:  # to go on would end alike
                if folder is not None:
                    folder.clear()
                raise
            try:
                size = _written(payload, path, permission.replaces) if ranks.is_first else 0
                size = ranks.broadcast(size)
            except DataError:  # of the disk, say: hours of work needn't be done again
                journal.keep()
                raise
        if folder is not None:
            folder.clear()
    ipc = payload.num_images // inputs.num_classes
    bpc = 8 * size / inputs.num_classes
    return CompressResult(Path(path), size, bpc, ipc, quality.initial, quality.targets, journal.seconds)


def check_goes_on(inputs: Inputs, folder: CheckpointFolder) -> None:
    """Raise what :func:`encode` would raise of an unfinished run in its folder, which must be entered.

    Raises SettingError: the run is another one's. DataError: its checkpoints can't be read.
    """
    Journal(folder, _fingerprint(inputs, _machine(inputs, world_size())), resume=True)


@dataclass
class _Permission:
    """Whether a run may replace a file of somebody else: kept with the run."""

    replaces: bool

    def state(self) -> State:
        return self.replaces

    def restore(self, state: State) -> None:
        self.replaces = self.replaces or state


def _written(payload: Payload, path: str | os.PathLike[str], replaces: bool) -> int:
    """Write the file, once it has been read back; its size in bytes. Hours after a run's begin somebody else
    may have used its name."""
    data = bitstream.encode(payload)
    if not replaces and _is_another(Path(path), data):
        raise DataError(
            f"{path}: is there, and isn't what this run has made; move it away, then --resume (in Python "
            "resume=True) goes on"
        )
    if bitstream.encode(bitstream.decode(data)) != data:  # which has the digests of decoded images, too
        raise RudError(
            f"{path}: isn't written, since it wouldn't decode to what was made; this is a fault of rudcodec, "
            "please report it"
        )
    write_bytes(data, path)
    return len(data)


def _is_another(path: Path, data: bytes) -> bool:
    """Whether there is a file with other contents, or with contents that can't be read."""
    try:
        return path.is_file() and path.read_bytes() != data
    except OSError:
        return True


def _loaded(
    source: LabelledImages | SourceLike | None, split: Split, reading: Reading | None
) -> LabelledImages | None:
    if source is None or isinstance(source, LabelledImages):
        return source
    return load(source, split, reading=reading)


def distill(
    real: LabelledImages | None,
    settings: Settings,
    *,
    distilled: LabelledImages | None = None,
    report: Reporter = ignore_report,
) -> Payload:
    """Distill a set under ``rate + lmbda * (distortion + utility)`` (Bao et al., ICCV 2025, section 3).

    Args:
        real: the real training images; None: there is only ``distilled``.
        settings: budget, seed, length of the stages.
        distilled: as in :func:`compress`.
        report: called about once a second.

    Returns:
        The synthetic set as integers, whose file is within the budget.

    Raises:
        BudgetError: the budget can't be met. DataError: a class has too few images. SettingError.
    """
    inputs = resolve_inputs(real, distilled, settings)
    with torch.random.fork_rng(devices=[]), usual_torch():
        return run_pipeline(inputs, RunContext(settings.device, settings.seed, report))[0]


def _machine(inputs: Inputs, num_processes: int) -> dict[str, str]:
    """What computes: with another software or device the same settings make another file."""
    processes = f"{num_processes} processes of {torch.get_num_threads()} threads"
    return {
        "software": f"{software()}, {processes}",
        "computes on": computes_on(pick_device(inputs.settings.device)),
    }


def _fingerprint(inputs: Inputs, machine: dict[str, str]) -> dict[str, Any]:
    """What the same file needs: software, device, data, settings, stages."""
    names = [stage.name for stage in pipeline(inputs)]
    stages = f"{len(names)} stages ({hashlib.sha256(repr(names).encode()).hexdigest()[:8]})"
    chosen = ((UTILITIES, inputs.settings.utility), (LABEL_MODES, inputs.settings.labels))
    origins = [
        origin for registry, name in chosen if name != NO_UTILITY and (origin := registry.origin(name))
    ]
    others = {"code of others": origins} if origins else {}
    return {**machine, **inputs.fingerprint(), "pipeline": stages, **others}
