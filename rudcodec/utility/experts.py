"""Expert trajectories: the weights of networks at the end of each epoch of training on the real set.

A folder: ``manifest.json`` says what they were trained on and how; each expert is one safetensors file,
complete or not there, so that training goes on where it was interrupted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages, digest
from rudcodec.data.mapped import take
from rudcodec.errors import DataError, SettingError
from rudcodec.files import check_writable, one_at_a_time, write_bytes
from rudcodec.names import is_hidden
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast, keep_freed_memory
from rudcodec.recipe_checks import MAX_RATE
from rudcodec.runs import check_same
from rudcodec.seeds import seed_of
from rudcodec.students import default_recipe
from rudcodec.text import shown
from rudcodec.whole_numbers import MAX_SEED, MAX_WIDTH, whole

MANIFEST = "manifest.json"
ExpertProgress = Callable[[int, int, float], None]
"""Called with (epochs done, epochs in all, loss of the last step); all experts' epochs are counted."""


@dataclass(frozen=True)
class ExpertRecipe:
    """How experts are trained; the defaults are the published ones (no momentum, no weight decay).

    Attributes:
        epochs: passes over the real images.
        width: channels of the ConvNets.
        lr, batch: of SGD.
        flip: whether augmentation has the flip; ``None``: colour yes, grey no.
        seed: of the first; the others' follow.
    """

    epochs: int = 50
    width: int = 128
    lr: float = 0.01
    batch: int = 256
    flip: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "epochs": (1, sys.maxsize),
            "width": (1, MAX_WIDTH),
            "batch": (1, sys.maxsize),
            "seed": (0, MAX_SEED),
        }
        for name, (least, most) in limits.items():
            object.__setattr__(self, name, whole(name, getattr(self, name), least, most))
        object.__setattr__(self, "lr", float(self.lr))
        if not 0 < self.lr <= MAX_RATE:
            raise SettingError(f"lr: {self.lr:g} must be above zero, and no more than {MAX_RATE:g}")


