"""A short, deterministic slice of the fuzzing in ``fuzz.py``."""

from __future__ import annotations

import fuzz
import pytest


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 4))])
def test_hostile_files_end_well(part: int) -> None:
    """Images, or a RudError that names section and offset."""
    report = fuzz.Report()
    kinds = set()
    for number in range(300 * part, 300 * part + 300):
        case = fuzz.generated(report, 0, number, limited=False)
        kinds.add(case.name.split()[0])
        report.outcomes[case.run()] += 1
    assert {"raw", "resealed", "field", "labels", "ancillary", "merged"} <= kinds
    assert 0 < report.outcomes["decoded"] < 200
