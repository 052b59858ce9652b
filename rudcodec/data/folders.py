"""Class folders: finds splits and classes in a list of file names, wherever the files lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.contents import Contents
from rudcodec.data.decode import PictureError, decode_or_refuse
from rudcodec.data.files import Files
from rudcodec.data.images import check_classes
from rudcodec.data.kinds import FOREIGN, NO_ENDING, remedy_for
from rudcodec.data.layout import is_split_name, split_folders, splits_within
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.saved import folders_without_images, saved_classes
from rudcodec.data.splits import Rows, SourceSplit
from rudcodec.data.tree import Folder, build_tree
from rudcodec.errors import DataError
from rudcodec.text import counted, shown


class FolderSource:
    """The source made of class folders: ``<class>/...`` or ``<split>/<class>/...``, inside any number of
    folders that hold nothing else. Pictures may lie deeper inside a class folder. Hidden files, what systems
    leave behind, files of other kinds, and pictures beside the class folders are passed over and counted.

    Classes are sorted by name, or have the names and the order in a labels.json that :mod:`rudcodec.export`
    wrote; one of which it lists no picture has none. A split is looked into when it is asked for.

    Raises:
        DataError: no such order can be seen in the files.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.name, self.where = contents.name, contents.where
        self._root = build_tree(contents.names, self.where)
        if not self._root.is_filled:
            raise _no_images_error(self._root, contents.files)
        self._saved: dict[Folder, dict[str, str] | None] = {}
        self._without_images: dict[Folder, frozenset[str]] = {}
        self._rows_by_split: dict[SourceSplit, tuple[list[str], NDArray[np.int64]]] = {}
        self._folders = self._split_folders()
        self.splits = tuple(self._folders)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names of train, or else of all splits together."""
        if "train" in self.splits:
            by_class = self._class_folders("train")
            names = list(by_class) if self._saved_in(self._folders["train"]) else sorted(by_class)
        else:
            names = sorted(set().union(*(self._class_folders(split) for split in self.splits)))
        check_classes(tuple(names), self.where)
        return tuple(names)

    def labels(self, split: SourceSplit) -> NDArray[np.int64]:
        return self._rows(split)[1]

    def locate(self, split: SourceSplit, row: int) -> str:
        return self._contents.files.locate(self._rows(split)[0][row])

    def stream(
        self, split: SourceSplit, rows: Rows, reading: Reading
    ) -> Iterator[tuple[int, NDArray[np.uint8] | PictureError]]:
        names = [self._rows(split)[0][row] for row in rows]
        for i, data in self._contents.files.read(names):
            yield i, decode_or_refuse(data, reading)

    def mapped(self, split: SourceSplit, rows: Rows, reading: Reading) -> None:
        """None: no file holds them as they are wanted."""

    def stamps(self, split: SourceSplit, rows: Rows) -> Iterator[bytes]:
        return self._contents.files.stamps([self._rows(split)[0][row] for row in rows])

    def passed(self, splits: Sequence[SourceSplit]) -> Passed:
        """The files that were passed over in these splits and beside all splits."""
        result = Passed()
        others = [folder for split, folder in self._folders.items() if split not in splits]
        classes = [folder for split in splits for folder in self._class_folders(split).values()]
        inside = {folder for outer in classes for folder in outer.below()}
        for folder in _below(self._root, others):
            result.merge(folder.passed)
            if folder.images and folder not in inside:
                result.add("beside the class folders", folder.images[0], len(folder.images))
        return result

    def notes(self, splits: Sequence[SourceSplit]) -> tuple[str, ...]:
        """None: folders say what they are."""
        return ()

    def problems(self, split: SourceSplit) -> Iterator[str]:
        """Faults of the split's class folders that can be left out or left as they are."""
        classes = self._class_folders(split)
        for name, folder in self._set_folders(split).items():
            lacking = folder.all_others()
            foreign = sum(n for ending, n in lacking.items() if ending in FOREIGN or ending == NO_ENDING)
            path = shown(folder.path or name)
            if name not in classes:
                contents = f"no picture that can be read, but {_counted(lacking)}" if lacking else "no images"
                yield f"{self.where}: {path}/ lies among the class folders but has {contents}"
            elif foreign > (readable := sum(len(inner.images) for inner in folder.below())):
                yield (
                    f"{self.where}: {path}/ has {counted(readable, 'picture')} that can be read, and "
                    f"{_counted(lacking)} that can't"
                )

    def _split_folders(self) -> dict[SourceSplit, Folder]:
        """The folder of each split, in which its class folders lie."""
        root = self._root
        while not self._saved_in(root):
            if splits := split_folders(root, self.where):
                train = splits.get("train")
                train_classes = self._unwrap(train, ()).filled() if train else ()
                return {split: self._unwrap(folder, train_classes) for split, folder in splits.items()}
            inner = list(root.filled().values())
            if len(inner) != 1 or root.images or inner[0].images:
                break
            root = inner[0]
        return {"train": root}

    def _unwrap(self, folder: Folder, train_classes: Collection[str]) -> Folder:
        """Skip outer folders, since some archives repeat a split's name: seg_train/seg_train/<class>/..."""
        while not self._saved_in(folder) and not folder.images:
            inner = list(folder.filled().values())
            if len(inner) != 1 or inner[0].images or inner[0].name in train_classes:
                break
            folder = inner[0]
        return folder

    def _rows(self, split: SourceSplit) -> tuple[list[str], NDArray[np.int64]]:
        """The pictures of a split, by class and then by name, and their labels."""
        if split not in self._rows_by_split:
            by_class = self._class_folders(split)
            if unknown := sorted(set(by_class) - set(self.classes)):
                raise DataError(
                    f"{self.where}: {shown(by_class[unknown[0]].path)}/ is a class that train lacks; "
                    f"{split} must have folders of train's classes only"
                )
            names = [by_class[c].all_images() if c in by_class else [] for c in self.classes]
            labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(n) for n in names])
            self._rows_by_split[split] = [n for group in names for n in group], labels
        return self._rows_by_split[split]

    def _class_folders(self, split: SourceSplit) -> dict[str, Folder]:
        """The folders of classes by class name, after a look at what may be wrong with their order."""
        folder = self._folders[split]
        filled, saved = folder.filled(), self._saved_in(folder)
        if not filled or (all(is_split_name(name) for name in filled) and not saved):
            first = self._contents.files.locate(folder.all_images()[0])
            raise DataError(f"{first} lies in no class folder; each class needs its own")
        for inner in filled.values() if not saved else ():
            if inner_splits := split_folders(inner, self.where):
                path = shown(next(iter(inner_splits.values())).path)
                raise DataError(
                    f"{self.where}: {path}/ belongs to a set further down; name the folder it is in"
                )
            if names := splits_within(inner):
                raise DataError(
                    f"{self.where}: {shown(inner.path)}/ has {' and '.join(map(shown, names))} in it like a "
                    "class with splits; put the class folders into the splits instead"
                )
        folders = self._set_folders(split)
        without = self._saved_without_images(folder) if len(folders) > len(filled) else ()
        return {
            name: f
            for name, f in folders.items()
            if f.is_filled or (f.name in without and not f.all_others())
        }

    def _set_folders(self, split: SourceSplit) -> dict[str, Folder]:
        """The folders by class name, with or without pictures."""
        folder = self._folders[split]
        saved = self._saved_in(folder)
        if saved is None:
            return folder.folders
        if unknown := sorted(set(folder.filled()) - set(saved)):
            raise DataError(
                f"{self._contents.files.locate(str(folder.labels))} doesn't name the folder "
                f"{shown(unknown[0])}/; without that file, folders are classes by their own names"
            )
        return {name: folder.folders.get(path) or Folder(path, folder) for path, name in saved.items()}

    def _saved_in(self, folder: Folder) -> dict[str, str] | None:
        """Class names by folder, in order, if this folder has a labels.json of rudcodec; else None."""
        if folder.labels is None:
            return None
        if folder not in self._saved:
            self._saved[folder] = saved_classes(self._contents, folder.labels)
        return self._saved[folder]

    def _saved_without_images(self, folder: Folder) -> frozenset[str]:
        """The folders in this one that were empty when rudcodec saved them."""
        if folder.labels is None or self._saved_in(folder) is None:
            return frozenset()
        if folder not in self._without_images:
            self._without_images[folder] = folders_without_images(self._contents, folder.labels)
        return self._without_images[folder]


def _below(folder: Folder, without: Sequence[Folder]) -> Iterator[Folder]:
    yield folder
    for inner in folder.folders.values():
        if inner not in without:
            yield from _below(inner, without)


def _counted(endings: dict[str, int]) -> str:
    ranked = sorted(endings.items(), key=lambda item: -item[1])
    return ", ".join(f"{counted(n, 'file')} {e}" for e, n in ranked[:3])


def _no_images_error(root: Folder, files: Files) -> DataError:
    """The error that says what is in a source without pictures."""
    others = root.all_others()
    if others:
        return DataError(f"{files.where}: holds {_counted(others)}, no pictures; {remedy_for(others)}")
    passed = Passed()
    for folder in root.below():
        passed.merge(folder.passed)
    if passed.counts:
        return DataError(f"{files.where}: no images but what is passed over: {passed}")
    return DataError(f"{files.where}: no images")
