"""One family of errors: what a user can cause ends in a :class:`RudError` whose text is one clear line."""

from __future__ import annotations

from rudcodec.text import escaped


class RudError(Exception):
    """Base of all errors a user can cause; ``str(error)`` is one line that says what is wrong and where.

    What can't be printed in it, which only names out of files bring, is escaped.
    """

    def __init__(self, text: str) -> None:
        super().__init__(escaped(text))


class DataError(RudError):
    """An input set or an input/output path can't be used."""


class BudgetError(RudError):
    """The requested size can't be met."""


class SettingError(RudError):
    """An option has a value that makes no sense."""


class MissingPackageError(RudError, ImportError):
    """Something needs a package that isn't installed; the message says what installs it."""


class FormatError(RudError):
    """The contents of a ``.rud`` file are malformed, or a payload can't be expressed in the format.

    Attributes:
        section: the part of the file, such as ``"head"`` or ``"segment 2"``.
        offset: byte offset in the file at which the problem was noticed; -1 when nothing was read (a payload
            that can't be written).
        reason: what was expected and what was found.
    """

    def __init__(self, section: str, offset: int, reason: str) -> None:
        self.section = section
        self.offset = offset
        self.reason = reason
        where = f"{section}, byte {offset}" if offset >= 0 else section
        super().__init__(f"{where}: {reason}")

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, int, str]]:
        return type(self), (self.section, self.offset, self.reason)
