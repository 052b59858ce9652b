"""The codecs that real images are coded by: those of Pillow, and the pretrained models of compressai."""

from __future__ import annotations

from typing import get_args

from rudcodec.baselines.learned_codecs import LearnedCodec, check_learned, find_weights
from rudcodec.baselines.picture_codec import LearnedName, PictureCodec, PillowName
from rudcodec.baselines.pillow_codecs import PillowCodec, check_pillow
from rudcodec.errors import SettingError

PILLOW: tuple[PillowName, ...] = get_args(PillowName)
LEARNED: tuple[LearnedName, ...] = get_args(LearnedName)
CODECS = (*PILLOW, *LEARNED)


def check_codec(name: str) -> None:
    """Look whether a codec can be used, without importing what it needs.

    Raises:
        SettingError: no codec is called so; Pillow was built without it; there are no weights of the model.
        MissingPackageError: compressai isn't installed.
    """
    if name in PILLOW:
        check_pillow(name)
    elif name in LEARNED:
        check_learned(name)
    else:
        raise SettingError(f"no codec is called {name!r}: choose from {', '.join(CODECS)}")


def weights_of(name: str) -> list[str]:
    """The files of weights that a codec has, sorted: more make it better. None of Pillow's has any."""
    return sorted(path.name for path in find_weights(name).values()) if name in LEARNED else []


def picture_codec(name: str) -> PictureCodec:
    """The codec of a name. Raises as :func:`check_codec` does."""
    check_codec(name)
    if name in LEARNED:
        return LearnedCodec(name)
    assert name in PILLOW
    return PillowCodec(name)
