from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.alpaca.wire import BarsQuery, PageGuard, build_parameters, parse_error, parse_page
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

START = datetime(2010, 8, 19, 8, tzinfo=UTC)
BAR = b'{"t":"2010-08-19T08:00:00Z","o":1,"h":2.5,"l":0.5,"c":2,"v":100,"n":3,"vw":1.25}'


def query(*symbols: str, timeframe: Timeframe = Timeframe.M15) -> BarsQuery:
    return BarsQuery(symbols, timeframe, START, START + timedelta(hours=1, milliseconds=-1), "sip", "raw")


def test_first_page_has_no_token_and_full_instants() -> None:
    assert build_parameters(query("AAPL", "BRK.B"), None) == {
        "symbols": "AAPL,BRK.B",
        "timeframe": "15Min",
        "start": "2010-08-19T08:00:00.000Z",
        "end": "2010-08-19T08:59:59.999Z",
        "limit": "10000",
        "adjustment": "raw",
        "feed": "sip",
    }
    assert build_parameters(query("AAPL"), "abc")["page_token"] == "abc"


def test_instants_are_sent_in_utc() -> None:
    east = START.astimezone(timezone(timedelta(hours=9)))
    moved = BarsQuery(("AAPL",), Timeframe.D1, east, east + timedelta(days=1), "iex", "raw")
    assert build_parameters(moved, None)["start"] == "2010-08-19T08:00:00.000Z"


def test_every_timeframe_has_a_name_of_its_own() -> None:
    names = [build_parameters(query("A", timeframe=tf), None)["timeframe"] for tf in Timeframe]
    assert names == ["15Min", "1Hour", "4Hour", "1Day"]


@pytest.mark.parametrize(
    "symbol", ["BATCH_1", "US_BATCH_1", "BRK-B", "aapl", "SAAB B.ST", "", "A,B", "AAPL\n", "000660.KS"]
)
def test_label_or_malformed_symbol_never_reaches_the_wire(symbol: str) -> None:
    with pytest.raises(InvalidSymbolError) as caught:
        build_parameters(query("AAPL", symbol), None)
    assert caught.value.symbol == symbol


def test_request_of_too_many_symbols_is_refused() -> None:
    with pytest.raises(BadRequestError, match="batch_size"):
        build_parameters(query(*["A"] * 501), None)


@pytest.mark.parametrize("bars", [b"{}", b"null"])
@pytest.mark.parametrize("token", [b"null", b'""'])
def test_nothing_found_is_an_empty_last_page(bars: bytes, token: bytes) -> None:
    page = parse_page(b'{"bars":' + bars + b',"next_page_token":' + token + b"}", ["AAPL"])
    assert (page.bars, page.next_page_token) == ({}, None)


def test_missing_keys_are_an_empty_last_page() -> None:
    assert parse_page(b"{}", ["AAPL"]).next_page_token is None


def test_empty_page_may_have_a_token() -> None:
    assert parse_page(b'{"bars":{},"next_page_token":"more"}', ["AAPL"]).next_page_token == "more"


def test_bar_is_read_with_its_types() -> None:
    (bar,) = parse_page(b'{"bars":{"AAPL":[' + BAR + b'],"X":[]},"next_page_token":null}', ["AAPL", "X"]).bars["AAPL"]
    assert (bar.ts, bar.open, bar.close, bar.volume, bar.trade_count, bar.vwap) == (START, 1, 2, 100, 3, 1.25)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>bad gateway</html>",
        b'{"bars":{"AAPL":[' + BAR,
        b'{"bars":{"AAPL":[' + BAR.replace(b'"o":1', b'"o":"1"') + b"]}}",
        b'{"bars":{"AAPL":[{"t":"2010-08-19T08:00:00Z"}]}}',
        b'{"bars":{"AAPL":[' + BAR.replace(b"00Z", b"00") + b"]}}",
        b'{"bars":{"MSFT":[' + BAR + b"]}}",
        b'{"bars":[],"next_page_token":7}',
        b"\xff\xfe",
        b'{"bars":{"AAPL":null}}',
        b'{"bars":{"AAPL":[' + BAR.replace(b"100", b"1e999") + b"]}}",
        b'{"deep":' + b"[" * 100_000,
    ],
)
def test_anything_else_is_tried_again_and_never_quoted(body: bytes) -> None:
    with pytest.raises(TransientError) as caught:
        parse_page(body, ["AAPL"])
    assert "html" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_or_a_transient_error(body: bytes) -> None:
    with suppress(TransientError):
        parse_page(body, ["AAPL"])


