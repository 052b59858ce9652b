"""Finding what is intact in a damaged file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from rudcodec.bitstream.container import ANCILLARY, LABELS, MODEL, SEGMENT, Section, check, frame
from rudcodec.bitstream.layout import Outline, add_segment, next_section, read_head
from rudcodec.errors import FormatError

_TAG = bytes([SEGMENT])
_SCALE = 4  # bytes of a LABELS section that soft labels need; a longer one has a label network
_EFFORT = 64  # bytes looked at in a search, for each byte of the file
_CANDIDATE = 1024  # what a candidate costs besides its length, in such bytes


@dataclass
class Recovered:
    """What is found of a damaged file.

    Attributes:
        outline: with the segments that look intact.
        lost: why other segments are lost, by number.
        others: what is wrong with sections that are no segments: those are left out.
        lost_network: whether the label network is one of these, so that images have their classes for labels.
    """

    outline: Outline
    lost: dict[int, FormatError] = field(default_factory=dict)
    others: list[FormatError] = field(default_factory=list)
    lost_network: bool = False


def recover(data: bytes, strict: bool = False) -> Recovered:
    """Find what is intact in a damaged file.

    A damaged segment's length is believed if a segment or the end of the file follows it. Behind one whose
    length isn't, intact segments are searched for byte by byte; they are taken for the last ones if they
    reach the end of the file, else for the next ones. With ``strict``, segments that ask for more than is
    allowed to strangers are lost, too. A damaged label network is left out. Raises FormatError when head,
    models or the scale of soft labels are damaged.
    """
    found = Recovered(read_head(data, strict))
    outline = found.outline
    located = _locate(data, _read_front(data, found), outline.head.num_segments, found.others)
    for number, location in enumerate(located):
        if isinstance(location, FormatError):
            found.lost[number] = location
            continue
        try:
            add_segment(data, outline, location, number)
        except FormatError as error:
            found.lost[number] = error
    return found


def _read_front(data: bytes, found: Recovered) -> int:
    """Read what is in front of the segments into the outline; where they begin. Raises FormatError."""
    outline = found.outline
    offset = outline.head_section.end + 4
    while (data[offset : offset + 1] != _TAG or not outline.models) and offset < len(data):
        try:
            offset = next_section(data, outline, offset, 0).end + 4
        except FormatError as error:
            if data[offset] == LABELS and outline.models and _holds_network(data, offset):
                found.lost_network = True
                reason = f"{error.reason}; the label network is lost"
                found.others.append(FormatError(error.section, error.offset, reason))
                return _behind_network(data, offset)
            if data[offset] in (MODEL, LABELS):
                raise
            following = _behind_damage(data, offset, bool(outline.models))
            if following is None and outline.models:  # a segment whose tag is damaged, or nothing needed
                return offset
            if following is None:
                raise
            found.others.append(error)
            offset = following
    if not outline.models:
        raise FormatError("model 0", offset, "missing, the file ends here")
    return offset


def _holds_network(data: bytes, offset: int) -> bool:
    """Whether a damaged section of labels says that it is as long as only one with a label network is."""
    try:
        section = frame(data, offset, "labels")
    except FormatError:
        return False
    return section.end - section.start > _SCALE


def _behind_network(data: bytes, offset: int) -> int:
    """Where segments begin behind a damaged label network: where an intact section follows it, or else at the
    next intact segment."""
    if (following := _following(data, offset)) is not None:
        return following.offset
    end = frame(data, offset, "labels").end + 4
    return min((section.offset for section in _search(data, offset + 1, SEGMENT)[:1]), default=end)


def _behind_damage(data: bytes, offset: int, has_models: bool) -> int | None:
    """Where reading goes on behind a damaged section in front of the segments, which isn't needed.

    Its length is believed if an intact section follows it; else the next model or labels section is searched
    for. Behind models, what isn't followed by either may be a segment: None.
    """
    tags = (MODEL, LABELS) if has_models else (MODEL,)
    following = _following(data, offset)
    if following and (following.tag in tags or (following.tag >= ANCILLARY and not has_models)):
        return following.offset
    return min((one.offset for tag in tags for one in _search(data, offset + 1, tag)[:1]), default=None)


def _following(data: bytes, offset: int) -> Section | None:
    """The intact section right behind a damaged one, whose length can then be believed; None without one."""
    with suppress(FormatError):
        section = frame(data, frame(data, offset, "section").end + 4, "section")
        if _is_intact(data, section):
            return section
    return None


def _locate(data: bytes, offset: int, count: int, others: list[FormatError]) -> list[Section | FormatError]:
    """For each of ``count`` segments from ``offset`` on: where it lies intact, or why it is lost. To
    ``others`` it adds what is damaged and no segment."""
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
    found = _search(data, offset + 1, SEGMENT)
    missing = count - len(results)
    if len(found) > missing and results and isinstance(last := results[-1], FormatError):
        results.pop()
        others.append(FormatError("section", last.offset, f"damaged, and no segment: {last.reason}"))
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


def _search(data: bytes, offset: int, tag: int) -> list[Section]:
    """Intact sections with a tag anywhere from ``offset`` on."""
    sections = []
    effort = _EFFORT * len(data)
    position = data.find(tag, offset)
    while position >= 0 and effort > 0:
        effort -= _CANDIDATE
        end = position + 1
        try:
            section = frame(data, position, "section")
            effort -= section.end - section.start
            if _is_intact(data, section):
                sections.append(section)
                end = section.end + 4
        except FormatError:
            pass
        position = data.find(tag, end)
    return sections
