"""The packaged table against exchange_calendars, and its edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from reconciler.errors import CalendarEndError
from reconciler.market.calendar import (
    Calendar,
    Session,
    load_calendar,
    new_york_date,
    new_york_midnight,
    parse_calendar,
)

CALENDAR = load_calendar()
NEW_YORK = ZoneInfo("America/New_York")

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning")  # exchange_calendars on pandas 3.1


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def hours() -> dict[date, tuple[datetime, datetime]]:
    """Open and close by session day, as exchange_calendars has them over the table's whole range."""
    xnys = exchange_calendars.get_calendar(
        "XNYS", start=CALENDAR.first_day.isoformat(), end=CALENDAR.last_day.isoformat()
    )
    rows = xnys.schedule[["open", "close"]].itertuples()
    return {row.Index.date(): (row.open.to_pydatetime(), row.close.to_pydatetime()) for row in rows}


def test_table_covers_the_years_it_names() -> None:
    assert (CALENDAR.first_day, CALENDAR.last_day) == (date(2000, 1, 1), date(2028, 12, 31))
    assert CALENDAR.version.endswith("XNYS 2000-01-01..2028-12-31")


def test_sessions_match_exchange_calendars(hours: dict[date, tuple[datetime, datetime]]) -> None:
    assert [session.day for session in CALENDAR.all_sessions] == list(hours)


def test_opens_and_closes_match_exchange_calendars(hours: dict[date, tuple[datetime, datetime]]) -> None:
    assert {session.day: (session.open, session.close) for session in CALENDAR.all_sessions} == hours


def test_early_closes_match_exchange_calendars(hours: dict[date, tuple[datetime, datetime]]) -> None:
    early = {day for day, (_, close) in hours.items() if close.astimezone(NEW_YORK).time() != time(16)}
    assert {session.day for session in CALENDAR.all_sessions if session.early_close} == early


def test_hours_are_new_york_wall_time_on_every_session() -> None:
    for session in CALENDAR.all_sessions:
        late = time(17) if session.early_close else time(20)
        assert session.extended_open == datetime.combine(session.day, time(4), NEW_YORK)
        assert session.extended_close == datetime.combine(session.day, late, NEW_YORK)
        assert session.midnight == datetime.combine(session.day, time(0), NEW_YORK)
        assert new_york_date(session.next_midnight).toordinal() == session.day.toordinal() + 1


def test_all_instants_are_utc() -> None:
    session = CALENDAR.all_sessions[0]
    instants = (session.midnight, session.next_midnight, session.open, session.extended_close)
    assert {instant.tzinfo for instant in instants} == {UTC}


def test_packaged_calendar_is_read_once() -> None:
    assert load_calendar() is CALENDAR


@pytest.mark.parametrize(
    ("day", "midnight"),
    [
        pytest.param(date(2024, 7, 1), "2024-07-01T04:00", id="summer"),
        pytest.param(date(2024, 1, 2), "2024-01-02T05:00", id="winter"),
        pytest.param(date(2024, 3, 10), "2024-03-10T05:00", id="day that loses an hour"),
        pytest.param(date(2024, 3, 11), "2024-03-11T04:00", id="day after it"),
        pytest.param(date(2024, 11, 3), "2024-11-03T04:00", id="day that gains an hour"),
        pytest.param(date(2024, 11, 4), "2024-11-04T05:00", id="day after that"),
    ],
)
def test_new_york_midnight(day: date, midnight: str) -> None:
    assert new_york_midnight(day) == utc(midnight)
    assert new_york_date(utc(midnight)) == day


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        pytest.param(date(2009, 11, 26), date(2009, 11, 30), [27, 30], id="Thanksgiving week's end"),
        pytest.param(date(2024, 1, 6), date(2024, 1, 7), [], id="weekend"),
        pytest.param(date(2001, 9, 10), date(2001, 9, 18), [10, 17, 18], id="September 2001"),
        pytest.param(date(2024, 1, 4), date(2024, 1, 2), [], id="last before first"),
    ],
)
def test_sessions_between_two_days_inclusive(first: date, last: date, days: list[int]) -> None:
    assert [session.day.day for session in CALENDAR.sessions(first, last)] == days


def test_half_day_closes_at_thirteen_and_seventeen() -> None:
    session = CALENDAR.session_on_or_after(date(2009, 11, 27))
    assert session == Session(date(2009, 11, 27), early_close=True)
    assert (session.close, session.extended_close) == (utc("2009-11-27T18:00"), utc("2009-11-27T22:00"))


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        pytest.param(date(2024, 7, 4), date(2024, 7, 3), date(2024, 7, 5), id="holiday"),
        pytest.param(date(2024, 7, 6), date(2024, 7, 5), date(2024, 7, 8), id="weekend"),
        pytest.param(date(2024, 7, 8), date(2024, 7, 8), date(2024, 7, 8), id="session"),
    ],
)
def test_nearest_sessions(day: date, before: date, after: date) -> None:
    assert CALENDAR.session_on_or_before(day).day == before
    assert CALENDAR.session_on_or_after(day).day == after


@pytest.mark.parametrize("day", [date(2029, 1, 1), date(2028, 12, 30)])
def test_day_after_the_last_session_asks_for_an_upgrade(day: date) -> None:
    with pytest.raises(CalendarEndError, match=rf"{day}.* 2000-01-01 to 2028-12-31; upgrade reconciler"):
        CALENDAR.session_on_or_after(day)


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2000, 1, 2)])
def test_day_before_the_first_session_is_refused(day: date) -> None:
    with pytest.raises(CalendarEndError, match=rf"{day}.*ask for a later day"):
        CALENDAR.session_on_or_before(day)


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(1999, 12, 31), date(2000, 2, 1)), (date(2028, 12, 1), date(2029, 1, 1))],
)
def test_sessions_outside_the_table_are_refused(first: date, last: date) -> None:
    with pytest.raises(CalendarEndError):
        CALENDAR.sessions(first, last)


def small_calendar() -> Calendar:
    return parse_calendar(
        "# source: a test\n# first_day: 2024-07-01\n# last_day: 2024-07-07\n"
        "date,kind\n2024-07-03,early\n2024-07-04,closed\n"
    )


def test_table_rows_name_only_closed_and_early_weekdays() -> None:
    sessions = small_calendar().all_sessions
    assert [(session.day.day, session.early_close) for session in sessions] == [
        (1, False),
        (2, False),
        (3, True),
        (5, False),
    ]


def test_sessions_are_in_order_of_days() -> None:
    assert all(one.day < two.day for one, two in pairwise(CALENDAR.all_sessions))
