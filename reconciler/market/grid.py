"""The grid of bars: where buckets start, and which of them the market trades in.

The provider labels a bar with the start of its interval, closed left and open right. m15, h1 and h4 lie on
UTC multiples of their length; d1 starts at New York midnight. A *market bucket* is one that overlaps
extended hours; at every timeframe it lies inside the New York day of its session, so none belongs to two.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise

from reconciler.errors import CalendarEndError
from reconciler.jobs import Lane
from reconciler.market.calendar import Calendar, Session, new_york_date, new_york_midnight
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

OVERLAP_BUCKETS = 2
"""Market buckets that a live request reads again: late trades and corrections arrive that way."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)


def floor(timeframe: Timeframe, instant: datetime) -> datetime:
    """Start of the bucket that holds ``instant``, in UTC."""
    if timeframe is Timeframe.D1:
        return new_york_midnight(new_york_date(instant))
    return _EPOCH + (instant - _EPOCH) // timeframe.duration * timeframe.duration


def next_bucket(timeframe: Timeframe, start: datetime) -> datetime:
    """Start of the bucket that follows the one at ``start``; 23 to 25 hours later for d1."""
    if timeframe is Timeframe.D1:
        return new_york_midnight(new_york_date(start) + _DAY)
    return start + timeframe.duration


def market_buckets(calendar: Calendar, timeframe: Timeframe, window: Window) -> list[datetime]:
    """Starts of the market buckets wholly inside ``window``, oldest first, each once.

    Raises CalendarEndError when the window leaves the calendar, as all functions here do.
    """
    line = _market(calendar, timeframe)
    return [line.start(number) for number in _numbers(calendar, line, window)]


def count_buckets(calendar: Calendar, timeframe: Timeframe, window: Window) -> int:
    """How many ``market_buckets`` there are, found without making them."""
    return len(_numbers(calendar, _market(calendar, timeframe), window))


def first_market_bucket(calendar: Calendar, timeframe: Timeframe, window: Window) -> datetime | None:
    """Start of the oldest market bucket wholly inside ``window``; None when there is none."""
    line = _market(calendar, timeframe)
    numbers = _numbers(calendar, line, window)
    return line.start(numbers[0]) if numbers else None


def regular_buckets(calendar: Calendar, timeframe: Timeframe, window: Window) -> frozenset[datetime]:
    """Starts of the market buckets inside ``window`` that overlap the exchange's own hours; all of d1.

    Made once per window, so that asking for each of 10,000 bars on a page costs one look-up. For a request, the
    window runs from its start to the *slice's* end: a d1 request ends within its last bucket, which would be lost.
    """
    line = _regular(calendar, timeframe)
    return frozenset(line.start(number) for number in _numbers(calendar, line, window))


def split_window(calendar: Calendar, timeframe: Timeframe, window: Window, bucket_count: int) -> list[Window]:
    """``window`` in touching pieces of ``bucket_count`` market buckets, the last of 1 to ``bucket_count``.

    A cut lies at the end of the last market bucket that fits, so closed time opens the piece after it; the
    last piece also takes what follows its last bucket. Empty when the window holds no market bucket.
    """
    line = _market(calendar, timeframe)
    numbers = _numbers(calendar, line, window)
    if not numbers:
        return []
    last_fitting = numbers[bucket_count - 1 : -1 : bucket_count]
    cuts = [window.start, *(line.start(number) + line.length for number in last_fitting), window.end]
    return [Window(start, end) for start, end in pairwise(cuts)]


def buckets_before(calendar: Calendar, timeframe: Timeframe, instant: datetime, count: int) -> datetime:
    """Start of the ``count``-th last market bucket that ends at or before ``instant``.

    Counts market buckets, so two before Monday's first are Friday's. Raises CalendarEndError when the
    calendar does not reach back so far.
    """
    calendar.check_day(new_york_date(instant - _INSTANT))
    line = _market(calendar, timeframe)
    number = line.ended_by(instant) - count
    if number < 0:
        raise CalendarEndError(
            f"fewer than {count} {timeframe} buckets before {instant}: the packaged trading calendar begins "
            f"on {calendar.first_day}; ask for a later time"
        )
    return line.start(number)


