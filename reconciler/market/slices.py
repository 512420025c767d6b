"""Cutting missing time into slices, one run each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.jobs import Lane
from reconciler.market.calendar import Calendar, new_york_date
from reconciler.market.grid import OVERLAP_BUCKETS, count_buckets, first_market_bucket, split_window
from reconciler.market.pages import CHAIN_PAGES, LIVE_BARS, PAGE_LIMIT, pages_of
from reconciler.timeframes import Timeframe
from reconciler.windows import Window


@dataclass(frozen=True)
class Slice:
    """Time that one run fetches.

    ``expected_bars`` is the most that extended hours can hold, over all symbols and with the overlap of a
    live request; thin names bring fewer.
    """

    window: Window
    lane: Lane
    expected_bars: int

    @property
    def pages(self) -> int:
        """Requests expected, at least 1."""
        return pages_of(self.expected_bars)


def live_from(calendar: Calendar, wanted_end: datetime) -> datetime:
    """Start of the live part: New York midnight of the second last session begun before ``wanted_end``.

    Raises CalendarEndError when the calendar has no two sessions before it.
    """
    last = calendar.session_on_or_before(new_york_date(wanted_end - timedelta(microseconds=1)))
    return calendar.session_on_or_before(last.day - timedelta(days=1)).midnight


def cut_gap(
    calendar: Calendar, timeframe: Timeframe, gap: Window, symbol_count: int, live_from: datetime
) -> list[Slice]:
    """Slices that partition ``gap``, oldest first, for a request of ``symbol_count`` (at least 1) symbols.

    Empty when the gap holds no market bucket; otherwise each slice holds at least one. One lane for the
    whole gap: live when its first market bucket starts at or after ``live_from``, catch-up when it fits one
    page, else backfill. Live slices expect at most ``LIVE_BARS`` with their overlap and backfill slices at
    most ``CHAIN_PAGES`` pages, unless one bucket alone is more. A cut lies at the end of the last market
    bucket that fits, so closed time belongs to the slice after it, and at the gap's end to the last.
    """
    first = first_market_bucket(calendar, timeframe, gap)
    if first is None:
        return []
    fits_page = symbol_count * count_buckets(calendar, timeframe, gap) <= PAGE_LIMIT
    lane = Lane.LIVE if first >= live_from else Lane.CATCH_UP if fits_page else Lane.BACKFILL
    overlap = OVERLAP_BUCKETS if lane is Lane.LIVE else 0
    pieces = split_window(calendar, timeframe, gap, _buckets_per_slice(lane, symbol_count))
    return [
        Slice(piece, lane, symbol_count * (count_buckets(calendar, timeframe, piece) + overlap)) for piece in pieces
    ]


def _buckets_per_slice(lane: Lane, symbol_count: int) -> int:
    if lane is Lane.LIVE:
        return max(1, LIVE_BARS // symbol_count - OVERLAP_BUCKETS)
    pages = CHAIN_PAGES if lane is Lane.BACKFILL else 1
    return max(1, pages * PAGE_LIMIT // symbol_count)
