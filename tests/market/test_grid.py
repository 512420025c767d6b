"""Buckets: known days, an independent walk over two years, and laws over the whole calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CalendarEndError
from reconciler.market import grid
from reconciler.market.calendar import load_calendar, new_york_midnight
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

CALENDAR = load_calendar()
NEW_YORK = ZoneInfo("America/New_York")
OPENING, CLOSING = datetime(2000, 1, 2, tzinfo=UTC), datetime(2028, 12, 29, tzinfo=UTC)
M15, H1, H4, D1 = Timeframe

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning")  # exchange_calendars on pandas 3.1

timeframes = st.sampled_from(Timeframe)
instants = st.datetimes(OPENING.replace(tzinfo=None), CLOSING.replace(tzinfo=None), timezones=st.just(UTC))
quarters = st.integers(0, (CLOSING - OPENING) // timedelta(minutes=15) - 1).map(
    lambda n: OPENING + n * timedelta(minutes=15)
)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Up to 30 days; bounds on a quarter of an hour, where edges are, or anywhere."""
    start = draw(quarters | instants)
    lengths = st.timedeltas(timedelta(microseconds=1), timedelta(days=30)) | st.integers(1, 1_000).map(
        lambda n: n * timedelta(minutes=15)
    )
    return Window(start, min(start + draw(lengths), CLOSING + timedelta(minutes=15)))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day_window(day: str) -> Window:
    """The New York day."""
    start = date.fromisoformat(day)
    return Window(new_york_midnight(start), new_york_midnight(start + timedelta(days=1)))


@cache
def walked_buckets(timeframe: Timeframe, *, regular: bool) -> list[datetime]:
    """Buckets of 2023 and 2024 found by walking: every bucket is held against wall clock hours."""
    xnys = exchange_calendars.get_calendar("XNYS", start="2023-01-01", end="2024-12-31")
    days = {day.date() for day in xnys.sessions}
    early = {day.date() for day in xnys.early_closes}
    found = []
    at = grid.floor(timeframe, new_york_midnight(date(2023, 1, 1)))
    while at < new_york_midnight(date(2025, 1, 1)):
        following = grid.next_bucket(timeframe, at)
        # No bucket of 4 hours or less touches the trading hours of two days: its middle names the day.
        day = (at + (following - at) / 2).astimezone(NEW_YORK).date()
        full, half = (time(16), time(13)) if regular else (time(20), time(17))
        first, last = time(9, 30) if regular else time(4), half if day in early else full
        opens, closes = (datetime.combine(day, hour, NEW_YORK) for hour in (first, last))
        if day in days and at < closes and following > opens:
            found.append(at)
        at = following
    return found


TWO_YEARS = Window(new_york_midnight(date(2023, 1, 1)), new_york_midnight(date(2025, 1, 1)))


@pytest.mark.parametrize("timeframe", Timeframe)
def test_market_buckets_of_two_years_match_a_walk_over_exchange_calendars(timeframe: Timeframe) -> None:
    walked = walked_buckets(timeframe, regular=False)
    assert grid.market_buckets(CALENDAR, timeframe, TWO_YEARS) == walked
    assert grid.count_buckets(CALENDAR, timeframe, TWO_YEARS) == len(walked) > 500


@pytest.mark.parametrize("timeframe", Timeframe)
def test_regular_buckets_of_two_years_match_a_walk_over_exchange_calendars(timeframe: Timeframe) -> None:
    assert grid.regular_buckets(CALENDAR, timeframe, TWO_YEARS) == set(walked_buckets(timeframe, regular=True))


@pytest.mark.parametrize(
    ("timeframe", "instant", "start"),
    [
        (M15, "2024-07-01T13:44:59.999999", "2024-07-01T13:30"),
        (M15, "2024-07-01T13:45", "2024-07-01T13:45"),
        (H1, "2024-07-01T13:30", "2024-07-01T13:00"),
        (H4, "2024-07-01T13:30", "2024-07-01T12:00"),
        (H4, "2024-01-03T00:30", "2024-01-03T00:00"),
        pytest.param(D1, "2024-07-02T03:59", "2024-07-01T04:00", id="d1 late evening, summer"),
        pytest.param(D1, "2024-01-03T04:59", "2024-01-02T05:00", id="d1 late evening, winter"),
        pytest.param(D1, "2024-03-11T03:59", "2024-03-10T05:00", id="d1 of 23 hours"),
        pytest.param(D1, "2024-11-04T04:59", "2024-11-03T04:00", id="d1 of 25 hours"),
    ],
)
def test_floor(timeframe: Timeframe, instant: str, start: str) -> None:
    assert grid.floor(timeframe, utc(instant)) == utc(start)


