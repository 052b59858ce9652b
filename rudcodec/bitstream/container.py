"""Primitive fields, and sections with checksums.

``Writer`` and ``Reader`` share one set of methods that check, code and return a value, so that one
description of a structure serves both directions and both apply the same limits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rudcodec.bitstream.files import LARGEST_FILE, Source
from rudcodec.errors import FormatError

MAGIC = b"RUD"
VERSION = 2
HEAD, MODEL, LABELS, SEGMENT = 1, 2, 3, 4
ANCILLARY = 128  # the first of the tags that a decoder may skip
RECIPE, VIEWS, METADATA = 128, 129, 130
LONGEST_FRAME = 6  # bytes of tag and length


@dataclass(frozen=True)
class Place:
    """A section, and the offset in the file where its contents were read; -1 when they are being written."""

    section: str
    offset: int = -1

    def error(self, reason: str) -> FormatError:
        return FormatError(self.section, self.offset, reason)


def has_controls(text: str) -> bool:
    """Whether there are characters in it that a terminal takes for commands."""
    return any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)


class Fields(Protocol):
    """The fields of a structure: each method checks the limits, codes the value and returns it."""

    def number(self, name: str, value: int, low: int, high: int) -> int: ...
    def byte(self, name: str, value: int, low: int, high: int) -> int: ...
    def added_byte(self, name: str, value: int) -> int: ...
    def text(self, name: str, value: str, longest: int, shortest: int = 1) -> str: ...
    def fail(self, reason: str) -> FormatError: ...


class Writer:
    """Appends fields to ``data``; a value out of its limits raises FormatError."""

    def __init__(self, section: str) -> None:
        self.section = section
        self.data = bytearray()

    def fail(self, reason: str) -> FormatError:
        return FormatError(self.section, -1, reason)

    def number(self, name: str, value: int, low: int, high: int) -> int:
        self._check(name, value, low, high)
        remaining = int(value)
        while remaining > 127:
            self.data.append(remaining & 127 | 128)
            remaining >>= 7
        self.data.append(remaining)
        return int(value)

    def byte(self, name: str, value: int, low: int, high: int) -> int:
        self._check(name, value, low, high)
        self.data.append(int(value))
        return int(value)

    def added_byte(self, name: str, value: int) -> int:
        """A field that a body may end in front of, whose value is zero then."""
        return self.byte(name, value, 0, 255) if value else 0

    def text(self, name: str, value: str, longest: int, shortest: int = 1) -> str:
        try:
            raw = value.encode("utf-8")
        except UnicodeEncodeError:
            raise self.fail(f"{name} is not valid Unicode") from None
        if has_controls(value):
            raise self.fail(f"{name} has control characters")
        self.number(f"length of {name}", len(raw), shortest, longest)
        self.data += raw
        return value

    def _check(self, name: str, value: int, low: int, high: int) -> None:
        if isinstance(value, bool) or int(value) != value or not low <= value <= high:
            raise self.fail(f"{name} is {value}, must be {low}..{high}")


class Reader:
    """Takes fields from ``data[start:end]``; errors name the section and where the field begins."""

    def __init__(self, data: Source, section: str, start: int, end: int) -> None:
        self.section = section
        self.position = start
        self.end = end
        self._data = data[start:end]
        self._start = start
        self._field = start

    def fail(self, reason: str) -> FormatError:
        return FormatError(self.section, self._field, reason)

    def number(self, name: str, value: int, low: int, high: int) -> int:
        self._field = self.position
        result = shift = 0
        while True:
            if shift > 28:
                raise self.fail(f"{name} takes more than 5 bytes")
            byte = self._take(name, 1)[0]
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if byte == 0 and shift > 7:
            raise self.fail(f"{name} is coded with more bytes than needed")
        return self._check(name, result, low, high)

    def byte(self, name: str, value: int, low: int, high: int) -> int:
        self._field = self.position
        return self._check(name, self._take(name, 1)[0], low, high)

    def added_byte(self, name: str, value: int) -> int:
        return 0 if self.position == self.end else self.byte(name, value, 0, 255)

    def text(self, name: str, value: str, longest: int, shortest: int = 1) -> str:
        start = self.position
        length = self.number(f"length of {name}", 0, shortest, longest)
        self._field = start
        try:
            text = self._take(name, length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail(f"{name} is not UTF-8") from None
        if has_controls(text):
            raise self.fail(f"{name} has control characters")
        return text

    def finish(self) -> None:
        """Raise FormatError if bytes are left."""
        if self.position != self.end:
            self._field = self.position
            raise self.fail(f"{self.end - self.position} bytes too many")

    def _take(self, name: str, count: int) -> bytes:
        if self.end - self.position < count:
            raise self.fail(f"ends inside {name}")
        first = self.position - self._start
        self.position += count
        return self._data[first : first + count]

    def _check(self, name: str, value: int, low: int, high: int) -> int:
        if not low <= value <= high:
            raise self.fail(f"{name} is {value}, must be {low}..{high}")
        return value


@dataclass(frozen=True)
class Section:
    """Where a section lies: tag at ``offset``, body at ``start:end``, checksum at ``end:end + 4``."""

    tag: int
    offset: int
    start: int
    end: int


def pack(tag: int, body: bytes) -> bytes:
    """Tag, length, body, CRC-32 of these three."""
    framed = Writer("container")
    framed.byte("tag", tag, 1, 255)
    framed.number("length", len(body), 0, LARGEST_FILE)
    framed.data += body
    return bytes(framed.data) + zlib.crc32(framed.data).to_bytes(4, "little")


def pack_fields(tag: int, name: str, code: Callable[[Writer], object], stream: bytes = b"") -> bytes:
    """A section of fields, as ``code`` writes them, and a stream behind them; ``name``: in errors."""
    writer = Writer(name)
    code(writer)
    return pack(tag, bytes(writer.data) + stream)


def copied(data: Source, section: Section) -> bytes:
    """The bytes of a section, tag, length and checksum included."""
    return data[section.offset : section.end + 4]


def start(data: Source) -> int:
    """Check magic and version; returns the offset of the first section."""
    opening = data[:4]
    if not opening:
        raise FormatError("file", 0, "is empty")
    if opening[:3] != MAGIC:
        raise FormatError("file", 0, "does not begin with 'RUD', not a .rud file")
    if len(opening) < 4:
        raise FormatError("file", 3, "ends before the version byte")
    if opening[3] != VERSION:
        advice = "encode the set anew" if opening[3] < VERSION else "a newer rudcodec may read it"
        raise FormatError("file", 3, f"format version {opening[3]}, not {VERSION}: {advice}")
    if len(data) > LARGEST_FILE:
        raise FormatError("file", 0, f"has {len(data)} bytes, at most {LARGEST_FILE} are allowed")
    return 4


def tag_at(data: Source, offset: int, name: str) -> int:
    """The tag of the section at ``offset``, ``name`` in errors."""
    tag = data[offset : offset + 1]
    if not tag:
        raise FormatError(name, offset, "missing, the file ends here")
    return tag[0]


def frame(data: Source, offset: int, name: str) -> Section:
    """Find the section at ``offset``, ``name`` in errors: it lies within the file."""
    tag_at(data, offset, name)
    reader = Reader(data, name, offset, min(offset + LONGEST_FRAME, len(data)))
    tag = reader.byte("tag", 0, 0, 255)
    length = reader.number("length", 0, 0, LARGEST_FILE)
    first = reader.position
    if length + 4 > len(data) - first:
        left = len(data) - first
        raise FormatError(
            name, offset, f"cut short: {length + 4:,} bytes belong here, the file ends after {left:,}"
        )
    return Section(tag, offset, first, first + length)


def check(data: Source, section: Section, name: str) -> None:
    """Compare a section with its checksum."""
    stored = int.from_bytes(data[section.end : section.end + 4], "little")
    if zlib.crc32(data[section.offset : section.end]) != stored:
        raise FormatError(name, section.offset, "checksum does not match, the file is damaged")
