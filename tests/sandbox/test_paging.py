"""A walk along the tokens finds every bar once, in the provider's order."""

from __future__ import annotations

import re
from datetime import date
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asker import Asker, make_asker

from reconciler.sandbox.history import SyntheticHistory, recorded_history

WEEK = {"start": "2010-08-09", "end": "2010-08-13"}
THREE = {"symbols": "XOM,AAPL,IBM", "timeframe": "15Min", **WEEK}
PER_SYMBOL = 5 * 64


def flat(page: Any) -> list[tuple[str, str]]:
    return [(symbol, bar["t"]) for symbol in sorted(page["bars"]) for bar in page["bars"][symbol]]


@given(
    symbols=st.lists(st.sampled_from([*recorded_history().symbols()[:6], "NOPE"]), min_size=1, unique=True),
    timeframe=st.sampled_from(["15Min", "1Hour", "4Hour", "1Day"]),
    limit=st.integers(3, 400),
    sort=st.sampled_from(["asc", "desc"]),
)
def test_a_walk_equals_the_unpaged_answer(symbols: list[str], timeframe: str, limit: int, sort: str) -> None:
    asker = make_asker()
    query = {
        "symbols": ",".join(symbols),
        "timeframe": timeframe,
        "sort": sort,
        "start": "2010-08-12",
        "end": "2010-08-13",
    }

    whole = flat(asker.json(**query, limit=10_000))
    pages = [flat(page) for page in asker.walk(**query, limit=limit)]

    assert list(chain.from_iterable(pages)) == whole
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == max(1, -(-len(whole) // limit))


def test_symbols_are_filled_alphabetically_one_after_the_other(asker: Asker) -> None:
    counts = [{symbol: len(bars) for symbol, bars in page["bars"].items()} for page in asker.walk(**THREE, limit=400)]

    assert counts == [{"AAPL": 320, "IBM": 80}, {"IBM": 240, "XOM": 160}, {"XOM": 160}]


def test_an_exactly_full_last_page_has_no_token(asker: Asker) -> None:
    assert asker.json(**THREE, limit=3 * PER_SYMBOL)["next_page_token"] is None
    assert asker.json(**THREE, limit=3 * PER_SYMBOL - 1)["next_page_token"] is not None


def test_a_full_page_before_symbols_without_bars_is_the_last(asker: Asker) -> None:
    query = THREE | {"symbols": "AAPL,ZZZZ"}

    assert asker.json(**query, limit=PER_SYMBOL)["next_page_token"] is None


def test_a_token_leads_to_the_same_page_each_time(asker: Asker) -> None:
    token = asker.json(**THREE, limit=100)["next_page_token"]
    first, second = (asker.json(**THREE, limit=100, page_token=token) for _ in range(2))

    assert first["bars"] == second["bars"]
    assert flat(first)[0] == ("AAPL", "2010-08-10T17:00:00Z")


@pytest.mark.parametrize(
    "changes",
    [{"limit": 101}, {"symbols": "AAPL,IBM"}, {"end": "2010-08-14"}, {"timeframe": "1Hour"}, {"feed": "sip"}],
    ids=str,
)
def test_a_token_is_refused_beside_other_parameters(asker: Asker, changes: dict[str, object]) -> None:
    token = asker.json(**THREE, limit=100)["next_page_token"]

    assert asker.refusal(**THREE | {"limit": 100, "page_token": token} | changes) == (400, "invalid page_token")


def test_a_token_is_refused_for_another_symbols_path(asker: Asker) -> None:
    query: dict[str, object] = {"timeframe": "15Min", **WEEK, "limit": 100}
    token = asker.json("/v2/stocks/AAPL/bars", **query)["next_page_token"]

    assert asker.refusal("/v2/stocks/IBM/bars", **query, page_token=token) == (400, "invalid page_token")
    assert len(asker.json("/v2/stocks/AAPL/bars", **query, page_token=token)["bars"]) == 100


def test_tokens_never_repeat_and_say_nothing(asker: Asker) -> None:
    tokens = [page["next_page_token"] for page in asker.walk(**THREE, limit=50)][:-1]

    assert len(tokens) == len(set(tokens)) == 19
    assert not any("AAPL" in token or re.search(r"\d{8}", token) for token in tokens)


def test_descending_pages_run_back_in_time(asker: Asker) -> None:
    times = [bar["t"] for page in asker.walk(**THREE, sort="desc", limit=400) for bar in page["bars"].get("AAPL", [])]

    assert len(times) == PER_SYMBOL
    assert all(before > after for before, after in pairwise(times))


def test_the_order_of_keys_is_no_order_but_the_same_each_time(asker: Asker) -> None:
    history = recorded_history()
    symbols = [symbol for symbol in history.symbols() if len(history.sessions(symbol)) == 245][:40]
    query = {"symbols": ",".join(symbols), "timeframe": "1Day", **WEEK}
    first, second = (list(asker.json(**query)["bars"]) for _ in range(2))

    assert first == second != sorted(first)
    assert sorted(first) == symbols


def test_an_unknown_symbol_is_an_absent_key(asker: Asker) -> None:
    assert list(asker.json(**THREE | {"symbols": "ZZZZ,AAPL"})["bars"]) == ["AAPL"]
    assert asker.json(**THREE | {"symbols": "ZZZZ"}) == {"bars": {}, "next_page_token": None}


def test_the_single_endpoints_shape(asker: Asker) -> None:
    query = {"timeframe": "1Day", **WEEK}
    page = asker.json("/v2/stocks/AAPL/bars", **query)

    assert page.keys() == {"bars", "next_page_token", "symbol"}
    assert (page["bars"], page["symbol"]) == (asker.json(**query, symbols="AAPL")["bars"]["AAPL"], "AAPL")
    assert asker.json("/v2/stocks/ZZZZ/bars", **query) == {"bars": None, "next_page_token": None, "symbol": "ZZZZ"}


def test_bars_have_the_eight_fields_and_whole_prices_no_fraction(asker: Asker) -> None:
    body = asker.answer(symbols="A", timeframe="1Day", start="2009-08-25", end="2009-08-25").body
    # WPO opened at 445 on 2009-12-29.
    whole = asker.answer(symbols="WPO", timeframe="1Day", start="2009-12-29", end="2009-12-29").body

    assert body.startswith(
        b'{"bars":{"A":[{"t":"2009-08-25T04:00:00Z","o":25.5,"h":25.7,"l":25.225,"c":25.34,"v":30891,"n":'
    )
    assert b'"o":445,' in whole


def test_thousands_of_tickers_can_be_served() -> None:
    tickers = [a + b + c for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXY" for c in "ABCDEFGHIJKLMNOPQRST"]
    asker = make_asker(SyntheticHistory(tickers, [date(2010, 8, 19), date(2010, 8, 20)]))
    pages = [
        page
        for at in range(0, len(tickers), 500)
        for page in asker.walk(
            symbols=",".join(tickers[at : at + 500]),
            timeframe="4Hour",
            start="2010-08-19",
            end="2010-08-20",
            limit=10_000,
        )
    ]

    assert len(pages) == 10
    assert sum(len(flat(page)) for page in pages) == 5_000 * 2 * 4
