"""Learned picture codecs: compressai's pretrained models, those trained for the mean squared error.

Their weights are read from the folder that torch keeps downloads in; nothing here downloads any.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.picture_codec import CodedPicture, LearnedName, Subsampling
from rudcodec.errors import SettingError
from rudcodec.files import home_expanded
from rudcodec.optional import load_optional, require

if TYPE_CHECKING:
    from torch import Tensor

_GRID = 64  # the models halve a picture's sides up to six times


@dataclass(frozen=True)
class _Model:
    """``stem``: how the names of its files begin; ``qualities``: how many there are, from 1 up."""

    stem: str
    qualities: int = 8


# Not compressai's other image models: the "-vbr" ones need a step size, too, and those of "-relu" were never
# published (asked for them, compressai gives the weights of "bmshj2018-factorized").
_MODELS: dict[LearnedName, _Model] = {
    "bmshj2018-factorized": _Model("bmshj2018-factorized-prior"),
    "bmshj2018-hyperprior": _Model("bmshj2018-hyperprior"),
    "mbt2018-mean": _Model("mbt2018-mean"),
    "mbt2018": _Model("mbt2018"),
    "cheng2020-anchor": _Model("cheng2020-anchor", 6),
    "cheng2020-attn": _Model("cheng2020_attn-mse", 6),
}


class LearnedCodec:
    """One of compressai's models; see :class:`rudcodec.baselines.picture_codec.PictureCodec`.

    It codes on the CPU. The size of a picture is that of the strings its entropy coder writes; what the
    decoder must know beside them, a few numbers and the weights, goes free.
    """

    guesses_quickly = False
    longest = 4096  # the first layer's activations are 2 to 3 GB then

    def __init__(self, name: LearnedName) -> None:
        self.name = name
        self.files = find_weights(name)
        self.qualities: Sequence[int] = tuple(sorted(self.files))

    def subsamplings(self, channels: int) -> tuple[Subsampling, ...]:
        """The models see red, green and blue."""
        return ("4:4:4",)

    def code(
        self, picture: NDArray[np.uint8], quality: int, subsampling: Subsampling, quick: bool = False
    ) -> CodedPicture:
        import torch

        if quality not in self.files:
            there = ", ".join(map(str, self.qualities))
            raise SettingError(f"no weights of {self.name} for quality {quality}, only for {there}")
        path = self.files[quality]
        model = _load_model(self.name, path)
        with torch.inference_mode():
            coded = model.compress(_as_input(picture))
        size = sum(len(string) for strings in coded["strings"] for string in strings)
        return CodedPicture(size, partial(_decode, model, coded, picture.shape), path.stat().st_size)


def check_learned(name: LearnedName) -> None:
    """Look for compressai and for the weights of one of its models, without importing anything.

    Raises:
        MissingPackageError: compressai isn't installed. SettingError: no weights are there.
    """
    require("compressai", what=f"{name} (for Python 3.11 and 3.12)")
    if not find_weights(name):
        function, end = name.replace("-", "_"), _MODELS[name].qualities + 1
        raise SettingError(
            f"no weights of {name} are in {weights_folder()}, and none are downloaded unasked; to get them: "
            f'python -c "from compressai.zoo import {function} as net; '
            f'[net(q, pretrained=True) for q in range(1, {end})]"'
        )


def weights_folder() -> Path:
    """Where torch keeps the weights that it has downloaded. Raises SettingError if that is no folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{cache}/torch"
    return home_expanded(home, "$TORCH_HOME") / "hub" / "checkpoints"


def find_weights(name: LearnedName) -> dict[int, Path]:
    """The files that hold a model's weights, by quality."""
    pattern = re.compile(re.escape(_MODELS[name].stem) + r"-(\d)-[0-9a-f]{8}\.pth\.tar")
    files = sorted(weights_folder().glob("*.pth.tar"))
    return {int(found[1]): path for path in files if (found := pattern.fullmatch(path.name))}


@lru_cache(maxsize=2)
def _load_model(name: LearnedName, path: Path) -> Any:
    """The model with the weights of a file. Raises SettingError if they are no weights of this model."""
    import torch

    with warnings.catch_warnings():
        # of what compressai imports: nothing the user could act on
        warnings.simplefilter("ignore")
        zoo = load_optional("compressai.zoo")
        architectures = load_optional("compressai.zoo.image").model_architectures
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        model = architectures[name].from_state_dict(zoo.load_state_dict(weights))
    except (RuntimeError, UnpicklingError, EOFError, LookupError, AttributeError) as error:
        raise SettingError(f"{path}: holds no weights of {name}; delete it, and download it anew") from error
    model.update()
    return model.eval()


def _as_input(picture: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 1 or 3) as float32 (1, 3, H, W) in 0..1, its sides continued to multiples of 64."""
    import torch

    height, width, _ = picture.shape
    beyond = ((0, -height % _GRID), (0, -width % _GRID), (0, 0))
    padded = np.pad(picture, beyond, mode="edge").transpose(2, 0, 1)
    return torch.from_numpy(padded[None].astype(np.float32) / 255).expand(1, 3, -1, -1)


def _decode(model: Any, coded: dict[str, Any], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The pixels of a coded picture, uint8 of its shape (H, W, 1 or 3)."""
    import torch

    with torch.inference_mode():
        decoded = model.decompress(coded["strings"], coded["shape"])["x_hat"][0]
    height, width, channels = shape
    pixels = decoded[:, :height, :width].clamp(0, 1) * 255
    grey_or_colour = pixels.mean(0, keepdim=True) if channels == 1 else pixels
    return grey_or_colour.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
