"""When the provider's bars begin, worked out here once more on purpose.

The stand-in shares no calendar with the code it tests. Facts from the provider's recordings and staff:
intraday bars cover 04:00-20:00 New York, to 17:00 on half days; m15, h1 and h4 begin on the UTC clock;
d1 is labelled New York midnight.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from reconciler.timeframes import Timeframe

NEW_YORK = ZoneInfo("America/New_York")
HALF_DAYS = frozenset({date(2009, 11, 27), date(2009, 12, 24)})
"""Early closes among the sessions of the data: the day after Thanksgiving and Christmas Eve."""

_OPENING = time(4)
_QUARTER = Timeframe.M15.duration


class Group(NamedTuple):
    """A bucket starting at ``label``: it holds the session's m15 buckets number ``first`` to ``last - 1``."""

    label: datetime
    first: int
    last: int


def session_close(session: date) -> time:
    """New York wall time at which the extended session ends."""
    return time(17) if session in HALF_DAYS else time(20)


def midnight(session: date) -> datetime:
    """The label of the session's d1 bar, in UTC: 04:00Z in summer, 05:00Z in winter."""
    return datetime.combine(session, time(), NEW_YORK).astimezone(UTC)


def local_date(instant: datetime) -> date:
    """The New York date of an instant; for any bar label it is the date of the bar's session."""
    return instant.astimezone(NEW_YORK).date()


@cache
def quarter_labels(session: date) -> tuple[datetime, ...]:
    """Starts of the session's m15 buckets, in UTC and in order: 64, or 52 on a half day."""
    opening = datetime.combine(session, _OPENING, NEW_YORK).astimezone(UTC)
    hours = session_close(session).hour - _OPENING.hour
    return tuple(opening + _QUARTER * number for number in range(hours * 4))


@cache
def hour_groups(session: date, timeframe: Timeframe) -> tuple[Group, ...]:
    """The session's h1 or h4 buckets in order; together they hold every m15 bucket once.

    In winter the first and last h4 buckets hang over the session, and the last one bears the next UTC date.
    """
    labels = quarter_labels(session)
    hours = int(timeframe.duration / timedelta(hours=1))
    starts = [label.replace(hour=label.hour - label.hour % hours, minute=0) for label in labels]
    firsts = [number for number, start in enumerate(starts) if number == 0 or start != starts[number - 1]]
    lasts = [*firsts[1:], len(labels)]
    return tuple(Group(starts[first], first, last) for first, last in zip(firsts, lasts, strict=True))


def latest_closed_label(timeframe: Timeframe, as_of: datetime) -> datetime:
    """The latest instant at which a bucket may begin and yet be closed at ``as_of``.

    A d1 bucket counts as closed when its extended session has ended.
    """
    if timeframe is not Timeframe.D1:
        return as_of - timeframe.duration
    local = as_of.astimezone(NEW_YORK)
    closed = local.time() >= session_close(local.date())
    return midnight(local.date() if closed else local.date() - timedelta(days=1))
