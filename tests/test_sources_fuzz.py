"""A short, deterministic slice of the fuzzing in ``fuzz_sources.py``."""

from __future__ import annotations

import fuzz
import fuzz_sources
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.mark.filterwarnings("ignore:.*it may have been cut short")
@pytest.mark.parametrize("part", range(4))
def test_hostile_sources_end_well(part: int) -> None:
    """Images that fit together, or a RudError of one printable line."""
    report = fuzz.Report()
    for number in range(300 * part, 300 * part + 300):
        report.outcomes[fuzz_sources.Case(report, 0, number, limited=False).run()] += 1
    assert 30 < report.outcomes["decoded"] < 200
