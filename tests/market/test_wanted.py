"""What is wanted at a given time, and the bounds of a request for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CalendarEndError
from reconciler.jobs import Lane
from reconciler.market import grid
from reconciler.market.calendar import load_calendar
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

CALENDAR = load_calendar()
OPENING, CLOSING = datetime(2000, 1, 10, tzinfo=UTC), datetime(2028, 12, 29, tzinfo=UTC)
M15, H1, H4, D1 = Timeframe
SETTLE = timedelta(minutes=16)

timeframes = st.sampled_from(Timeframe)
instants = st.datetimes(OPENING.replace(tzinfo=None), CLOSING.replace(tzinfo=None), timezones=st.just(UTC))


@st.composite
def slices(draw: st.DrawFn) -> tuple[Timeframe, Window]:
    """A timeframe, and up to 30 days that hold a market bucket of it; bounds on hours or anywhere."""
    timeframe = draw(timeframes)
    step = draw(st.sampled_from([timedelta(microseconds=1), timedelta(hours=1)]))
    start = OPENING + (draw(instants) - OPENING) // step * step
    # The longest time without a session, in September 2001, is under seven days.
    length = draw(st.timedeltas(timedelta(days=8), timedelta(days=30))) // step * step
    return timeframe, Window(min(start, CLOSING - length), min(start + length, CLOSING))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timeframe", "now", "end"),
    [
        pytest.param(M15, "2024-07-01T08:30:59", "2024-06-29T00:00", id="m15 first bucket not settled"),
        pytest.param(M15, "2024-07-01T08:31", "2024-07-01T08:15", id="m15 first bucket settled"),
        pytest.param(M15, "2024-07-02T00:16", "2024-07-02T00:00", id="m15 last bucket of the day"),
        pytest.param(M15, "2024-07-02T07:59", "2024-07-02T00:00", id="m15 night"),
        pytest.param(M15, "2024-07-07T12:00", "2024-07-06T00:00", id="m15 weekend"),
        pytest.param(M15, "2024-07-04T18:00", "2024-07-03T21:00", id="m15 holiday after a half day"),
        pytest.param(H1, "2024-07-01T14:16", "2024-07-01T14:00", id="h1"),
        pytest.param(H4, "2024-01-03T04:15", "2024-01-03T00:00", id="h4 last winter bucket still open"),
        pytest.param(H4, "2024-01-03T04:16", "2024-01-03T04:00", id="h4 last winter bucket settled"),
        pytest.param(D1, "2024-07-02T00:15", "2024-06-29T04:00", id="d1 not settled: Friday's"),
        pytest.param(D1, "2024-07-02T00:16", "2024-07-02T04:00", id="d1 due at extended close"),
        pytest.param(D1, "2024-07-03T21:16", "2024-07-04T04:00", id="d1 half day due three hours earlier"),
        pytest.param(D1, "2024-03-10T12:00", "2024-03-09T05:00", id="d1 on the day of the clock change"),
    ],
)
def test_wanted_ends_with_the_last_settled_bucket(timeframe: Timeframe, now: str, end: str) -> None:
    window = grid.wanted(CALENDAR, timeframe, 30, utc(now), SETTLE)
    assert window is not None
    assert window.end == utc(end)


@pytest.mark.parametrize(
    ("timeframe", "history_days", "now", "start"),
    [
        pytest.param(M15, 30, "2024-08-01T15:00", "2024-07-02T04:00", id="summer"),
        pytest.param(M15, 27, "2024-08-01T15:00", "2024-07-05T04:00", id="next session after Fourth of July"),
        pytest.param(H4, 30, "2024-02-01T15:00", "2024-01-02T04:00", id="h4 floored to its grid in winter"),
        pytest.param(D1, 30, "2024-02-01T15:00", "2024-01-02T05:00", id="d1 at midnight"),
        pytest.param(D1, 1, "2024-07-03T02:00", "2024-07-01T04:00", id="the date is New York's"),
        pytest.param(D1, 999_999, "2024-07-03T02:00", "2000-01-03T05:00", id="clamped to the calendar"),
    ],
)
def test_wanted_starts_at_a_session(timeframe: Timeframe, history_days: int, now: str, start: str) -> None:
    window = grid.wanted(CALENDAR, timeframe, history_days, utc(now), SETTLE)
    assert window is not None
    assert window.start == utc(start)


@pytest.mark.parametrize(
    ("timeframe", "history_days", "now"),
    [
        pytest.param(D1, 1, "2024-07-07T15:00", id="Sunday: history starts on Monday"),
        pytest.param(M15, 0, "2024-07-01T08:20", id="first bucket of the day not settled"),
        pytest.param(M15, 30, "2000-01-03T09:20", id="nothing closed since the calendar begins"),
        pytest.param(D1, 30, "2000-01-03T15:00", id="no day closed since the calendar begins"),
    ],
)
def test_nothing_is_wanted_before_something_closed(timeframe: Timeframe, history_days: int, now: str) -> None:
    assert grid.wanted(CALENDAR, timeframe, history_days, utc(now), SETTLE) is None


@given(
    timeframes,
    st.integers(0, 800),
    st.timedeltas(timedelta(), timedelta(minutes=20)),
    instants,
    st.timedeltas(timedelta(), timedelta(days=5)),
)
def test_wanted_never_moves_back(
    timeframe: Timeframe, history_days: int, settle: timedelta, now: datetime, later: timedelta
) -> None:
    then = min(now + later, CLOSING)
    one = grid.wanted(CALENDAR, timeframe, history_days, now, settle)
    two = grid.wanted(CALENDAR, timeframe, history_days, then, settle)
    assert one is None or two is None or (one.start <= two.start and one.end <= two.end)


@given(timeframes, st.integers(1, 800), instants)
def test_wanted_holds_only_closed_buckets_and_ends_with_one(
    timeframe: Timeframe, history_days: int, now: datetime
) -> None:
    window = grid.wanted(CALENDAR, timeframe, history_days, now, SETTLE)
    if window is None:
        return
    last = grid.market_buckets(CALENDAR, timeframe, Window(window.end - timedelta(days=1), window.end))[-1]
    assert grid.next_bucket(timeframe, last) == window.end
    assert grid.floor(timeframe, window.start) == window.start
    assert window.end + SETTLE <= now or timeframe is D1


def test_time_after_the_calendar_is_refused() -> None:
    now = utc("2029-01-01T05:00")
    with pytest.raises(CalendarEndError, match=r"2029-01-01.*upgrade reconciler"):
        grid.wanted(CALENDAR, M15, 30, now, SETTLE)
    with pytest.raises(CalendarEndError, match=r"2029-01-01.*upgrade reconciler"):
        grid.count_buckets(CALENDAR, M15, Window(now - timedelta(days=1), now + timedelta(hours=1)))
    assert grid.count_buckets(CALENDAR, M15, Window(now - timedelta(days=3), now)) == 64


def test_time_before_the_calendar_is_refused() -> None:
    start = utc("2000-01-01T05:00")
    with pytest.raises(CalendarEndError, match=r"1999-12-31.*ask for a later day"):
        grid.count_buckets(CALENDAR, M15, Window(start - timedelta(hours=1), utc("2000-01-05T05:00")))
    assert grid.count_buckets(CALENDAR, M15, Window(start, utc("2000-01-05T05:00"))) == 128


def test_buckets_before_a_time_after_the_calendar_are_refused() -> None:
    with pytest.raises(CalendarEndError, match=r"2029-01-02.*upgrade reconciler"):
        grid.buckets_before(CALENDAR, M15, utc("2029-01-02T15:00"), 2)


@pytest.mark.parametrize(
    ("timeframe", "lane", "window", "bounds"),
    [
        pytest.param(
            M15,
            Lane.BACKFILL,
            Window(utc("2024-07-01T04:00"), utc("2024-07-02T00:00")),
            (utc("2024-07-01T04:00"), utc("2024-07-01T23:59:59.999")),
            id="backfill as cut",
        ),
        pytest.param(
            M15,
            Lane.LIVE,
            Window(utc("2024-06-29T00:00"), utc("2024-07-01T08:15")),
            (utc("2024-06-28T23:30"), utc("2024-07-01T08:14:59.999")),
            id="live Monday reads Friday's last two again",
        ),
        pytest.param(
            D1,
            Lane.CATCH_UP,
            Window(utc("2024-07-01T04:00"), utc("2024-07-02T04:00")),
            (utc("2024-07-01T04:00"), utc("2024-07-01T23:59:59.999")),
            id="d1 ends with extended hours, not in the future",
        ),
        pytest.param(
            D1,
            Lane.LIVE,
            Window(utc("2024-07-03T04:00"), utc("2024-07-08T04:00")),
            (utc("2024-07-01T04:00"), utc("2024-07-05T23:59:59.999")),
            id="d1 window that ends after a weekend",
        ),
        pytest.param(
            D1,
            Lane.CATCH_UP,
            Window(utc("2024-07-03T04:00"), utc("2024-07-05T04:00")),
            (utc("2024-07-03T04:00"), utc("2024-07-03T20:59:59.999")),
            id="d1 half day before a holiday",
        ),
        pytest.param(
            H4,
            Lane.CATCH_UP,
            Window(utc("2024-01-02T05:00"), utc("2024-01-03T05:00")),
            (utc("2024-01-02T04:00"), utc("2024-01-03T03:59:59.999")),
            id="h4 off the grid is floored",
        ),
    ],
)
def test_request_bounds(timeframe: Timeframe, lane: Lane, window: Window, bounds: tuple[datetime, datetime]) -> None:
    assert grid.request_bounds(CALENDAR, timeframe, window, lane) == bounds


@given(slices(), st.sampled_from(Lane))
def test_request_asks_for_every_bucket_of_its_slice(piece: tuple[Timeframe, Window], lane: Lane) -> None:
    timeframe, window = piece
    buckets = grid.market_buckets(CALENDAR, timeframe, window)
    start, end = grid.request_bounds(CALENDAR, timeframe, window, lane)
    assert start <= buckets[0]
    assert buckets[-1] <= end < window.end
    assert grid.floor(timeframe, start) == start


def test_last_day_of_a_daily_request_is_kept_by_the_slice_end_only() -> None:
    window = Window(utc("2024-07-01T04:00"), utc("2024-07-02T04:00"))
    start, end = grid.request_bounds(CALENDAR, D1, window, Lane.CATCH_UP)
    assert grid.regular_buckets(CALENDAR, D1, Window(start, window.end)) == {window.start}
    assert not grid.regular_buckets(CALENDAR, D1, Window(start, end))


@given(slices())
def test_live_request_reads_two_more_buckets(piece: tuple[Timeframe, Window]) -> None:
    timeframe, window = piece
    start, _ = grid.request_bounds(CALENDAR, timeframe, window, Lane.LIVE)
    closed = Window(start, grid.floor(timeframe, window.start))
    assert grid.count_buckets(CALENDAR, timeframe, closed) == 2


@given(slices(), st.sampled_from(Lane))
def test_request_bounds_of_equal_slices_in_any_zone_are_equal(piece: tuple[Timeframe, Window], lane: Lane) -> None:
    timeframe, window = piece
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    local = Window(window.start.astimezone(elsewhere), window.end.astimezone(elsewhere))
    bounds = grid.request_bounds(CALENDAR, timeframe, window, lane)
    assert grid.request_bounds(CALENDAR, timeframe, local, lane) == bounds
