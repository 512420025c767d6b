"""Trading days of the New York Stock Exchange, from a table packaged with the program."""

from __future__ import annotations

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from importlib import resources
from operator import attrgetter
from zoneinfo import ZoneInfo

from reconciler.errors import CalendarEndError

NEW_YORK = ZoneInfo("America/New_York")
_ONE_DAY = timedelta(days=1)
_DAY = attrgetter("day")


def new_york_date(instant: datetime) -> date:
    """The date in New York at ``instant`` (aware)."""
    return instant.astimezone(NEW_YORK).date()


def new_york_midnight(day: date) -> datetime:
    """The UTC instant at which ``day`` begins in New York: 04:00Z in summer, 05:00Z in winter."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


@dataclass(frozen=True)
class Session:
    """One trading day; every property is a UTC instant.

    Extended hours are 04:00-20:00 New York, until 17:00 on a day of early close: the hours in which the
    provider's consolidated feed has bars. The exchange itself is open 09:30-16:00, or until 13:00.
    """

    day: date
    early_close: bool

    # Hours are added to midnight as they are: New York changes its clocks on Sundays, never in a session.

    @cached_property
    def midnight(self) -> datetime:
        return new_york_midnight(self.day)

    @cached_property
    def next_midnight(self) -> datetime:
        return new_york_midnight(self.day + _ONE_DAY)

    @cached_property
    def extended_open(self) -> datetime:
        return self.midnight + timedelta(hours=4)

    @cached_property
    def open(self) -> datetime:
        return self.midnight + timedelta(hours=9, minutes=30)

    @cached_property
    def close(self) -> datetime:
        return self.midnight + timedelta(hours=13 if self.early_close else 16)

    @cached_property
    def extended_close(self) -> datetime:
        return self.midnight + timedelta(hours=17 if self.early_close else 20)


@dataclass(frozen=True, eq=False)
class Calendar:
    """The sessions from ``first_day`` to ``last_day``, both New York dates of which the table speaks.

    ``all_sessions`` is in order of days. ``version`` names the table's source and range. Compared by
    identity, so that what is derived from a calendar can be cached by it.
    """

    version: str
    first_day: date
    last_day: date
    all_sessions: tuple[Session, ...] = field(repr=False)

    def sessions(self, first: date, last: date) -> Sequence[Session]:
        """Sessions from ``first`` to ``last``, both included, oldest first; empty when there is none.

        Raises CalendarEndError when either day is outside the table.
        """
        self.check_day(first)
        self.check_day(last)
        start = bisect_left(self.all_sessions, first, key=_DAY)
        return self.all_sessions[start : bisect_right(self.all_sessions, last, key=_DAY)]

    def session_on_or_after(self, day: date) -> Session:
        """Raises CalendarEndError when ``day`` is outside the table, or its session would be."""
        self.check_day(day)
        at = bisect_left(self.all_sessions, day, key=_DAY)
        if at == len(self.all_sessions):
            raise self._end_error(day)
        return self.all_sessions[at]

    def session_on_or_before(self, day: date) -> Session:
        """Raises CalendarEndError when ``day`` is outside the table, or its session would be."""
        self.check_day(day)
        at = bisect_right(self.all_sessions, day, key=_DAY)
        if at == 0:
            raise self._end_error(day)
        return self.all_sessions[at - 1]

    def check_day(self, day: date) -> None:
        """Raises CalendarEndError unless the table speaks of the New York date ``day``."""
        if not self.first_day <= day <= self.last_day:
            raise self._end_error(day)

    def _end_error(self, day: date) -> CalendarEndError:
        advice = "upgrade reconciler" if day > self.all_sessions[0].day else "ask for a later day"
        return CalendarEndError(
            f"no trading calendar for {day}: the packaged table ({self.version}) speaks of "
            f"{self.first_day} to {self.last_day}; {advice}"
        )


@cache
def load_calendar() -> Calendar:
    """The packaged calendar, read once per process."""
    table = resources.files("reconciler.market").joinpath("nyse_sessions.csv")
    return parse_calendar(table.read_text(encoding="utf-8"))


def parse_calendar(text: str) -> Calendar:
    """The calendar that a table (``# key: value`` lines, then ``date,kind`` rows) describes.

    A weekday is a full session unless a row says ``closed`` or ``early``; weekends have no session.
    """
    lines = text.splitlines()
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    kinds = {date.fromisoformat(row["date"]): row["kind"] for row in rows}
    first, last = date.fromisoformat(header["first_day"]), date.fromisoformat(header["last_day"])
    return Calendar(
        version=f"{header['source']} {first}..{last}",
        first_day=first,
        last_day=last,
        all_sessions=tuple(
            Session(day, early_close=kinds.get(day) == "early")
            for day in _weekdays(first, last)
            if kinds.get(day) != "closed"
        ),
    )


def _weekdays(first: date, last: date) -> Iterator[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return (day for day in days if day.weekday() <= 4)
