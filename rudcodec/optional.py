"""Packages that only some functions need, and that a plain installation doesn't bring."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rudcodec.errors import MissingPackageError


def load_optional(module: str, extra: str) -> Any:
    """Import a module of a package that ``pip install 'rudcodec[extra]'`` brings.

    Raises:
        MissingPackageError: the package isn't installed.
    """
    package = module.partition(".")[0]
    if find_spec(package) is None:
        raise MissingPackageError(f"{package} is missing, which this needs: pip install 'rudcodec[{extra}]'")
    return import_module(module)
