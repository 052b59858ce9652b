"""What a long job has finished, kept in a file, so that it goes on where it was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rudcodec.errors import DataError
from rudcodec.files import one_at_a_time, write_bytes

Key = Mapping[str, Any]
"""What a result depends on; JSON."""


class Ledger:
    """Results by what they depend on, a JSON line each: ``{"key": ..., "result": ...}``.

    The file is complete after each :meth:`add`, whatever ends the process. Nothing is ever taken out of it;
    who wants to measure anew removes it.

    Raises:
        DataError: the file can't be read, or isn't such a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._results = self._read()

    def get(self, key: Key) -> Any:
        """The result for a key, as JSON has it; None where there is none."""
        return self._results.get(_text(key))

    def add(self, key: Key, result: Any) -> None:
        """Keep a result, which is JSON and not None. Raises DataError where it can't be written."""
        with one_at_a_time(self.path.parent):
            # what another process has added in the meantime stays, and what is known if the file is gone
            self._results = self._results | self._read() | {_text(key): result}
            lines = [f'{{"key": {key}, "result": {json.dumps(one)}}}\n' for key, one in self._results.items()]
            write_bytes("".join(lines).encode(), self.path)

    def _read(self) -> dict[str, Any]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: can't be read ({error})") from None
        results = {}
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                results[_text(record["key"])] = record["result"]
            except (ValueError, TypeError, KeyError):
                raise DataError(
                    f"{self.path}: line {number} is not a result of an earlier run; remove the file to "
                    "measure anew"
                ) from None
        return results


def _text(key: Key) -> str:
    return json.dumps(key, sort_keys=True)
