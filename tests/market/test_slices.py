"""Slices: known gaps, and laws that hold for any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CalendarEndError
from reconciler.jobs import Lane
from reconciler.market.calendar import load_calendar, new_york_midnight
from reconciler.market.grid import count_buckets, market_buckets
from reconciler.market.pages import CHAIN_PAGES, LIVE_BARS, PAGE_LIMIT
from reconciler.market.slices import Slice, cut_gap, live_from
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

CALENDAR = load_calendar()
FIRST, LAST = datetime(2000, 1, 10, tzinfo=UTC), datetime(2028, 12, 20, tzinfo=UTC)
NEVER = LAST + timedelta(days=3_650)
M15, H1, H4, D1 = Timeframe

timeframes = st.sampled_from(Timeframe)
symbol_counts = st.integers(1, 500)


@st.composite
def gaps(draw: st.DrawFn) -> Window:
    """Up to 800 days, on the grid of quarters or off it."""
    start = draw(st.datetimes(FIRST.replace(tzinfo=None), datetime(2026, 6, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    length = draw(st.timedeltas(timedelta(minutes=1), timedelta(days=800)))
    step = draw(st.sampled_from([timedelta(microseconds=1), timedelta(minutes=15), timedelta(hours=4)]))
    start = FIRST + (start - FIRST) // step * step
    return Window(start, start + max(step, length // step * step))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(first: str, last: str) -> Window:
    """From New York midnight of one day to that of another."""
    return Window(new_york_midnight(date.fromisoformat(first)), new_york_midnight(date.fromisoformat(last)))


@pytest.mark.parametrize(
    "gap",
    [span("2024-07-06", "2024-07-08"), span("2024-07-04", "2024-07-05")],
    ids=["weekend", "holiday"],
)
@pytest.mark.parametrize("timeframe", Timeframe)
def test_gap_without_market_time_needs_no_slice(timeframe: Timeframe, gap: Window) -> None:
    assert cut_gap(CALENDAR, timeframe, gap, 50, gap.start) == []


@pytest.mark.parametrize(
    ("symbol_count", "lane"),
    [(156, Lane.CATCH_UP), (157, Lane.BACKFILL)],
    ids=["156 x 64 = 9,984", "157 x 64 = 10,048"],
)
def test_one_summer_day_of_quarters_is_catch_up_while_it_fits_a_page(symbol_count: int, lane: Lane) -> None:
    gap = span("2024-07-01", "2024-07-02")
    assert cut_gap(CALENDAR, M15, gap, symbol_count, NEVER) == [Slice(gap, lane, symbol_count * 64)]


def test_gap_of_exactly_one_page_is_catch_up() -> None:
    gap = span("2024-06-03", "2024-07-02")
    assert cut_gap(CALENDAR, D1, gap, 500, NEVER) == [Slice(gap, Lane.CATCH_UP, 10_000)]


def test_slice_knows_its_pages() -> None:
    (piece,) = cut_gap(CALENDAR, M15, span("2024-07-01", "2024-07-02"), 500, NEVER)
    assert (piece.lane, piece.expected_bars, piece.pages) == (Lane.BACKFILL, 32_000, 4)


def test_live_slice_counts_its_overlap() -> None:
    gap = Window(utc("2024-07-01T13:30"), utc("2024-07-01T13:45"))
    assert cut_gap(CALENDAR, M15, gap, 50, utc("2024-06-28T04:00")) == [Slice(gap, Lane.LIVE, 150)]


def test_live_gap_of_many_symbols_is_cut_below_a_full_page() -> None:
    gap = span("2024-07-01", "2024-07-02")
    pieces = cut_gap(CALENDAR, M15, gap, 500, gap.start)
    assert [piece.expected_bars for piece in pieces] == [500 * 19] * 3 + [500 * 15]
    assert pieces[0].window == Window(gap.start, utc("2024-07-01T12:15"))


def test_gap_is_live_by_its_first_market_bucket_though_it_starts_in_closed_time() -> None:
    gap = Window(utc("2024-06-29T00:00"), utc("2024-07-01T08:15"))
    (piece,) = cut_gap(CALENDAR, M15, gap, 50, utc("2024-07-01T04:00"))
    assert piece.lane is Lane.LIVE


def test_older_gap_is_not_live_though_it_ends_now() -> None:
    gap = span("2024-06-28", "2024-07-02")
    (piece,) = cut_gap(CALENDAR, M15, gap, 1, utc("2024-07-01T04:00"))
    assert piece.lane is Lane.CATCH_UP


def test_backfill_is_cut_after_the_last_bucket_that_fits_a_chain() -> None:
    pieces = cut_gap(CALENDAR, M15, span("2023-01-03", "2023-06-01"), 50, NEVER)
    assert [piece.expected_bars for piece in pieces] == [200_000, 129_600]
    assert [piece.pages for piece in pieces] == [20, 13]
    # 62 sessions of 64 buckets, then 32 of the next: half of 3 April.
    assert pieces[0].window.end == utc("2023-04-03T16:00")


def test_cut_at_a_closing_leaves_closed_time_to_the_next_slice() -> None:
    pieces = cut_gap(CALENDAR, M15, span("2024-07-03", "2024-07-08"), 3_846, NEVER)
    assert [piece.expected_bars for piece in pieces] == [3_846 * 52, 3_846 * 52, 3_846 * 12]
    assert pieces[0].window.end == utc("2024-07-03T21:00")
    assert pieces[-1].window.end == utc("2024-07-08T04:00")


def test_newcomer_in_two_years_of_quarters_costs_few_requests() -> None:
    pieces = cut_gap(CALENDAR, M15, span("2022-01-03", "2024-01-03"), 1, NEVER)
    assert sum(piece.pages for piece in pieces) == 4


@given(timeframes, gaps(), symbol_counts, st.booleans())
def test_slices_partition_the_gap(timeframe: Timeframe, gap: Window, symbol_count: int, live: bool) -> None:
    pieces = cut_gap(CALENDAR, timeframe, gap, symbol_count, gap.start if live else NEVER)
    total = count_buckets(CALENDAR, timeframe, gap)
    if not total:
        assert pieces == []
        return
    assert (pieces[0].window.start, pieces[-1].window.end) == (gap.start, gap.end)
    assert all(one.window.end == two.window.start for one, two in pairwise(pieces))
    counts = [count_buckets(CALENDAR, timeframe, piece.window) for piece in pieces]
    assert min(counts) >= 1
    assert sum(counts) == total


@given(timeframes, gaps(), symbol_counts)
def test_live_slices_fit_one_page(timeframe: Timeframe, gap: Window, symbol_count: int) -> None:
    for piece in cut_gap(CALENDAR, timeframe, gap, symbol_count, gap.start):
        overlapped = count_buckets(CALENDAR, timeframe, piece.window) + 2
        assert (piece.lane, piece.pages) == (Lane.LIVE, 1)
        assert piece.expected_bars == symbol_count * overlapped <= LIVE_BARS


@given(timeframes, gaps(), symbol_counts)
def test_older_slices_fit_a_page_or_a_chain(timeframe: Timeframe, gap: Window, symbol_count: int) -> None:
    pieces = cut_gap(CALENDAR, timeframe, gap, symbol_count, NEVER)
    total = symbol_count * count_buckets(CALENDAR, timeframe, gap)
    assert sum(piece.expected_bars for piece in pieces) == total
    if total <= PAGE_LIMIT:
        assert all(piece.lane is Lane.CATCH_UP for piece in pieces)
        assert len(pieces) <= 1
    else:
        assert all(piece.lane is Lane.BACKFILL and piece.pages <= CHAIN_PAGES for piece in pieces)


@given(timeframes, gaps(), symbol_counts)
def test_all_but_the_last_slice_are_as_full_as_they_can_be(
    timeframe: Timeframe, gap: Window, symbol_count: int
) -> None:
    pieces = cut_gap(CALENDAR, timeframe, gap, symbol_count, NEVER)
    chain = CHAIN_PAGES * PAGE_LIMIT
    assert all(chain - symbol_count < piece.expected_bars <= chain for piece in pieces[:-1])


@given(timeframes, gaps(), symbol_counts)
def test_cuts_lie_at_the_end_of_a_market_bucket(timeframe: Timeframe, gap: Window, symbol_count: int) -> None:
    pieces = cut_gap(CALENDAR, timeframe, gap, symbol_count, NEVER)
    for piece in pieces[:-1]:
        last = market_buckets(CALENDAR, timeframe, Window(piece.window.end - timedelta(days=1), piece.window.end))
        assert last[-1] + timeframe.duration == piece.window.end


def test_one_bucket_larger_than_a_page_is_one_live_slice() -> None:
    gap = Window(utc("2024-07-01T13:30"), utc("2024-07-01T14:00"))
    pieces = cut_gap(CALENDAR, M15, gap, 6_000, gap.start)
    assert [piece.expected_bars for piece in pieces] == [18_000, 18_000]


def test_one_bucket_larger_than_a_chain_is_one_backfill_slice() -> None:
    pieces = cut_gap(CALENDAR, D1, span("2024-07-01", "2024-07-03"), 200_001, NEVER)
    assert [(piece.lane, piece.pages) for piece in pieces] == [(Lane.BACKFILL, 21)] * 2


@pytest.mark.parametrize(
    ("wanted_end", "start"),
    [
        pytest.param("2024-07-02T15:00", "2024-07-01T04:00", id="during a session: it and the one before"),
        pytest.param("2024-07-01T15:00", "2024-06-28T04:00", id="Monday reaches Friday"),
        pytest.param("2024-07-06T00:00", "2024-07-03T04:00", id="Friday evening, over a holiday"),
        pytest.param("2024-07-09T04:00", "2024-07-05T04:00", id="daily end at midnight belongs to the day before"),
        pytest.param("2024-01-04T04:00", "2024-01-02T05:00", id="h4 end on the next UTC date"),
    ],
)
def test_live_part_is_the_last_two_sessions(wanted_end: str, start: str) -> None:
    assert live_from(CALENDAR, utc(wanted_end)) == utc(start)


def test_live_part_before_the_second_session_is_refused() -> None:
    with pytest.raises(CalendarEndError, match="2000-01-02"):
        live_from(CALENDAR, utc("2000-01-03T15:00"))
