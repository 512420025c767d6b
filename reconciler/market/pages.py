"""How many HTTP answers a number of bars takes."""

from __future__ import annotations

from math import ceil

PAGE_LIMIT = 10_000
"""Bars on one page, over all symbols: the provider's greatest ``limit``."""

LIVE_BARS = 9_999
"""Bars of a live slice. One below the limit: the answer is then never a full page that promises another."""

CHAIN_PAGES = 20
"""Pages a backfill slice may take: what a lost token chain costs at most."""


def pages_of(bars: int) -> int:
    """Requests that fetch ``bars`` bars; at least 1, since an empty answer is a request too."""
    return max(1, ceil(bars / PAGE_LIMIT))
