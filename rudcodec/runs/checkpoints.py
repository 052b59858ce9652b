"""Checkpoints on disk: one safetensors file each, complete or not there, the last two kept."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rudcodec.bitstream import write_bytes
from rudcodec.errors import DataError

KEPT = 2

State = Any
"""Tensors in dictionaries and lists of any depth, and what JSON knows."""


class CheckpointFolder:
    """The folder of one run's checkpoints; it exists from the first of them on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, state: State) -> None:
        """Write the next checkpoint, then remove the oldest. Raises DataError (the others stay intact)."""
        tensors: list[Tensor] = []
        tree = json.dumps(_taken_apart(state, tensors))
        files = self._files()
        number = _number(files[-1]) + 1 if files else 1
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.path}: can't be made ({error.strerror})") from None
        data = save({str(i): t.contiguous() for i, t in enumerate(tensors)}, {"state": tree})
        write_bytes(data, self.path / f"{number}.safetensors")
        for old in files[: 1 - KEPT]:
            old.unlink(missing_ok=True)

    def load(self) -> State | None:
        """The newest state that is readable, on the CPU; None where there is no checkpoint.

        Raises DataError if none of those there can be read.
        """
        files = self._files()
        for path in reversed(files):
            try:
                with safe_open(path, "pt") as file:
                    tree = json.loads(file.metadata()["state"])
                    return _put_together(tree, [file.get_tensor(str(i)) for i in range(len(file.keys()))])
            except (SafetensorError, OSError, ValueError, KeyError, TypeError):
                continue
        if files:
            raise DataError(f"{files[-1]}: is not a readable checkpoint")
        return None

    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return bool(self._files())

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted((p for p in self.path.glob("*.safetensors") if _number(p)), key=_number)


def _number(path: Path) -> int:
    match = re.fullmatch(r"([1-9][0-9]*)\.safetensors", path.name)
    return int(match[1]) if match else 0


def _taken_apart(value: State, tensors: list[Tensor]) -> Any:
    """JSON of a state; its tensors are appended to a list, and stand there as their number."""
    if isinstance(value, Tensor):
        tensors.append(value.detach().cpu().clone())
        return {"tensor": len(tensors) - 1}
    if isinstance(value, dict):  # keys may be numbers
        return {"items": [[key, _taken_apart(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_taken_apart(item, tensors) for item in value]
    return value


def _put_together(tree: Any, tensors: list[Tensor]) -> State:
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        return {key: _put_together(item, tensors) for key, item in tree["items"]}
    if isinstance(tree, list):
        return [_put_together(item, tensors) for item in tree]
    return tree


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Like ``load_state_dict``, but moments get the memory layout of their weights again: in another order of
    elements, vector and scalar code could round differently."""
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if moment.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(moment)
