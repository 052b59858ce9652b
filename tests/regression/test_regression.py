"""Size and accuracy of a few small encodes are as in results.tsv; ``make regression`` writes it anew."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from measure import CASES, Case, measure, recorded

POINTS = 4.0
"""Other machines round otherwise, to other files: accuracies differ by so many points at most."""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_is_as_good_as_it_was(case: Case) -> None:
    expected, found = recorded()[case.name], measure(case)
    assert found.accuracy == pytest.approx(expected.accuracy, abs=POINTS)
    assert found.images == expected.images
    if "bpc" in case.settings:
        budget = 10 * case.settings["bpc"] / 8  # of ten digits
        assert 0.97 * budget <= found.size <= budget
    else:
        assert found.size == pytest.approx(expected.size, rel=0.06)
