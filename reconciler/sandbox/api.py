"""The provider's bars endpoints without the network: a request in, a whole answer out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from reconciler.sandbox.history import History
from reconciler.sandbox.limits import Grant, RateLimiter
from reconciler.sandbox.paging import Page, TokenBook, cut_page
from reconciler.sandbox.query import RefusedError, parse_query

_MULTI_PATH = "/v2/stocks/bars"
_SINGLE_PATH = re.compile(r"/v2/stocks/([^/]+)/bars")
_URL_BYTES_MAX = 8_192
_FREE_PLAN_PER_MINUTE = 200
_HTML_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n"
    "<center><h1>{0}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class Request(NamedTuple):
    """A GET request; header names are in lower case, ``now`` is in seconds of a monotonic clock."""

    path: str
    query: str
    headers: Mapping[str, str]
    now: float

    @property
    def parameters(self) -> dict[str, str]:
        """Query parameters in the order sent; of a repeated one the first holds."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return dict(reversed(pairs)) if len(pairs) != len(dict(pairs)) else dict(pairs)

    @property
    def symbol(self) -> str | None:
        """The ticker in the path of the single-symbol endpoint."""
        match = _SINGLE_PATH.fullmatch(self.path)
        return unquote(match[1]) if match else None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The tickers asked for, as they were sent, lawful or not."""
        asked = self.symbol or self.parameters.get("symbols", "")
        return tuple(asked.split(",")) if asked else ()


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; ``bar_count`` and ``has_next`` are for the log."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    grant: Grant | None = None
    bar_count: int = 0
    has_next: bool = False


@dataclass
class BarsApi:
    """``GET /v2/stocks/bars`` and ``/v2/stocks/{symbol}/bars`` over a history, at the standing time ``as_of``.

    Any two keys are accepted. An account of up to 200 requests a minute is a free one: it may not see the
    last 15 minutes of SIP.
    """

    history: History
    as_of: datetime
    limiter: RateLimiter | None
    requests_per_minute: int | None
    tokens: TokenBook = field(default_factory=TokenBook)

    def answer(self, request: Request) -> Answer:
        """The answer to one request; every request that reaches the limiter is charged, lawful or not."""
        if len(request.path) + 1 + len(request.query) > _URL_BYTES_MAX:
            return _html(414, "414 Request-URI Too Large")
        if request.path != _MULTI_PATH and request.symbol is None:
            return Answer(404, b"Not Found", content_type="text/plain; charset=utf-8")
        key_id = request.headers.get("apca-api-key-id")
        if not key_id or not request.headers.get("apca-api-secret-key"):
            return _html(401, "401 Authorization Required")
        grant = self.limiter.take(key_id, request.now) if self.limiter else None
        if self.limiter and grant is None:
            return Answer(429, b'{"message": "too many requests."}\n')
        try:
            return self._page(request, grant)
        except RefusedError as refusal:
            return Answer(refusal.status, msgspec.json.encode({"message": refusal.message}))

    def _page(self, request: Request, grant: Grant | None) -> Answer:
        parameters = request.parameters
        delayed = self.requests_per_minute is not None and self.requests_per_minute <= _FREE_PLAN_PER_MINUTE
        query = parse_query(parameters, symbol=request.symbol, as_of=self.as_of, delayed=delayed)
        # The path belongs to the chain as well: it holds the symbol of the single-symbol endpoint.
        chain = parameters | {"path": request.path}
        token = parameters.get("page_token")
        position = None if token is None else self.tokens.position(token, chain)
        page = cut_page(self.history, query, position, self.as_of)
        follows = None if page.follows is None else self.tokens.issue(chain, page.follows)
        body = render_page(page, request.symbol, follows, shuffle_seed=request.query)
        return Answer(200, body, grant=grant, bar_count=page.bar_count, has_next=follows is not None)


def render_page(page: Page, symbol: str | None, token: str | None, shuffle_seed: str) -> bytes:
    """The answer's JSON. In the multi-symbol form the keys come in no order, as at the provider."""
    if symbol is None:
        names = list(page.bars)
        Random(shuffle_seed).shuffle(names)  # noqa: S311 - an arbitrary order, not a secret
        envelope: dict[str, object] = {"bars": {name: page.bars[name] for name in names}, "next_page_token": token}
    else:
        envelope = {"bars": page.bars.get(symbol), "next_page_token": token, "symbol": symbol}
    # The provider sends whole prices without a fraction; no text in the answer can hold these bytes.
    return msgspec.json.encode(envelope).replace(b".0,", b",").replace(b".0}", b"}")


def _html(status: int, title: str) -> Answer:
    return Answer(status, _HTML_PAGE.format(title).encode(), content_type="text/html")
