"""Finding the intact segments of a damaged file."""

from __future__ import annotations

from rudcodec.bitstream.container import ANCILLARY, LABELS, MODEL, SEGMENT, Section, check, frame
from rudcodec.bitstream.layout import Outline, add_segment, next_section, read_head
from rudcodec.errors import FormatError

_TAG = bytes([SEGMENT])
_EFFORT = 64  # bytes looked at in a search, for each byte of the file
_CANDIDATE = 1024  # what a candidate costs besides its length, in such bytes


def recover(data: bytes, strict: bool = False) -> tuple[Outline, dict[int, FormatError]]:
    """The outline of a damaged file with the segments that look intact, and why the others are lost.

    A damaged segment's length is believed if a section or the end of the file follows it. Behind one whose
    length isn't, intact segments are searched for byte by byte; they are taken for the last ones if they
    reach the end of the file, else for the next ones. With ``strict``, segments that ask for more than is
    allowed to strangers are lost, too. Raises FormatError when head, models or labels are damaged.
    """
    outline = read_head(data, strict)
    offset = outline.head_section.end + 4
    while data[offset : offset + 1] != _TAG or not outline.models:
        if offset >= len(data):
            break
        try:
            offset = next_section(data, outline, offset, 0).end + 4
        except FormatError:
            if not outline.models or data[offset] in (MODEL, LABELS):
                raise
            break  # a segment whose tag is damaged, or something that isn't needed
    if not outline.models:
        raise FormatError("model 0", offset, "missing, the file ends here")
    located = _locate(data, offset, outline.head.num_segments)
    errors: dict[int, FormatError] = {}
    for number, location in enumerate(located):
        if isinstance(location, FormatError):
            errors[number] = location
            continue
        try:
            add_segment(data, outline, location, number)
        except FormatError as error:
            errors[number] = error
    return outline, errors


def _locate(data: bytes, offset: int, count: int) -> list[Section | FormatError]:
    """For each of ``count`` segments from ``offset`` on: where it lies intact, or why it is lost."""
    results: list[Section | FormatError] = []
    while len(results) < count:
        name = f"segment {len(results)}"
        try:
            section = frame(data, offset, name)
            end = section.end + 4
            if section.tag >= ANCILLARY and _is_intact(data, section):
                offset = end
                continue
            if section.tag != SEGMENT:
                raise FormatError(name, offset, f"expected a section with tag {SEGMENT}, found {section.tag}")
        except FormatError as error:
            results.append(error)
            break
        try:
            check(data, section, name)
            results.append(section)
        except FormatError as error:
            results.append(error)
            if data[end : end + 1] not in (b"", _TAG):
                break
        offset = end
    found = _search(data, offset + 1)
    missing = count - len(results)
    if len(found) > missing and results and isinstance(results[-1], FormatError):
        results.pop()  # what was damaged was no segment
        missing += 1
    recovered = found[-missing:] if missing else []
    num_lost = missing - len(recovered)
    first = len(results) if recovered and recovered[-1].end + 4 == len(data) else count - num_lost
    errors = [
        FormatError(f"segment {i}", len(data), "missing, no intact section is left for it")
        for i in range(first, first + num_lost)
    ]
    return [*results, *errors, *recovered] if first == len(results) else [*results, *recovered, *errors]


def _is_intact(data: bytes, section: Section) -> bool:
    try:
        check(data, section, "section")
    except FormatError:
        return False
    return True


def _search(data: bytes, offset: int) -> list[Section]:
    """Intact segments anywhere from ``offset`` on."""
    sections = []
    effort = _EFFORT * len(data)
    position = data.find(_TAG, offset)
    while position >= 0 and effort > 0:
        effort -= _CANDIDATE
        end = position + 1
        try:
            section = frame(data, position, "segment")
            effort -= section.end - section.start
            if _is_intact(data, section):
                sections.append(section)
                end = section.end + 4
        except FormatError:
            pass
        position = data.find(_TAG, end)
    return sections
