"""A file that a report is about."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from rudcodec.bitstream import Description, describe, extract
from rudcodec.loading import load
from rudcodec.synthetic import SyntheticSet
from rudcodec.text import escaped


@dataclass(frozen=True, eq=False)
class JudgedFile:
    """A ``.rud`` file: what the report calls it, its bytes, and the set that they decode to."""

    name: str
    contents: bytes
    data: SyntheticSet

    @classmethod
    def decode(cls, name: str, contents: bytes) -> JudgedFile:
        """A file of these contents. Raises FormatError."""
        return cls(escaped(name), contents, load(contents))

    @cached_property
    def sha256(self) -> str:
        """The digest of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.contents).hexdigest()

    @cached_property
    def description(self) -> Description:
        """What its bytes are."""
        return describe(self.contents)

    @property
    def label_mode(self) -> str:
        """``hard``, ``soft`` or ``network``."""
        return self.description.outline.label_mode

    @cached_property
    def size_without_labels(self) -> int:
        """Bytes of a file of the same images with hard labels."""
        return len(self.contents if self.label_mode == "hard" else extract(self.contents, hard=True))

    @cached_property
    def section_sizes(self) -> dict[str, int]:
        """Bytes of each kind of section, in the order of the file; they sum to its size."""
        sizes: dict[str, int] = {}
        for row in self.description.rows:
            kind = _KINDS.get(row.section.split(" ")[0], row.section)
            sizes[kind] = sizes.get(kind, 0) + row.bytes
        return sizes


_KINDS = {"file": "head", "model": "networks", "segment": "images"}
