"""What a result depends on, as a name for it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def checksum_of(facts: Any) -> str:
    """SHA-256, in hexadecimal, of what JSON can say; the order of keys doesn't matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
