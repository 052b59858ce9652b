"""Checkpoints on disk: one safetensors file each, complete or not there, the last two kept."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rudcodec.errors import DataError
from rudcodec.files import TEMPORARY_SUFFIX, write_bytes
from rudcodec.run_files import (
    LOCK,
    MARKER,
    acquire,
    check_folder,
    checkpoints_in,
    is_leftover,
    lock_of,
    number_of,
)

KEPT = 2
_LAYOUT = "6"
"""Changes with what stages keep: older runs can't go on then."""

State = Any
"""Tensors in dictionaries and lists of any depth, and what JSON knows."""


class CheckpointFolder:
    """The folder of one run's checkpoints.

    A context manager: within it the folder is there, marked as a run's, and no other process can use it. On
    leaving it, a folder without checkpoints is cleared of this class's own files, and removed if a run had
    made it. Nothing else is ever removed.

    Raises:
        DataError: the path is a file, a folder of something else, or not writable.
        BusyError: another run is using it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = lock_of(path)

    def __enter__(self) -> Self:
        made = self._make()
        acquire(self._lock, self.path)
        if not (self.path / MARKER).is_file():
            write_bytes(json.dumps({"made by the run": made}).encode(), self.path / MARKER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for leftover in self.path.glob(f".*{TEMPORARY_SUFFIX}"):
            if is_leftover(leftover.name):
                leftover.unlink(missing_ok=True)  # of a process that was killed while it wrote
        empty = not self.exists()
        made = empty and self._made_by_a_run()
        if empty:
            (self.path / MARKER).unlink(missing_ok=True)
            with suppress(OSError):  # Windows: it is open
                (self.path / LOCK).unlink(missing_ok=True)
        self._lock.release()
        if made:
            with suppress(OSError):  # something of the user's is in there
                self.path.rmdir()

    def save(self, state: State) -> None:
        """Write the next checkpoint, then remove the oldest. Raises DataError (the others stay intact)."""
        tensors: list[Tensor] = []
        tree = json.dumps(_flattened(state, tensors))
        tensors = [tensor.contiguous() for tensor in tensors]
        files = checkpoints_in(self.path)
        number = number_of(files[-1]) + 1 if files else 1
        metadata = {"state": tree, "layout": _LAYOUT, "sha256": _digest(_LAYOUT, tree, tensors)}
        data = save({str(i): tensor for i, tensor in enumerate(tensors)}, metadata)
        write_bytes(data, self.path / f"checkpoint-{number}.safetensors")
        for old in files[: 1 - KEPT]:
            old.unlink(missing_ok=True)

    def load(self) -> State | None:
        """The newest state that is whole, on the CPU; None where there is no checkpoint.

        Raises DataError if none of those there is, or another version of rudcodec has made it.
        """
        files = checkpoints_in(self.path)
        for path in reversed(files):
            try:
                with safe_open(path, "pt") as file:
                    metadata = file.metadata()
                    tensors = [file.get_tensor(str(i)) for i in range(len(file.keys()))]
                if metadata["sha256"] != _digest(metadata["layout"], metadata["state"], tensors):
                    continue
                state = _rebuilt(json.loads(metadata["state"]), tensors)
            except (SafetensorError, OSError, ValueError, KeyError, TypeError):
                continue
            if metadata["layout"] != _LAYOUT:
                raise DataError(
                    f"{path}: is of another version of rudcodec, which can finish this run; else remove "
                    f"{self.path} and start anew"
                )
            return state
        if files:
            raise DataError(
                f"{files[-1]}: is not a readable checkpoint, nor is an older one; remove {self.path} and "
                "start anew"
            )
        return None

    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return bool(checkpoints_in(self.path))

    def clear(self) -> None:
        """Remove the checkpoints."""
        for path in checkpoints_in(self.path):
            path.unlink(missing_ok=True)

    def _make(self) -> bool:
        """Make the folder, unless it is there; whether it wasn't. Raises DataError for one of others."""
        check_folder(self.path)
        try:
            if not self.path.exists():
                self.path.mkdir(exist_ok=True)
                return True
        except OSError as error:
            raise DataError(f"{self.path}: can't be used for checkpoints ({error.strerror})") from None
        return False

    def _made_by_a_run(self) -> bool:
        try:
            return json.loads((self.path / MARKER).read_bytes()) == {"made by the run": True}
        except (OSError, ValueError):
            return False


def clear_folder(path: Path) -> None:
    """Remove the checkpoints in a folder, and the folder if a run had made it. Raises as
    :class:`CheckpointFolder`."""
    with CheckpointFolder(path) as folder:
        folder.clear()


def _digest(layout: str, tree: str, tensors: list[Tensor]) -> str:
    """SHA-256 of all that a checkpoint says."""
    digest = hashlib.sha256(f"{layout} {tree}".encode())
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _flattened(value: State, tensors: list[Tensor]) -> Any:
    """JSON of a state; its tensors are appended to a list, and stand there as their number."""
    if isinstance(value, Tensor):
        tensors.append(value.detach().cpu().clone())
        return {"tensor": len(tensors) - 1}
    if isinstance(value, dict):  # keys may be numbers
        return {"items": [[key, _flattened(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_flattened(item, tensors) for item in value]
    return value


def _rebuilt(tree: Any, tensors: list[Tensor]) -> State:
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        return {key: _rebuilt(item, tensors) for key, item in tree["items"]}
    if isinstance(tree, list):
        return [_rebuilt(item, tensors) for item in tree]
    return tree


def copied(state: State) -> State:
    """A copy of a state, which later training doesn't change."""
    return deepcopy(state)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Like ``load_state_dict``, but moments get the memory layout of their weights again: in another order of
    elements, vector and scalar code could round differently."""
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(moment)
