"""A short, deterministic slice of the fuzzing in ``fuzz.py``."""

from __future__ import annotations

import fuzz
import pytest


@pytest.mark.parametrize(
    "numbers",
    [range(100), *(pytest.param(range(100 + k, 500 + k), marks=pytest.mark.slow) for k in (0, 400, 800))],
)
def test_hostile_files_end_well(numbers: range) -> None:
    """Images, or a RudError that names section and offset."""
    report = fuzz.Report()
    kinds = set()
    for number in numbers:
        case = fuzz.generated(report, 0, number, limited=False)
        kinds.add(case.name.split()[0])
        report.outcomes[case.run()] += 1
    assert {"raw", "resealed", "field", "labels", "ancillary", "merged"} <= kinds
    assert 0 < report.outcomes["decoded"] < 2 / 3 * len(numbers)