@given(
    st.dictionaries(
        st.sampled_from(["AAPL", "BRK.B"]),
        st.lists(st.tuples(st.integers(0, 10**6), st.floats(0.0001, 1e6), st.integers(1, 2**60))),
    ),
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_bars_survive_the_wire(rows: dict[str, list[tuple[int, float, int]]], token: str | None) -> None:
    sent = {
        symbol: [
            {"t": START + timedelta(minutes=m), "o": p, "h": p, "l": p, "c": p, "v": v, "n": v, "vw": p}
            for m, p, v in bars
        ]
        for symbol, bars in rows.items()
    }
    page = parse_page(msgspec.json.encode({"bars": sent, "next_page_token": token}), ["AAPL", "BRK.B"])
    got = {s: [(b.ts, b.open, b.volume) for b in bars] for s, bars in page.bars.items()}
    assert got == {s: [(b["t"], b["o"], b["v"]) for b in bars] for s, bars in sent.items()}
    assert page.bar_count == sum(map(len, rows.values()))
    assert page.next_page_token == token


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"message":"end should not be before start"}', BadRequestError),
        (401, b"<html>401 Authorization Required</html>", AuthenticationError),
        (403, b'{"message":"subscription does not permit querying recent SIP data"}', EntitlementError),
        (404, b"Not Found", BadRequestError),
        (408, b"", TransientError),
        (414, b"<html>", BadRequestError),
        (422, b'{"code":42210000,"message":"Invalid query parameter"}', BadRequestError),
        (429, b'{"message": "too many requests."}', RateLimitedError),
        (500, b"", TransientError),
        (502, b"<html>", TransientError),
        (503, b"<html>", TransientError),
        (504, b"<html>", TransientError),
        (302, b"", BadRequestError),
    ],
)
def test_each_status_has_its_kind(status: int, body: bytes, kind: type[ProviderError]) -> None:
    assert type(parse_error(status, body)) is kind


@pytest.mark.parametrize(
    "message", ["invalid symbol: BRK-B", "code=400, message=invalid symbol: BRK-B", "Invalid symbol: BRK-B."]
)
def test_symbol_that_the_provider_names_is_found(message: str) -> None:
    error = parse_error(400, msgspec.json.encode({"message": message}))
    assert isinstance(error, InvalidSymbolError)
    assert error.symbol == "BRK-B"


ANY_BODY = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=400).map(lambda message: msgspec.json.encode({"message": message})),
    st.text(max_size=400).map(lambda name: msgspec.json.encode({"message": f"invalid symbol: {name}"})),
)


@given(st.integers(-1, 2000), ANY_BODY)
def test_any_refusal_is_one_short_line(status: int, body: bytes) -> None:
    error = parse_error(status, body)
    assert isinstance(error, ProviderError)
    assert len(str(error)) < 260
    assert str(error).isprintable()
    if isinstance(error, InvalidSymbolError):
        assert error.symbol.isprintable()


def test_refusal_keeps_no_control_letters_and_no_nul() -> None:
    error = parse_error(400, b'{"message":"a\\u0000b\\u001b[31m\\nc"}')
    assert str(error) == "the provider refused the request (400): a b [31m c"


def test_refusal_too_deep_to_read_is_still_typed() -> None:
    assert type(parse_error(400, b'{"x":' + b"[" * 100_000)) is BadRequestError


def test_guard_ends_a_chain_that_repeats_or_never_ends() -> None:
    repeating = PageGuard(100)
    repeating.check("a")
    repeating.check("b")
    with pytest.raises(PagingError, match="twice"):
        repeating.check("a")
    endless = PageGuard(3)
    endless.check("1")
    endless.check("2")
    with pytest.raises(PagingError, match="3 pages"):
        endless.check("3")
    exact = PageGuard(3)
    for token in ("1", "2", None):
        exact.check(token)