def test_floor_answers_in_utc_for_other_zones() -> None:
    start = grid.floor(H1, datetime(2024, 7, 1, 9, 30, tzinfo=NEW_YORK))
    assert (start, start.tzinfo) == (utc("2024-07-01T13:00"), UTC)


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2024-03-10", 23), ("2024-11-03", 25), ("2024-03-09", 24), ("2024-03-11", 24), ("2024-11-04", 24)],
)
def test_next_daily_bucket_across_clock_changes(day: str, hours: int) -> None:
    start = day_window(day).start
    assert grid.next_bucket(D1, start) - start == timedelta(hours=hours)


@given(timeframes, instants)
def test_bucket_holds_its_instant(timeframe: Timeframe, instant: datetime) -> None:
    start = grid.floor(timeframe, instant)
    assert start <= instant < grid.next_bucket(timeframe, start)
    assert grid.floor(timeframe, start) == start


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        pytest.param("2024-07-01", (64, 16, 4, 1), id="summer"),
        pytest.param("2024-01-02", (64, 16, 5, 1), id="winter"),
        pytest.param("2009-11-27", (52, 13, 4, 1), id="half day, winter"),
        pytest.param("2024-07-03", (52, 13, 4, 1), id="half day, summer"),
        pytest.param("2024-07-04", (0, 0, 0, 0), id="holiday"),
        pytest.param("2024-07-06", (0, 0, 0, 0), id="weekend"),
        pytest.param("2024-03-08", (64, 16, 5, 1), id="Friday before the clocks go forward"),
        pytest.param("2024-03-10", (0, 0, 0, 0), id="Sunday of 23 hours"),
        pytest.param("2024-03-11", (64, 16, 4, 1), id="Monday after"),
        pytest.param("2024-11-01", (64, 16, 4, 1), id="Friday before the clocks go back"),
        pytest.param("2024-11-04", (64, 16, 5, 1), id="Monday after that"),
    ],
)
def test_bucket_counts_of_known_days(day: str, counts: tuple[int, ...]) -> None:
    window = day_window(day)
    assert tuple(grid.count_buckets(CALENDAR, timeframe, window) for timeframe in Timeframe) == counts


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        ("2024-07-01", ["2024-07-01T08:00", "2024-07-01T12:00", "2024-07-01T16:00", "2024-07-01T20:00"]),
        (
            "2024-01-02",
            [
                "2024-01-02T08:00",
                "2024-01-02T12:00",
                "2024-01-02T16:00",
                "2024-01-02T20:00",
                "2024-01-03T00:00",
            ],
        ),
    ],
    ids=["summer", "winter, the last on the next UTC date"],
)
def test_four_hour_buckets(day: str, starts: list[str]) -> None:
    assert grid.market_buckets(CALENDAR, H4, day_window(day)) == [*map(utc, starts)]


def test_daily_buckets_across_a_clock_change_keep_new_york_midnight() -> None:
    window = Window(day_window("2024-03-07").start, day_window("2024-03-12").end)
    starts = ["2024-03-07T05:00", "2024-03-08T05:00", "2024-03-11T04:00", "2024-03-12T04:00"]
    assert grid.market_buckets(CALENDAR, D1, window) == [*map(utc, starts)]


@pytest.mark.parametrize(
    ("timeframe", "count"),
    [(M15, 26), (H1, 7), (H4, 2), (D1, 1)],
)
def test_regular_buckets_of_a_summer_day(timeframe: Timeframe, count: int) -> None:
    assert len(grid.regular_buckets(CALENDAR, timeframe, day_window("2024-07-01"))) == count


def test_hour_that_holds_the_opening_is_regular() -> None:
    regular = grid.regular_buckets(CALENDAR, H1, day_window("2024-07-01"))
    assert (min(regular), max(regular)) == (utc("2024-07-01T13:00"), utc("2024-07-01T19:00"))