def wanted(
    calendar: Calendar, timeframe: Timeframe, history_days: int, now: datetime, settle_after: timedelta
) -> Window | None:
    """The time for which bars should be there at ``now``; None while nothing in it has closed and settled.

    Starts at New York midnight of the first session on or after ``now - history_days``, floored to the
    bucket (the calendar's first session when that is younger). Ends with the last market bucket whose end
    lies ``settle_after`` back; a d1 bucket is due ``settle_after`` after its extended close already, and
    counts to its end, New York midnight. Both bounds stand still while the market is closed, and neither
    ever moves back as ``now`` goes on.
    """
    calendar.check_day(new_york_date(now))
    end = _settled_end(calendar, timeframe, now - settle_after)
    if end is None:
        return None
    reach = min(timedelta(days=history_days), now - new_york_midnight(calendar.first_day))
    session = calendar.session_on_or_after(new_york_date(now - reach))
    start = floor(timeframe, session.midnight)
    return Window(start, end) if start < end else None


def request_bounds(calendar: Calendar, timeframe: Timeframe, window: Window, lane: Lane) -> tuple[datetime, datetime]:
    """``start`` and inclusive ``end`` to send for a slice that holds at least one market bucket.

    The same for the same slice at any time, since a page token is bound to the request's exact parameters.
    Live slices start ``OVERLAP_BUCKETS`` market buckets earlier. Both bounds are floored to the bucket (what
    the provider answers for a part of one is not documented); the end is one millisecond before, and for d1
    before the last extended close, so that the day just settled is not asked for in the future.
    """
    if lane is Lane.LIVE:
        start = buckets_before(calendar, timeframe, window.start, OVERLAP_BUCKETS)
    else:
        start = floor(timeframe, window.start)
    end = floor(timeframe, window.end)
    if timeframe is Timeframe.D1:
        end = calendar.session_on_or_before(new_york_date(end - _INSTANT)).extended_close
    return start, end - _MILLISECOND


def _settled_end(calendar: Calendar, timeframe: Timeframe, instant: datetime) -> datetime | None:
    """End of the last market bucket that had closed at ``instant``; for d1, whose extended hours had."""
    line = _market(calendar, timeframe)
    if timeframe is not Timeframe.D1:
        count = line.ended_by(instant)
        return line.start(count - 1) + line.length if count else None
    closed = bisect_right(calendar.all_sessions, instant, key=_extended_close)
    return calendar.all_sessions[closed - 1].next_midnight if closed else None


def _extended_close(session: Session) -> datetime:
    return session.extended_close


@dataclass(frozen=True)
class _BucketLine:
    """All buckets of a calendar, numbered from 0 in order of time; kept as one entry per session.

    ``firsts`` are the first starts per session, ``counts`` its buckets, ``totals`` the number of its first.
    """

    length: timedelta
    firsts: list[datetime]
    counts: list[int]
    totals: list[int]

    def start(self, number: int) -> datetime:
        at = bisect_right(self.totals, number) - 1
        return self.firsts[at] + (number - self.totals[at]) * self.length

    def started_before(self, instant: datetime) -> int:
        """How many buckets start before ``instant``: the number of the first that does not."""
        at = bisect_left(self.firsts, instant) - 1
        if at < 0:
            return 0
        started = -((self.firsts[at] - instant) // self.length)
        return self.totals[at] + min(self.counts[at], started)

    def ended_by(self, instant: datetime) -> int:
        """How many buckets end at or before ``instant``."""
        at = bisect_right(self.firsts, instant) - 1
        if at < 0:
            return 0
        return self.totals[at] + min(self.counts[at], (instant - self.firsts[at]) // self.length)


def _numbers(calendar: Calendar, line: _BucketLine, window: Window) -> range:
    """Numbers of the buckets wholly inside ``window``."""
    calendar.check_day(new_york_date(window.start))
    calendar.check_day(new_york_date(window.end - _INSTANT))
    return range(line.started_before(window.start), line.ended_by(window.end))


@cache
def _market(calendar: Calendar, timeframe: Timeframe) -> _BucketLine:
    """The buckets that overlap extended hours."""
    return _build_line(timeframe, [(day.extended_open, day.extended_close) for day in calendar.all_sessions])


@cache
def _regular(calendar: Calendar, timeframe: Timeframe) -> _BucketLine:
    """The buckets that overlap regular hours."""
    return _build_line(timeframe, [(day.open, day.close) for day in calendar.all_sessions])


def _build_line(timeframe: Timeframe, hours: list[tuple[datetime, datetime]]) -> _BucketLine:
    firsts = [floor(timeframe, opened) for opened, _ in hours]
    length = timeframe.duration
    counts = [-((first - closed) // length) for first, (_, closed) in zip(firsts, hours, strict=True)]
    totals = [0, *accumulate(counts)][:-1]
    return _BucketLine(length, firsts, counts, totals)
