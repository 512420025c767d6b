"""When bars begin, against the provider's recordings, and against a calendar nobody here wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from reconciler.sandbox.grid import (
    HALF_DAYS,
    hour_groups,
    latest_closed_label,
    midnight,
    quarter_labels,
)
from reconciler.timeframes import Timeframe

SUMMER, WINTER, HALF_DAY = date(2009, 8, 21), date(2010, 1, 5), date(2009, 11, 27)
# The days around the switches of 2009-11-01 and 2010-03-14, and the New York offset of each.
SWITCH_WEEKS = {
    date(2009, 10, 28): 4,
    date(2009, 11, 5): 5,
    date(2010, 3, 12): 5,
    date(2010, 3, 15): 4,
}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def labels(session: date, timeframe: Timeframe) -> list[str]:
    return [f"{group.label:%dT%H:%M}" for group in hour_groups(session, timeframe)]


def test_quarters_span_the_extended_session() -> None:
    starts = quarter_labels(SUMMER)

    assert len(starts) == 64
    assert (starts[0], starts[-1]) == (instant("2009-08-21T08:00Z"), instant("2009-08-21T23:45Z"))


def test_quarters_of_a_half_day_end_at_17_new_york() -> None:
    starts = quarter_labels(HALF_DAY)

    assert len(starts) == 52
    assert (starts[0], starts[-1]) == (instant("2009-11-27T09:00Z"), instant("2009-11-27T21:45Z"))


@pytest.mark.parametrize(("session", "offset"), SWITCH_WEEKS.items(), ids=str)
def test_sessions_move_against_utc_when_the_clocks_change(session: date, offset: int) -> None:
    at = datetime(session.year, session.month, session.day, tzinfo=UTC)

    assert midnight(session) == at + timedelta(hours=offset)
    assert quarter_labels(session)[0] == at + timedelta(hours=4 + offset)
    assert hour_groups(session, Timeframe.H1)[0].label == at + timedelta(hours=4 + offset)


def test_h4_in_summer_has_four_full_buckets() -> None:
    assert labels(SUMMER, Timeframe.H4) == ["21T08:00", "21T12:00", "21T16:00", "21T20:00"]


def test_h4_in_winter_has_five_buckets_the_last_on_the_next_utc_date() -> None:
    groups = hour_groups(WINTER, Timeframe.H4)

    assert labels(WINTER, Timeframe.H4) == ["05T08:00", "05T12:00", "05T16:00", "05T20:00", "06T00:00"]
    assert [group.last - group.first for group in groups] == [12, 16, 16, 16, 4]


def test_h4_of_a_half_day_in_winter() -> None:
    assert labels(HALF_DAY, Timeframe.H4) == ["27T08:00", "27T12:00", "27T16:00", "27T20:00"]


def test_h1_sits_on_the_hour() -> None:
    groups = hour_groups(WINTER, Timeframe.H1)

    assert [group.label.hour for group in groups] == [*range(9, 24), 0]
    assert {group.last - group.first for group in groups} == {4}


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.H4])
@pytest.mark.parametrize("session", [SUMMER, WINTER, HALF_DAY, *SWITCH_WEEKS], ids=str)
def test_groups_hold_every_quarter_once_and_in_its_place(session: date, timeframe: Timeframe) -> None:
    starts = quarter_labels(session)
    groups = hour_groups(session, timeframe)

    assert [number for group in groups for number in range(group.first, group.last)] == list(range(len(starts)))
    for group in groups:
        assert all(
            timedelta(0) <= start - group.label < timeframe.duration for start in starts[group.first : group.last]
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_half_days_are_the_exchanges_early_closes() -> None:
    calendars = pytest.importorskip("exchange_calendars")
    early = calendars.get_calendar("XNYS", start="2009-08-21", end="2010-08-20").early_closes

    assert {close.date() for close in early} == set(HALF_DAYS)


@pytest.mark.parametrize(
    ("timeframe", "as_of", "latest"),
    [
        (Timeframe.M15, "2010-08-20T15:00:00Z", "2010-08-20T14:45:00Z"),
        (Timeframe.H4, "2010-08-20T15:59:59Z", "2010-08-20T11:59:59Z"),
        (Timeframe.D1, "2010-08-20T19:59:59-04:00", "2010-08-19T00:00:00-04:00"),
        (Timeframe.D1, "2010-08-20T20:00:00-04:00", "2010-08-20T00:00:00-04:00"),
        (Timeframe.D1, "2009-11-27T17:00:00-05:00", "2009-11-27T00:00:00-05:00"),
        (Timeframe.D1, "2010-03-15T00:30:00-04:00", "2010-03-14T00:00:00-05:00"),
    ],
)
def test_latest_closed_label(timeframe: Timeframe, as_of: str, latest: str) -> None:
    assert latest_closed_label(timeframe, instant(as_of)) == instant(latest)
