"""Where the cache of decoded images lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rudcodec.errors import DataError, SettingError
from rudcodec.files import home_expanded
from rudcodec.optional import load_optional
from rudcodec.text import shown

FOLDER_VARIABLE = "RUDCODEC_CACHE"
"""The environment variable that names the folder of the cache."""
STUDENTS = "students"
"""The folder in it of what students of interrupted commands had learnt: see :mod:`rudcodec.students`."""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the cache, which need not be there: ``$RUDCODEC_CACHE``, or the system's own.

    Raises SettingError for a home that isn't known, MissingPackageError if only platformdirs could tell.
    """
    if chosen := environment.get(FOLDER_VARIABLE):
        return home_expanded(chosen, f"${FOLDER_VARIABLE}").absolute()
    platformdirs = load_optional("platformdirs")
    try:
        folder = Path(platformdirs.user_cache_dir("rudcodec", False)) / "decoded"
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # one that begins with ~, in some versions
        raise SettingError(
            f"the cache has no folder, since the user's home isn't known: name one by ${FOLDER_VARIABLE}"
        )
    return folder


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Raises DataError, which names the folder of the cache, for an OSError of what is written there."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DataError(
            f"{shown(str(folder))}: the decoded images can't be kept here ({why}); they are more than memory "
            "should hold: name a folder with room for them (--cache DIR)"
        ) from None
