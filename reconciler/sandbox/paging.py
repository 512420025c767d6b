"""Cutting answers into pages, and the tokens that lead from one page to the next."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Lock

from reconciler.sandbox.grid import latest_closed_label
from reconciler.sandbox.history import Bar, History
from reconciler.sandbox.query import Query, RefusedError


@dataclass(frozen=True)
class Position:
    """The first bar of a page: the symbol's bar at ``at``."""

    symbol: str
    at: datetime


@dataclass(frozen=True)
class Page:
    """Bars by symbol, none empty; ``follows`` is where the next page starts, None after the last."""

    bars: dict[str, list[Bar]]
    follows: Position | None

    @property
    def bar_count(self) -> int:
        return sum(map(len, self.bars.values()))


class TokenBook:
    """Tokens given out, each good for ever and only beside the parameters it was given for."""

    def __init__(self) -> None:
        self._chains: dict[str, tuple[int, Position]] = {}
        self._lock = Lock()

    def issue(self, parameters: Mapping[str, str], position: Position) -> str:
        """A new token. It means nothing to anybody: the provider's has changed its meaning twice."""
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._chains[token] = (_fingerprint(parameters), position)
        return token

    def position(self, token: str, parameters: Mapping[str, str]) -> Position:
        """Where the token leads.

        Raises:
            RefusedError: the token is unknown, or belongs to other parameters.

        """
        chain, position = self._chains.get(token, (None, None))
        if position is None or chain != _fingerprint(parameters):
            raise RefusedError(400, "invalid page_token")
        return position


def cut_page(history: History, query: Query, position: Position | None, as_of: datetime) -> Page:
    """Up to ``query.limit`` bars from ``position`` on, filled symbol after symbol in alphabetical order.

    Only buckets closed at ``as_of`` are served.
    """
    end = min(query.end, latest_closed_label(query.timeframe, as_of))
    bars: dict[str, list[Bar]] = {}
    room = query.limit
    for symbol in query.symbols:
        if position is not None and symbol < position.symbol:
            continue
        at = position.at if position is not None and symbol == position.symbol else None
        taken = list(islice(_symbol_bars(history, query, symbol, at, end), room + 1))
        if taken[:room]:
            bars[symbol] = taken[:room]
        if len(taken) > room:
            return Page(bars, Position(symbol, taken[room].t))
        room -= len(taken)
    return Page(bars, None)


def _symbol_bars(history: History, query: Query, symbol: str, at: datetime | None, end: datetime) -> Iterator[Bar]:
    """The symbol's bars in the order asked for, from the one at ``at`` if given."""
    if query.descending:
        last = end if at is None else at
        return reversed(list(history.bars(symbol, query.timeframe, query.start, last)))
    return history.bars(symbol, query.timeframe, query.start if at is None else at, end)


def _fingerprint(parameters: Mapping[str, str]) -> int:
    return hash(frozenset((name, text) for name, text in parameters.items() if name != "page_token"))