class ExpertTrainer:
    """Trains experts on one set.

    Args:
        data: the real set, of which classes without images are left out, as they are when it is compressed.
        recipe: how they are trained.
        device: where.
        progress: called after each epoch.
    """

    def __init__(
        self,
        data: LabelledImages,
        recipe: ExpertRecipe,
        device: torch.device,
        progress: ExpertProgress | None = None,
    ) -> None:
        self._data = data.without_empty_classes()
        self._recipe, self._device, self._progress = recipe, device, progress

    def fill(self, folder: Path, count: int) -> None:
        """Train until the folder holds ``count`` experts; those that are there already stay as they are.

        Raises:
            DataError: the folder can't be written, or holds files of something else.
            SettingError: its experts are of other data or another recipe, or training by it runs away.
        """
        manifest = self._prepare(folder)
        if self._device.type == "cpu":
            keep_freed_memory()
        for number in range(count):
            file = folder / f"{number}.safetensors"
            if not file.exists():
                trajectory = self._trajectory(number, count)
                if not all(weight.isfinite().all() for weight in trajectory.values()):
                    raise SettingError(
                        f"lr: by {self._recipe.lr:g} the experts' training runs away; give a smaller one"
                    )
                with one_at_a_time(folder):
                    self._prepare(folder)  # others may have come meanwhile
                    if not file.exists():
                        write_bytes(json.dumps(manifest, indent=1).encode(), folder / MANIFEST)
                        write_bytes(save(trajectory), file)

    def _prepare(self, folder: Path) -> dict[str, Any]:
        """Make the folder, or check that what is in it goes with this set and recipe: with the manifest."""
        data = self._data
        manifest = {"data": digest(data), "classes": list(data.classes), **asdict(self._recipe)}
        manifest |= {"height": data.height, "image width": data.width, "channels": data.channels}
        path = folder / MANIFEST
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = {name for one in folder.iterdir() if not is_hidden(name := one.name)} - {MANIFEST}
        except OSError as error:
            raise DataError(f"{folder}: can't be made ({error.strerror})") from None
        if path.exists():
            found = _read_manifest(path)
            if others:  # else it says nothing: no expert has come to it
                check_same(f"{path}: the experts there have", found, manifest)
        elif others:
            raise DataError(f"{folder}: holds files that are no experts'; give a new or an empty folder")
        check_writable(path)
        return manifest

    def _trajectory(self, number: int, count: int) -> dict[str, Tensor]:
        """Weights of one of ``count`` experts after every epoch, by ``epoch/name``."""
        data, recipe, device = self._data, self._recipe, self._device
        student = default_recipe(data, flip=recipe.flip)
        generator = torch.Generator().manual_seed(seed_of("experts", recipe.seed + number))
        size = (data.height, data.width)
        net = ConvNet.as_published(data.channels, len(data.classes), size, recipe.width, generator)
        net = net.to(device)
        optimizer = torch.optim.SGD(net.parameters(), recipe.lr)
        images, labels = data.images, torch.from_numpy(data.labels)
        trajectory = _named_weights(net, 0)
        for epoch in range(1, recipe.epochs + 1):
            for rows in torch.randperm(len(images), generator=generator).split(recipe.batch):
                pixels = torch.from_numpy(take(images, rows.numpy()))
                x = normalise(pixels.to(device), student.mean, student.std)
                x = augment(x, student.augment, generator)
                with autocast(device):
                    loss = F.cross_entropy(net(x).float(), labels[rows].to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
            trajectory |= _named_weights(net, epoch)
            if self._progress is not None:
                done, total = number * recipe.epochs + epoch, count * recipe.epochs
                self._progress(done, total, float(loss.detach()))
        return trajectory


def _named_weights(net: ConvNet, epoch: int) -> dict[str, Tensor]:
    return {f"{epoch}/{name}": weight.detach().cpu().clone() for name, weight in net.named_parameters()}


class Experts:
    """The experts in a folder, of which the last few that were used stay in memory.

    Raises DataError if there are none, or they can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder / MANIFEST)
        # in the order they are made, so that later ones are behind those that are there
        self.files = sorted(folder.glob("*.safetensors"), key=lambda file: (len(file.stem), file.stem))
        if foreign := [file.name for file in self.files if not re.fullmatch("[0-9]+", file.stem)]:
            raise DataError(f"{folder}: {shown(foreign[0])} is none of its experts; move it elsewhere")
        if not self.files:
            raise DataError(f"{folder}: holds no experts")
        self._load = lru_cache(maxsize=8)(self._read)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def epochs(self) -> int:
        return int(self.manifest["epochs"])

    def check(self, data: LabelledImages, epochs_ahead: int) -> None:
        """Raise SettingError unless these are experts of a set, of at least ``epochs_ahead`` epochs."""
        if self.manifest["data"] != digest(data):
            raise SettingError(f"{self.folder}: these experts were trained on other data")
        if self.epochs < epochs_ahead:
            raise SettingError(
                f"{self.folder}: experts of {self.epochs} epochs can't be {epochs_ahead} epochs ahead"
            )

    def keep_first(self, count: int) -> None:
        """Forget all but the first ``count``. Raises DataError if there are fewer."""
        if len(self) < count:
            raise DataError(f"{self.folder}: holds {len(self)} experts; the run began with {count}")
        del self.files[count:]

    def network(self) -> ConvNet:
        """A network of the experts' shape, with random weights."""
        shape = self.manifest
        size = (shape["height"], shape["image width"])
        return ConvNet.as_published(shape["channels"], len(shape["classes"]), size, shape["width"])

    def weights(self, expert: int, epoch: int, like: Tensor) -> list[Tensor]:
        """An expert's weights at the end of an epoch (0: the initial ones), in the order of the network's
        parameters, with the device and dtype of ``like``."""
        tensors = self._load(expert)
        return [tensors[f"{epoch}/{name}"].to(like.device, like.dtype) for name in self._names]

    @cached_property
    def _names(self) -> list[str]:
        """Of the network's parameters, in their order."""
        return [name for name, _ in self.network().named_parameters()]

    def _read(self, expert: int) -> dict[str, Tensor]:
        try:
            tensors = load_file(self.files[expert])
        except (SafetensorError, OSError) as error:
            raise DataError(f"{self.files[expert]}: can't be read ({error})") from None
        if any(f"{epoch}/{name}" not in tensors for epoch in range(self.epochs + 1) for name in self._names):
            raise DataError(f"{self.files[expert]}: lacks weights of an expert of {self.epochs} epochs")
        return tensors


_MANIFEST_KEYS = {"data", "classes", "epochs", "width", "height", "image width", "channels"}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
        if isinstance(manifest, dict) and manifest.keys() >= _MANIFEST_KEYS:
            return manifest
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from None
    except ValueError:
        pass
    raise DataError(f"{path}: is not the manifest of experts")