def test_buckets_cut_by_the_window_are_left_out() -> None:
    window = Window(utc("2024-07-01T13:01"), utc("2024-07-01T15:59"))
    assert grid.market_buckets(CALENDAR, H1, window) == [utc("2024-07-01T14:00")]


@given(timeframes, windows())
def test_count_is_the_length_of_the_list(timeframe: Timeframe, window: Window) -> None:
    buckets = grid.market_buckets(CALENDAR, timeframe, window)
    assert grid.count_buckets(CALENDAR, timeframe, window) == len(buckets)
    assert grid.first_market_bucket(CALENDAR, timeframe, window) == (buckets[0] if buckets else None)


@given(timeframes, windows())
def test_buckets_are_ordered_on_the_grid_and_inside(timeframe: Timeframe, window: Window) -> None:
    buckets = grid.market_buckets(CALENDAR, timeframe, window)
    assert all(one < two for one, two in pairwise(buckets))
    assert all(grid.floor(timeframe, start) == start >= window.start for start in buckets)
    assert all(grid.next_bucket(timeframe, start) <= window.end for start in buckets)


@given(timeframes, windows(), st.floats(0, 1))
def test_cut_at_a_bucket_boundary_loses_and_doubles_nothing(timeframe: Timeframe, window: Window, share: float) -> None:
    cut = grid.floor(timeframe, window.start + window.length * share)
    if not window.start < cut < window.end:
        return
    parts = [Window(window.start, cut), Window(cut, window.end)]
    halves = [start for part in parts for start in grid.market_buckets(CALENDAR, timeframe, part)]
    assert halves == grid.market_buckets(CALENDAR, timeframe, window)


@given(timeframes, windows())
def test_regular_buckets_are_market_buckets(timeframe: Timeframe, window: Window) -> None:
    market = set(grid.market_buckets(CALENDAR, timeframe, window))
    assert grid.regular_buckets(CALENDAR, timeframe, window) <= market


@pytest.mark.parametrize("timeframe", Timeframe)
def test_market_buckets_lie_inside_the_new_york_day_of_their_session(timeframe: Timeframe) -> None:
    for session in CALENDAR.all_sessions:
        window = Window(session.midnight, session.next_midnight)
        wider = Window(session.midnight - timedelta(hours=4), session.next_midnight + timedelta(hours=4))
        inside = grid.count_buckets(CALENDAR, timeframe, window)
        assert inside == grid.count_buckets(CALENDAR, timeframe, wider) > 0


@pytest.mark.parametrize(
    ("timeframe", "instant", "start"),
    [
        pytest.param(M15, "2024-07-01T13:30", "2024-07-01T13:00", id="same day"),
        pytest.param(M15, "2024-07-01T13:44", "2024-07-01T13:00", id="open bucket does not count"),
        pytest.param(M15, "2024-07-01T08:00", "2024-06-28T23:30", id="Monday reaches Friday"),
        pytest.param(M15, "2024-07-05T08:15", "2024-07-03T20:45", id="over a holiday to a half day"),
        pytest.param(H4, "2024-03-11T08:00", "2024-03-08T20:00", id="Monday after the clocks went forward"),
        pytest.param(D1, "2024-07-08T04:00", "2024-07-03T04:00", id="daily over holiday and weekend"),
    ],
)
def test_two_buckets_before(timeframe: Timeframe, instant: str, start: str) -> None:
    assert grid.buckets_before(CALENDAR, timeframe, utc(instant), 2) == utc(start)


def test_buckets_before_the_first_session_are_refused() -> None:
    with pytest.raises(CalendarEndError, match="fewer than 2 d1 buckets"):
        grid.buckets_before(CALENDAR, D1, utc("2000-01-04T05:00"), 2)


@given(timeframes, windows(), st.integers(1, 500))
def test_split_window_fills_every_piece_but_the_last(timeframe: Timeframe, window: Window, bucket_count: int) -> None:
    pieces = grid.split_window(CALENDAR, timeframe, window, bucket_count)
    counts = [grid.count_buckets(CALENDAR, timeframe, piece) for piece in pieces]
    assert sum(counts) == grid.count_buckets(CALENDAR, timeframe, window)
    assert all(count == bucket_count for count in counts[:-1])
    assert all(1 <= count <= bucket_count for count in counts[-1:])
