"""What runs learn of a real set alone, kept for other runs on the same set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rudcodec.checksums import checksum_of
from rudcodec.errors import DataError
from rudcodec.runs.checkpoints import CheckpointFolder, State
from rudcodec.runs.journal import Journal


class Learnt:
    """Results that depend on nothing but the set and a few facts: each is learnt by the first run that wants
    it.

    Args:
        folder: where they are kept, entered; None: nothing is kept. Of several processes only the first one
            has a folder; it gives the others what it finds there.
        facts: what all of them depend on, such as the set's digest; JSON.

    Raises:
        DataError: what is kept can't be read, or is a run's checkpoint.
    """

    def __init__(
        self, folder: CheckpointFolder | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        self._folder = folder
        self._facts = dict(facts or {})
        self._kept: dict[str, State] = (folder.load() if folder is not None else None) or {}
        if folder is not None and "fingerprint" in self._kept:
            raise DataError(f"{folder.path}: holds an unfinished run, not what runs have learnt")

    def once(self, facts: Mapping[str, Any], journal: Journal, learn: Callable[[], State]) -> State:
        """What ``learn`` returns, or has returned to an earlier run.

        The seconds that it took count as the run's own, so that a run is as long as it is on its own.

        Args:
            facts: what this result depends on besides, its kind first of all; JSON.
            journal: of the run, in whose stage under way there is nothing else.
            learn: all processes call it, and come to the same end; it must not use the run's generators.

        Raises:
            DataError: the result can't be kept.
        """
        key = checksum_of([self._facts, facts])
        found = journal.ranks.broadcast(self._kept.get(key))
        if found is not None:
            result, seconds = found
            journal.add_seconds(seconds)
            return result
        result = learn()
        if self._folder is not None:
            self._kept[key] = [result, journal.stage_seconds]
            self._folder.save(self._kept)
        return result
