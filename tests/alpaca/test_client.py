"""One request, one answer or one typed error, against real sockets."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.alpaca.client import Client, host_of
from reconciler.alpaca.wire import BarsQuery
from reconciler.errors import (
    AuthenticationError,
    BadRequestError,
    EntitlementError,
    InvalidSymbolError,
    RateLimitedError,
    ReconcilerError,
    TransientError,
)
from reconciler.sandbox.history import recorded_history
from reconciler.sandbox.server import Sandbox
from reconciler.timeframes import Timeframe

START = datetime(2010, 8, 19, 8, tzinfo=UTC)
QUERY = BarsQuery(("AAPL",), Timeframe.M15, START, START + timedelta(hours=1), "sip", "raw")
EMPTY = b'{"bars":{},"next_page_token":null}'
# The web server's own page, which the provider sends in place of JSON.
HTML = b"<html>\r\n<head><title>Error</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    body = EMPTY
    headers_sent: Mapping[str, str] = {}
    mode = "whole"
    seen: list[dict[str, str]]
    hold: threading.Event

    def do_GET(self) -> None:
        self.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        if self.mode == "stall":
            self.hold.wait(10)
            return
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body) + (100 if self.mode == "reset" else 0)))
        self.end_headers()
        self.wfile.write(self.body)
        if self.mode == "reset":
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@contextmanager
def answering(**attributes: Any) -> Iterator[tuple[str, type[Handler]]]:
    handler: type[Handler] = type("Own", (Handler,), {"seen": [], "hold": threading.Event(), **attributes})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        handler.hold.set()
        server.shutdown()
        server.server_close()


def test_request_carries_keys_and_asks_for_gzip() -> None:
    with answering() as (url, handler), Client(url, "id", "secret") as client:
        assert client.fetch_page(QUERY, None).page.bars == {}
    (seen,) = handler.seen
    assert (seen["apca-api-key-id"], seen["apca-api-secret-key"]) == ("id", "secret")
    assert seen["accept-encoding"] == "gzip"
    assert seen["path"].startswith("/v2/stocks/bars?symbols=AAPL&timeframe=15Min&")


def test_compressed_answer_is_read() -> None:
    attributes = {"body": gzip.compress(EMPTY), "headers_sent": {"Content-Encoding": "gzip"}}
    with answering(**attributes) as (url, _), Client(url, "id", "secret") as client:
        assert client.fetch_page(QUERY, None).page.next_page_token is None


@pytest.mark.parametrize(
    "body", [EMPTY, b'{"bars":null,"next_page_token":null}', b'{"next_page_token":null}', b'{"bars":{}}', b"{}"]
)
def test_nothing_found_is_an_empty_page_in_every_form(body: bytes) -> None:
    with answering(body=body) as (url, _), Client(url, "id", "secret") as client:
        page = client.fetch_page(QUERY, None).page
    assert (page.bars, page.next_page_token) == ({}, None)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({"X-RateLimit-Limit": "200"}, 200),
        ({"x-ratelimit-limit": "1000"}, 1000),
        ({}, None),
        ({"X-RateLimit-Limit": "x"}, None),
    ],
)
def test_stated_limit_is_read_in_any_case(headers: dict[str, str], limit: int | None) -> None:
    with answering(headers_sent=headers) as (url, _), Client(url, "id", "secret") as client:
        assert client.fetch_page(QUERY, None).rate_limit == limit


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"status": 400, "body": b'{"message":"invalid symbol: BRK-B"}'}, InvalidSymbolError),
        ({"status": 400, "body": b'{"message":"code=400, message=invalid symbol: BRK-B"}'}, InvalidSymbolError),
        ({"status": 400, "body": b'{"message":"invalid timeframe: 3Fortnight"}'}, BadRequestError),
        ({"status": 400, "body": b'{"message":"end should not be before start"}'}, BadRequestError),
        ({"status": 400, "body": b'{"message":"unexpected parameter(s): start, end, limit"}'}, BadRequestError),
        ({"status": 401, "body": HTML}, AuthenticationError),
        (
            {"status": 403, "body": b'{"message":"subscription does not permit querying recent SIP data"}'},
            EntitlementError,
        ),
        ({"status": 403, "body": b'{"code":42210000,"message":"not entitled"}'}, EntitlementError),
        ({"status": 404, "body": b"Not Found"}, BadRequestError),
        ({"status": 414, "body": HTML}, BadRequestError),
        ({"status": 422, "body": b'{"message":"Invalid query parameter"}'}, BadRequestError),
        ({"status": 429, "body": b'{"message": "too many requests."}'}, RateLimitedError),
        ({"status": 500, "body": b'{"message":"internal server error occurred"}'}, TransientError),
        ({"status": 502, "body": HTML}, TransientError),
        ({"status": 503, "body": HTML}, TransientError),
        ({"status": 504, "body": HTML}, TransientError),
        ({"body": HTML}, TransientError),
        ({"body": b'{"bars":{"AA'}, TransientError),
        ({"body": EMPTY[:10], "mode": "reset"}, TransientError),
        ({"body": b"not gzip", "headers_sent": {"Content-Encoding": "gzip"}}, TransientError),
        ({"mode": "stall"}, TransientError),
        ({"body": gzip.compress(EMPTY)[:20], "headers_sent": {"Content-Encoding": "gzip"}}, TransientError),
    ],
    ids=[
        *("symbol", "wrapped symbol", "timeframe", "order", "parameter", "401 html", "403 recent", "403 feed", "404"),
        *("414 html", "422", "429", "500", "502 html", "503 html", "504 html", "200 html", "truncated", "reset"),
        *("bad gzip", "stall", "cut gzip"),
    ],
)
def test_odd_answer_is_a_typed_error_after_one_request(attributes: dict[str, Any], kind: type[Exception]) -> None:
    timeout = httpx.Timeout(0.3)
    with (
        answering(**attributes) as (url, handler),
        Client(url, "id", "very-secret", timeout=timeout) as client,
        pytest.raises(kind) as caught,
    ):
        client.fetch_page(QUERY, None)
    assert type(caught.value) is kind
    assert len(handler.seen) == 1
    assert "very-secret" not in str(caught.value)
    assert "html" not in str(caught.value)


def test_redirect_is_not_followed_so_that_keys_stay() -> None:
    with answering() as (elsewhere, other):
        moved = {"status": 302, "headers_sent": {"Location": f"{elsewhere}/v2/stocks/bars"}}
        with (
            answering(**moved) as (url, _),
            Client(url, "id", "secret") as client,
            pytest.raises(BadRequestError, match="302"),
        ):
            client.fetch_page(QUERY, None)
        assert other.seen == []


@pytest.mark.parametrize("symbol", ["BATCH_1", "US_BATCH_12", "BRK-B", ""])
def test_label_is_refused_before_any_request(symbol: str) -> None:
    query = BarsQuery(("AAPL", symbol), Timeframe.M15, QUERY.start, QUERY.end, "sip", "raw")
    with (
        answering() as (url, handler),
        Client(url, "id", "secret") as client,
        pytest.raises(InvalidSymbolError, match="not sent"),
    ):
        client.fetch_page(query, None)
    assert handler.seen == []


def test_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with answering(status=503) as (proxy, asked), answering() as (url, handler):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        with Client(url, "id", "secret") as client:
            client.fetch_page(QUERY, None)
    assert (len(handler.seen), asked.seen) == (1, [])


@pytest.mark.parametrize(("key_id", "secret"), [("idé", "secret"), ("id", "sécret\u201d")])
def test_key_that_no_header_can_carry_is_refused_unquoted(key_id: str, secret: str) -> None:
    with pytest.raises(AuthenticationError, match="copy them again") as caught:
        Client("http://127.0.0.1:9", key_id, secret)
    assert secret not in str(caught.value)


def test_provider_that_is_not_there_is_tried_again_later() -> None:
    with Client("http://127.0.0.1:9", "id", "secret") as client, pytest.raises(TransientError, match="ConnectError"):
        client.fetch_page(QUERY, None)


def test_walk_over_pages_gets_every_bar_once() -> None:
    symbols = ("GE", "IBM", "XOM")
    query = BarsQuery(symbols, Timeframe.M15, START - timedelta(days=300), START, "sip", "raw")
    got: dict[str, list[datetime]] = {symbol: [] for symbol in symbols}
    pages, token = 0, None
    with Sandbox(requests_per_minute=None) as sandbox, Client(sandbox.url, "id", "secret") as client:
        while pages == 0 or token is not None:
            page = client.fetch_page(query, token).page
            for symbol, bars in page.bars.items():
                got[symbol].extend(bar.ts for bar in bars)
            pages, token = pages + 1, page.next_page_token
        assert len(sandbox.requests) == pages
    assert pages == 4
    history = recorded_history()
    for symbol in symbols:
        assert got[symbol] == [bar.t for bar in history.bars(symbol, Timeframe.M15, query.start, query.end)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://data.alpaca.markets", "data.alpaca.markets"),
        ("https://DATA.alpaca.markets:443/", "data.alpaca.markets"),
        ("http://127.0.0.1:4511", "loopback"),
        ("http://127.9.9.9", "loopback"),
        ("http://[::1]:80", "loopback"),
        ("http://localhost:1", "loopback"),
        ("http://10.0.0.1", "10.0.0.1"),
    ],
)
def test_host_that_a_dataset_is_bound_to(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    ["data.alpaca.markets", "ftp://x", "", "http://", "http://[::1", "http://[x]", "http://h:abc", "http://h\x00x"],
)
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ReconcilerError, match="APCA_API_DATA_URL"):
        host_of(url)
    with pytest.raises(ReconcilerError, match="APCA_API_DATA_URL"):
        Client(url, "id", "secret")


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://", "http://["]))
def test_any_text_is_a_host_or_a_known_error(text: str, scheme: str) -> None:
    try:
        host = host_of(scheme + text)
    except ReconcilerError as error:
        assert "APCA_API_DATA_URL" in str(error)  # noqa: PT017 - either outcome is lawful
    else:
        assert host
        assert host == host.lower()
