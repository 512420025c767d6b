"""What a bars request asks for, or why it is refused: names, defaults and messages as the provider has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from reconciler.sandbox.grid import NEW_YORK, local_date, midnight
from reconciler.timeframes import Timeframe

RECENCY = timedelta(minutes=15)
"""The free plan sells no SIP bars younger than this."""

_TIMEFRAMES = {
    **dict.fromkeys(("15Min", "15T"), Timeframe.M15),
    **dict.fromkeys(("1Hour", "1H"), Timeframe.H1),
    **dict.fromkeys(("4Hour", "4H"), Timeframe.H4),
    **dict.fromkeys(("1Day", "1D"), Timeframe.D1),
}
_FEEDS = frozenset({"sip", "iex", "otc", "boats"})
_ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
_COMMON = frozenset(
    {"timeframe", "start", "end", "limit", "adjustment", "asof", "feed", "currency", "page_token", "sort"}
)
_SYMBOL = re.compile(r"[A-Z]+(\.[A-Z]+)*")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_NANOSECONDS = re.compile(r"\.\d{6}\d*[1-9]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LIMIT_DEFAULT, _LIMIT_MAX = 1_000, 10_000
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class RefusedError(Exception):
    """The request is answered with ``status`` and a JSON body that holds ``message``."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class Query:
    """A lawful request. ``symbols`` are sorted and unique; ``start`` and ``end`` are both inclusive."""

    symbols: tuple[str, ...]
    timeframe: Timeframe
    start: datetime
    end: datetime
    limit: int
    feed: str
    descending: bool


def parse_query(parameters: Mapping[str, str], *, symbol: str | None, as_of: datetime, delayed: bool) -> Query:
    """The request's meaning at ``as_of``; ``delayed`` accounts may not see the last 15 minutes of SIP.

    ``symbol`` is the one in the path of the single-symbol endpoint. Only m15, h1, h4 and d1 are held here:
    the provider's other timeframes are refused like unknown ones.

    Raises:
        RefusedError: 400 or 403, with the provider's message.

    """
    _check_names(parameters, single=symbol is not None)
    symbols = _parse_symbols(parameters) if symbol is None else _checked_symbols([symbol])
    timeframe = _parse_timeframe(parameters)
    newest = as_of - RECENCY if delayed else as_of
    start = _parse_start(parameters, min(midnight(local_date(as_of)), newest))
    end = _parse_end(parameters, newest)
    if end < start:
        raise RefusedError(400, "end should not be before start")
    _check_options(parameters)
    feed = parameters.get("feed", "sip")
    if delayed and feed == "sip" and end > newest:
        raise RefusedError(403, "subscription does not permit querying recent SIP data")
    descending = parameters.get("sort") == "desc"
    limit = _parse_limit(parameters)
    return Query(symbols, timeframe, max(start, _EARLIEST), max(end, _EARLIEST), limit, feed, descending)


def _check_names(parameters: Mapping[str, str], *, single: bool) -> None:
    known = _COMMON if single else _COMMON | {"symbols"}
    unexpected = [name for name in parameters if name not in known]
    if unexpected:
        raise RefusedError(400, f"unexpected parameter(s): {', '.join(unexpected)}")


def _parse_symbols(parameters: Mapping[str, str]) -> tuple[str, ...]:
    text = parameters.get("symbols", "")
    if not text:
        raise RefusedError(400, "Invalid format for parameter symbols: query parameter 'symbols' is required")
    return _checked_symbols(text.split(","))


def _checked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Sorted and unique; the first malformed one is named and fails the whole request, as at the provider."""
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise RefusedError(400, f"invalid symbol: {symbol}")
    return tuple(sorted(set(symbols)))


def _parse_timeframe(parameters: Mapping[str, str]) -> Timeframe:
    text = parameters.get("timeframe", "")
    if not text:
        raise RefusedError(400, "Invalid format for parameter timeframe: query parameter 'timeframe' is required")
    if text not in _TIMEFRAMES:
        raise RefusedError(400, f"invalid timeframe: {text}")
    return _TIMEFRAMES[text]


def _parse_start(parameters: Mapping[str, str], default: datetime) -> datetime:
    text = parameters.get("start")
    if text is None:
        return default
    start = _parse_time("start", text, time.min)
    # A datetime drops nanoseconds; rounding up keeps out a bar that begins just before.
    return start + timedelta(microseconds=1) if _NANOSECONDS.search(text) else start


def _parse_end(parameters: Mapping[str, str], default: datetime) -> datetime:
    text = parameters.get("end")
    return default if text is None else _parse_time("end", text, time.max)


def _parse_time(name: str, text: str, time_of_day: time) -> datetime:
    """A bare date means that time of the New York day."""
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time_of_day, NEW_YORK).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    reason = f'parsing time "{text}" as "2006-01-02": cannot parse "{text}" as "2006"'
    raise RefusedError(
        400,
        f"Invalid format for parameter {name}: error parsing '{text}' as RFC3339 or 2006-01-02 time: {reason}",
    )


def _parse_limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", str(_LIMIT_DEFAULT))
    if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        raise RefusedError(400, f"Invalid format for parameter limit: error parsing '{text}' as integer")
    if not 1 <= int(text) <= _LIMIT_MAX:
        raise RefusedError(400, f"invalid limit: {text}, must be between 1 and {_LIMIT_MAX}")
    return int(text)


def _check_options(parameters: Mapping[str, str]) -> None:
    """The parameters that do not change what is served here, but are refused by the provider if malformed."""
    lawful: dict[str, Callable[[str], object]] = {
        "feed": _FEEDS.__contains__,
        "adjustment": lambda text: _ADJUSTMENTS.issuperset(text.split(",")),
        "sort": ("asc", "desc").__contains__,
        "currency": re.compile(r"[A-Z]{3}").fullmatch,
        "asof": _is_asof,
    }
    for name, is_lawful in lawful.items():
        text = parameters.get(name)
        if text is not None and not is_lawful(text):
            raise RefusedError(400, f"invalid {name}: {text}")


def _is_asof(text: str) -> bool:
    if text == "-":
        return True
    try:
        return bool(_DATE.fullmatch(text)) and date.fromisoformat(text) >= date.min
    except ValueError:
        return False
