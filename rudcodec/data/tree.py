"""The files of a source as a tree of folders, without those that are no part of the set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rudcodec.data.bounds import MAX_FOLDERS
from rudcodec.data.decode import EXTENSIONS
from rudcodec.data.kinds import FOREIGN, ending_of
from rudcodec.data.report import Passed
from rudcodec.errors import DataError
from rudcodec.names import LABELS_FILE, is_hidden, is_junk


@dataclass(eq=False, slots=True)
class Folder:
    """A folder: its pictures, folders, and what was passed over in it, not counting the folders in it.

    ``others`` counts files of other endings; ``labels`` is the labels.json in it, if there.
    """

    name: str = ""
    above: Folder | None = None
    images: list[str] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)
    passed: Passed = field(default_factory=Passed)
    others: Counter[str] = field(default_factory=Counter)
    labels: str | None = None
    _filled: bool | None = None

    @property
    def path(self) -> str:
        above = self.above.path if self.above else ""
        return f"{above}/{self.name}" if above else self.name

    @property
    def is_filled(self) -> bool:
        """Whether there are pictures in it or below it. The answer is kept, so the tree must be complete."""
        if self._filled is None:
            self._filled = bool(self.images) or any(f.is_filled for f in self.folders.values())
        return self._filled

    def filled(self) -> dict[str, Folder]:
        """The folders in this one that have pictures in them or below."""
        return {name: f for name, f in self.folders.items() if f.is_filled}

    def holds_folders(self) -> bool:
        """Whether it has pictures, and all of them lie in folders below it."""
        return self.is_filled and not self.images

    def below(self) -> Iterator[Folder]:
        """This folder and all below."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()

    def all_images(self) -> list[str]:
        """Every picture in this folder or below, sorted."""
        return sorted(name for folder in self.below() for name in folder.images)

    def all_others(self) -> Counter[str]:
        """Files of other endings in this folder or below."""
        return sum((folder.others for folder in self.below()), Counter())


def build_tree(names: Iterable[str], where: str) -> Folder:
    """The tree of these files, and folders with a slash at the end. Hidden files and folders, and those that
    systems and tools leave behind, are passed over.

    Raises:
        DataError: too many folders.
    """
    root, count = Folder(), 0
    reported: set[str] = set()
    for name in names:
        *outer, last = name.split("/")
        folder = root
        for depth, component in enumerate(outer):
            if reason := _reason(component):
                path = "/".join(outer[: depth + 1]) + "/"
                if path not in reported:
                    reported.add(path)
                    folder.passed.add(reason, path)
                break
            if component not in folder.folders:
                folder.folders[component] = Folder(component, folder)
                count += 1
                if count > MAX_FOLDERS:
                    raise DataError(f"{where}: more than {MAX_FOLDERS:,} folders; make it several sets")
            folder = folder.folders[component]
        else:
            _add(folder, last, name)
    return root


def _add(folder: Folder, last: str, name: str) -> None:
    ending = ending_of(last)
    if reason := _reason(last):
        if ending in EXTENSIONS or ending in FOREIGN:
            folder.passed.add(reason, name)
    elif ending in EXTENSIONS:
        folder.images.append(name)
    elif last == LABELS_FILE:
        folder.labels = name
    elif last:
        folder.others[ending] += 1
        folder.passed.add(ending, name)


def _reason(name: str) -> str | None:
    """Why a file or folder of that name is passed over; None if it isn't."""
    if is_junk(name):
        return "junk"
    return "hidden" if is_hidden(name) else None
