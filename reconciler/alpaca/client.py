"""The provider's HTTP API; the only module that speaks HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx

from reconciler import __version__
from reconciler.alpaca.wire import BarsQuery, build_parameters, parse_error, parse_page
from reconciler.bars import Page
from reconciler.errors import AuthenticationError, ReconcilerError, TransientError

BARS_PATH = "/v2/stocks/bars"
LOOPBACK = "loopback"

_TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=10.0, pool=30.0)
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=32)


@dataclass(frozen=True)
class Answer:
    """A page, and the requests a minute that the provider says it allows (None when it does not say)."""

    page: Page
    rate_limit: int | None


class Client:
    """One account at one base URL. Safe to share between threads; connections are kept alive.

    It never retries by itself, since every request costs a slot of the account's budget, and never follows
    a redirect, so that the keys in its headers go nowhere else.
    """

    def __init__(self, base_url: str, key_id: str, secret: str, *, timeout: httpx.Timeout = _TIMEOUT) -> None:
        self.host = host_of(base_url)
        if not (key_id.isascii() and secret.isascii()):
            raise AuthenticationError("the API keys hold letters that no key has; copy them again")
        self._http = httpx.Client(
            base_url=base_url,
            headers={
                "APCA-API-KEY-ID": key_id,
                "APCA-API-SECRET-KEY": secret,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"reconciler/{__version__}",
            },
            timeout=timeout,
            limits=_LIMITS,
            follow_redirects=False,
            # HTTP_PROXY is for hosts elsewhere: a proxy cannot reach this machine's loopback address.
            trust_env=self.host != LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def fetch_page(self, query: BarsQuery, page_token: str | None) -> Answer:
        """One page, by exactly one HTTP request (none when a symbol's form is wrong).

        Raises a ProviderError: what the status or body means, or TransientError when no whole answer came.
        """
        parameters = build_parameters(query, page_token)
        try:
            response = self._http.get(BARS_PATH, params=parameters)
        except httpx.HTTPError as error:
            raise TransientError(f"no answer from the provider: {type(error).__name__}") from error
        if response.status_code != httpx.codes.OK:
            raise parse_error(response.status_code, response.content)
        return Answer(parse_page(response.content, query.symbols), _rate_limit(response))


def _rate_limit(response: httpx.Response) -> int | None:
    text = response.headers.get("X-RateLimit-Limit", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def host_of(base_url: str) -> str:
    """The host that a dataset is bound to; every loopback address is the same one.

    Raises ReconcilerError when the text is not an http(s) URL.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ReconcilerError(f"APCA_API_DATA_URL is not an http(s) address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ReconcilerError("APCA_API_DATA_URL is not an http(s) address; write it with its https://")
    host = url.host.lower()
    return LOOPBACK if host == "localhost" or _is_loopback(host) else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
