"""Page arithmetic."""

from __future__ import annotations

import pytest

from reconciler.market.pages import pages_of


@pytest.mark.parametrize(
    ("bars", "pages"), [(0, 1), (1, 1), (9_999, 1), (10_000, 1), (10_001, 2), (200_000, 20), (200_001, 21)]
)
def test_pages_of_a_number_of_bars(bars: int, pages: int) -> None:
    assert pages_of(bars) == pages
