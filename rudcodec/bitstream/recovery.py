"""Finding the intact segments of a damaged file."""

from __future__ import annotations

from rudcodec.bitstream.container import SEGMENT, Section, check, frame
from rudcodec.errors import FormatError

_TAG = bytes([SEGMENT])
_EFFORT = 64  # bytes looked at in a search, for each byte of the file
_CANDIDATE = 1024  # what a candidate costs besides its length, in such bytes


def locate(data: bytes, offset: int, count: int) -> list[Section | FormatError]:
    """For each of ``count`` segments from ``offset`` on: where it lies intact, or why it is lost.

    A damaged segment's length is believed if a segment or the end of the file follows it. Behind one whose
    length isn't, intact segments are searched for byte by byte; they are taken for the last ones if they
    reach the end of the file, else for the next ones.
    """
    results: list[Section | FormatError] = []
    while len(results) < count:
        name = f"segment {len(results)}"
        try:
            section = frame(data, offset, SEGMENT, name)
        except FormatError as error:
            results.append(error)
            break
        end = section.end + 4
        try:
            check(data, section, name)
            results.append(section)
        except FormatError as error:
            results.append(error)
            if data[end : end + 1] not in (b"", _TAG):
                break
        offset = end
    missing = count - len(results)
    recovered = _search(data, offset + 1)[-missing:] if missing else []
    num_lost = missing - len(recovered)
    first = len(results) if recovered and recovered[-1].end + 4 == len(data) else count - num_lost
    errors = [
        FormatError(f"segment {i}", len(data), "missing, no intact section is left for it")
        for i in range(first, first + num_lost)
    ]
    return [*results, *errors, *recovered] if first == len(results) else [*results, *recovered, *errors]


def _search(data: bytes, offset: int) -> list[Section]:
    """Intact segments anywhere from ``offset`` on."""
    sections = []
    effort = _EFFORT * len(data)
    position = data.find(_TAG, offset)
    while position >= 0 and effort > 0:
        effort -= _CANDIDATE
        end = position + 1
        try:
            section = frame(data, position, SEGMENT, "segment")
            effort -= section.end - section.start
            check(data, section, "segment")
            sections.append(section)
            end = section.end + 4
        except FormatError:
            pass
        position = data.find(_TAG, end)
    return sections
