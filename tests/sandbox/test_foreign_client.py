"""The vendor's own client gets from the stand-in what the stand-in holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.sandbox.history import Bar, recorded_history
from reconciler.sandbox.server import Sandbox
from reconciler.timeframes import Timeframe

SYMBOLS = ["MSFT", "AAPL", "IBM", "NOPE"]
START, END = datetime(2009, 10, 19, tzinfo=UTC), datetime(2010, 3, 19, tzinfo=UTC)


@pytest.mark.slow
def test_alpaca_py_gets_every_bar_over_several_pages() -> None:
    historical = pytest.importorskip("alpaca.data.historical")
    requests = pytest.importorskip("alpaca.data.requests")
    frames = pytest.importorskip("alpaca.data.timeframe")
    names = {
        Timeframe.M15: frames.TimeFrame(15, frames.TimeFrameUnit.Minute),
        Timeframe.H1: frames.TimeFrame.Hour,
        Timeframe.H4: frames.TimeFrame(4, frames.TimeFrameUnit.Hour),
        Timeframe.D1: frames.TimeFrame.Day,
    }
    with Sandbox() as sandbox:
        client = historical.StockHistoricalDataClient("k", "s", url_override=sandbox.url)
        for timeframe, name in names.items():
            request = requests.StockBarsRequest(symbol_or_symbols=SYMBOLS, timeframe=name, start=START, end=END)
            got = client.get_stock_bars(request).data
            held = {symbol: list(recorded_history().bars(symbol, timeframe, START, END)) for symbol in SYMBOLS}

            assert {symbol: [as_held(bar) for bar in bars] for symbol, bars in got.items()} == {
                symbol: bars for symbol, bars in held.items() if bars
            }
        client._session.close()

        # 3 x 96 sessions x 64 quarters are two pages; all else fits one.
        assert [record.token for record in sandbox.requests] == [True, False, False, False, False]


def as_held(bar: Any) -> Bar:
    volume, trades = int(bar.volume), int(bar.trade_count)
    return Bar(bar.timestamp, bar.open, bar.high, bar.low, bar.close, volume, trades, bar.vwap)
