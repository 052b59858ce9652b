"""Seeds of networks that an encode trains: none of them begins as a student does that judges the file."""

from __future__ import annotations

import hashlib


def seed_of(purpose: str, number: int) -> int:
    """A seed in 0..2**62 - 1 for one of several networks of a purpose; students' seeds are 0, 1, ..."""
    digest = hashlib.sha256(f"{purpose} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 2
