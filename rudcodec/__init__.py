"""rudcodec: labelled image sets as tiny training sets.

``load`` and ``decompress`` need numpy and constriction only; ``compress`` and ``evaluate`` import torch when
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rudcodec.errors import (
    BudgetError,
    DataError,
    FormatError,
    MissingPackageError,
    RudError,
    SettingError,
)
from rudcodec.loading import decompress, load, salvage, stream
from rudcodec.rearrange import extract, merge, truncate
from rudcodec.synthetic import SyntheticSet

if TYPE_CHECKING:
    from rudcodec.distill import compress
    from rudcodec.evaluation import evaluate

__version__ = "0.1.0"
__all__ = [
    "BudgetError",
    "DataError",
    "FormatError",
    "MissingPackageError",
    "RudError",
    "SettingError",
    "SyntheticSet",
    "compress",
    "decompress",
    "evaluate",
    "extract",
    "load",
    "merge",
    "salvage",
    "stream",
    "truncate",
]

_LAZY = {"compress": "rudcodec.distill", "evaluate": "rudcodec.evaluation"}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        from rudcodec.optional import TRAINING, require

        require(*TRAINING)
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
