"""Items whose pictures are files, in one folder or archive or in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from numpy.typing import NDArray

from rudcodec.data.decode import decode_or_refuse
from rudcodec.data.files import Files
from rudcodec.data.items import Items, Picture
from rudcodec.data.reading import Reading
from rudcodec.data.splits import Rows


class Place(NamedTuple):
    """Where a file lies."""

    files: Files
    name: str

    def locate(self) -> str:
        """How messages call it."""
        return self.files.locate(self.name)


class FileItems(Items):
    """Items of pictures in files.

    Args:
        places: of the pictures; those of one archive come together.
        labels: one for each.
    """

    def __init__(self, places: Sequence[Place], labels: NDArray[Any]) -> None:
        super().__init__(labels)
        self._places = places

    def locate(self, index: int) -> str:
        return self._places[index].locate()

    def stream(self, indices: Rows, reading: Reading) -> Iterator[tuple[int, Picture]]:
        positions: dict[int, list[int]] = {}
        archives: dict[int, Files] = {}
        for position, index in enumerate(indices):
            files = self._places[index].files
            archives[id(files)] = files
            positions.setdefault(id(files), []).append(position)
        for key, files in archives.items():
            names = [self._places[indices[position]].name for position in positions[key]]
            for i, contents in files.read(names):
                yield positions[key][i], decode_or_refuse(contents, reading)

    def stamps(self, indices: Rows) -> Iterator[bytes]:
        places = (self._places[index] for index in indices)
        for _, together in groupby(places, lambda place: id(place.files)):
            group = list(together)
            yield from group[0].files.stamps([place.name for place in group])
