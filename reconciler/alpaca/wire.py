"""The provider's wire format: parameters out, JSON in. Pure: no HTTP, no clock.

Facts are the vendor's OpenAPI document (``GET /v2/stocks/bars``) and recorded answers of the real service.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from reconciler.bars import Bar, Page
from reconciler.errors import (
    AuthenticationError,
    BadRequestError,
    EntitlementError,
    InvalidSymbolError,
    PagingError,
    ProviderError,
    RateLimitedError,
    TransientError,
)
from reconciler.timeframes import Timeframe

TIMEFRAME_NAMES = {
    Timeframe.M15: "15Min",
    Timeframe.H1: "1Hour",
    Timeframe.H4: "4Hour",
    Timeframe.D1: "1Day",
}
"""The provider's names; closed, so that an unknown timeframe can never be asked for as another."""

ROW_LIMIT = 10_000
"""The most rows a page holds, over all symbols together; more is refused (400), not cut."""

MAX_SYMBOLS = 500
"""518 symbols were answered; the true limit is not documented."""

_SYMBOL = re.compile(r"[A-Z]+(\.[A-Z]+)*", re.ASCII)
_NAMED_SYMBOL = re.compile(r"invalid symbol: *([^\s\"',}]+)", re.IGNORECASE)
_MESSAGE_LIMIT = 160
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What bytes that are not the JSON hoped for raise; the last for a hundred thousand brackets."""


@dataclass(frozen=True)
class BarsQuery:
    """One chain of pages: everything but the token, fixed before the first page. Both bounds are inclusive."""

    symbols: tuple[str, ...]
    timeframe: Timeframe
    start: datetime
    end: datetime
    feed: str
    adjustment: str


class _Answer(msgspec.Struct):
    """What is read of an answer; fields not named here are ignored."""

    bars: dict[str, list[Bar]] | None = None
    next_page_token: str | None = None


class _Refusal(msgspec.Struct):
    message: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_REFUSAL = msgspec.json.Decoder(_Refusal)


def build_parameters(query: BarsQuery, page_token: str | None) -> dict[str, str]:
    """The query string's parameters; the token is left out on the first page (an empty one is a 400).

    Raises InvalidSymbolError for a label or any other form that would make the provider refuse the whole request,
    BadRequestError for more symbols than one request should carry.
    """
    for symbol in query.symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise InvalidSymbolError(f"{symbol!r} is not a ticker; it was not sent", symbol=symbol)
    if not 0 < len(query.symbols) <= MAX_SYMBOLS:
        raise BadRequestError(f"{len(query.symbols)} symbols in one request; lower batch_size to {MAX_SYMBOLS} or less")
    parameters = {
        "symbols": ",".join(query.symbols),
        "timeframe": TIMEFRAME_NAMES[query.timeframe],
        "start": _instant(query.start),
        "end": _instant(query.end),
        "limit": str(ROW_LIMIT),
        "adjustment": query.adjustment,
        "feed": query.feed,
    }
    return parameters if page_token is None else {**parameters, "page_token": page_token}


def _instant(moment: datetime) -> str:
    """RFC 3339 in UTC; a bare date would mean a whole day to the provider."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_page(body: bytes, symbols: Collection[str]) -> Page:
    """An answer with status 200. ``bars`` may be null or missing (nothing found), as may the token (last page).

    Raises TransientError for anything else: HTML, cut JSON, text for numbers, bars of a ticker not asked for.
    The body is never quoted.
    """
    try:
        answer = _ANSWER.decode(body)
    except _UNREADABLE as error:
        raise TransientError(f"the provider answered 200 with {len(body)} bytes that are no page of bars") from error
    bars = answer.bars or {}
    stray = bars.keys() - set(symbols)
    if stray:
        raise TransientError(f"the provider answered bars of {len(stray)} symbols that were not asked for")
    return Page(bars, answer.next_page_token or None)


def parse_error(status: int, body: bytes) -> ProviderError:
    """The error for a status other than 200; bodies may be JSON, HTML or nothing."""
    message = _message(body)
    if status >= 500:
        return TransientError(f"the provider failed ({status})")
    match status:
        case 401:
            # Seen: an HTML page of the web server, the same for a wrong and for a missing key.
            return AuthenticationError("the provider refused the API keys (401). Check APCA_API_KEY_ID and its secret")
        case 403:
            return EntitlementError(f"the account may not ask for this (403): {message or 'no reason given'}")
        case 408:
            return TransientError("the provider timed out (408)")
        case 429:
            return RateLimitedError("the provider's request limit is reached (429)")
        case _:
            return _refusal(status, message)


def _refusal(status: int, message: str) -> BadRequestError:
    if status == 414:
        return BadRequestError("the request's address is too long (414); lower batch_size")
    named = _NAMED_SYMBOL.search(message) if status in (400, 422) else None
    if named:
        symbol = named[1].rstrip(".")
        return InvalidSymbolError(f"the provider refused the symbol {symbol} ({status})", symbol=symbol)
    return BadRequestError(f"the provider refused the request ({status}): {message or 'no reason given'}")


def _message(body: bytes) -> str:
    """The reason given, on one line and cut; empty for HTML and the like."""
    try:
        message = _REFUSAL.decode(body).message
    except _UNREADABLE:
        return ""
    # The text goes to a terminal and to a column, which takes no NUL.
    printable = "".join(letter if letter.isprintable() else " " for letter in message)
    return " ".join(printable.split())[:_MESSAGE_LIMIT]


class PageGuard:
    """Ends a chain of pages that would not end by itself."""

    def __init__(self, most_pages: int) -> None:
        self._most_pages = most_pages
        self._pages = 0
        self._tokens: set[str] = set()

    def check(self, next_page_token: str | None) -> None:
        """Call once a page, before it is stored. Raises PagingError for a token seen before or one page too many."""
        self._pages += 1
        if next_page_token is None:
            return
        if next_page_token in self._tokens:
            raise PagingError("the provider answered the same page token twice")
        if self._pages >= self._most_pages:
            raise PagingError(f"the chain of pages did not end after {self._pages} pages")
        self._tokens.add(next_page_token)
