"""Libraries that read some kinds of source and may be missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rudcodec.errors import MissingPackageError


def import_reader(module: str, where: str) -> Any:
    """A module, imported. Raises MissingPackageError, which says what to install, if it isn't there."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise MissingPackageError(
            f"{where}: is read by {package}, which is missing: pip install {package}"
        ) from None
