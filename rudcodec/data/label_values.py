"""Labels that stand in texts: columns of tables, small files beside pictures, fields of JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.bounds import MAX_LABEL, check_memory
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "category")
"""What a column or field of labels may be called."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # 01 is a text: it may differ from 1


def as_label(value: Any) -> str:
    """A whole number or text as a text. Raises ValueError, which says why it is no label."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError("has a label that is neither a whole number nor a text")
    label = str(value).strip()
    if not label:
        raise ValueError("has no label")
    if len(label) > MAX_LABEL:
        raise ValueError(f"has a label of more than {MAX_LABEL} characters")
    return label


def are_numbers(labels: Collection[str]) -> bool:
    """Whether all of these are whole numbers, which then count as such."""
    return all(_NUMBER.fullmatch(label) for label in labels)


def label_values(labels: Sequence[str], where: str, numbers: bool | None = None) -> NDArray[Any]:
    """int64 or str (N,). Raises DataError if the machine has too little memory for them.

    Args:
        numbers: whether they count as such; as :func:`are_numbers` says, if it isn't given.
    """
    if are_numbers(set(labels)) if numbers is None else numbers:
        return np.array([int(label) for label in labels], dtype=np.int64)
    # each takes as much as the longest
    needed = 4 * len(labels) * max(map(len, labels), default=0)
    check_memory(needed, f"{where}: its labels", "make them shorter")
    return np.array(labels, dtype=np.str_)


def find_column(names: Sequence[str], chosen: str, where: str) -> int:
    """The index of the column that the user names. Raises DataError if there is none, or several."""
    if chosen not in names:
        raise DataError(f"{where}: {lacks_column(chosen, names)}")
    if names.count(chosen) > 1:
        raise DataError(f"{where}: has several columns {shown(chosen)}; give them different names")
    return names.index(chosen)


def lacks_column(chosen: str, names: Iterable[str]) -> str:
    """What messages say of a table without the column that the user names."""
    return f"has no column {shown(chosen)}, only {listed(names)}"


def find_label(names: Sequence[str], chosen: str | None, where: str) -> int | None:
    """The index of the one name that stands for labels; None if there is none.

    Args:
        names: of columns or fields.
        chosen: by the user.

    Raises:
        DataError: ``chosen`` isn't among them, or more than one may be meant.
    """
    if chosen is not None:
        return find_column(names, chosen, where)
    found = [index for index, name in enumerate(names) if name.strip().lower() in LABEL_NAMES]
    if len(found) > 1:
        several = listed(names[index] for index in found)
        raise DataError(f"{where}: {several} may all be the label; say which (--label-column)")
    return found[0] if found else None
