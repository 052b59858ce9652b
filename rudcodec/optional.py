"""Packages that only some functions need, and that a plain installation doesn't bring."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rudcodec.errors import MissingPackageError

TRAINING = ("torch", "safetensors", "filelock", "threadpoolctl")
"""What everything that trains imports."""

EXTRAS: dict[str, str | None] = {
    **dict.fromkeys((*TRAINING, "torchvision", "sklearn", "platformdirs"), "train"),
    "safetensors": None,
    "matplotlib": "plot",
    **dict.fromkeys(("datasets", "pyarrow"), "hf"),
    "compressai": "compressai",
}
"""The extra of this package that brings a module, see pyproject.toml; None where it is small by itself."""


def require(*modules: str, what: str = "this") -> None:
    """Raise MissingPackageError, which says how to install it, unless the package of each module is there:
    they are looked for, not imported. ``what``: what needs them."""
    for module in modules:
        if find_spec(module.partition(".")[0]) is None:
            raise missing(module, what)


def load_optional(module: str) -> Any:
    """Import a module of a package that may be missing. Raises MissingPackageError, as :func:`require`."""
    require(module)
    return import_module(module)


def missing(module: str, what: str = "this") -> MissingPackageError:
    """The error that says that the package of a module is missing."""
    package = module.partition(".")[0]
    extra = EXTRAS.get(package)
    advice = f"'rudcodec[{extra}]'" if extra else package
    return MissingPackageError(f"{package} is missing, which {what} needs: pip install {advice}")
