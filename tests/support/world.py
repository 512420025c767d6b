"""One database, one provider and one config file, driven as the commands drive them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from reconciler.alpaca.client import Client
from reconciler.apply import Applied, apply_config
from reconciler.desired.loader import load_config
from reconciler.observe import read_plan
from reconciler.planning.plan import Plan
from reconciler.reporting import Status, read_status
from reconciler.runner import Mode, Runner, RunOptions, RunReport
from reconciler.sandbox.requestlog import RequestRecord
from reconciler.sandbox.server import Sandbox
from reconciler.store.connection import connect

NEW_YORK = ZoneInfo("America/New_York")


def evening(day: str) -> datetime:
    """23:59 in New York: every session of that day has closed and settled."""
    return datetime.fromisoformat(f"{day}T23:59:00").replace(tzinfo=NEW_YORK)


@dataclass
class World:
    """What a test drives; requests are counted by the provider, rows by SQL."""

    dsn: str
    sandbox: Sandbox
    folder: Path
    rate: int = 10_000
    concurrency: int = 4
    _seen: int = field(default=0, init=False)

    def write(
        self,
        symbols: Sequence[str],
        *,
        phase: int = 1,
        timeframes: str = "[m15, h1, h4, d1]",
        batch_size: int = 50,
        name: str = "us",
        session: str = "extended",
    ) -> Path:
        """The config file; the paid plan's rate keeps tests from waiting for the limiter."""
        path = self.folder / "universe.yaml"
        path.write_text(
            f"version: 1\nname: {name}\nuniverse: [{', '.join(symbols)}]\ntimeframes: {timeframes}\n"
            f"batch_size: {batch_size}\nactive_phase: {phase}\nprovider: {{dataset: sandbox, session: {session}, "
            f"requests_per_minute: {self.rate}, settle_after: 16m}}\n",
            "utf-8",
        )
        return path

    def plan(self) -> Plan:
        with connect(self.dsn) as connection:
            return read_plan(connection, load_config(self.folder / "universe.yaml"))

    def apply(self) -> Applied:
        with connect(self.dsn) as connection:
            return apply_config(connection, load_config(self.folder / "universe.yaml"), actor="test", git_sha=None)

    def run(self, day: str | datetime, mode: Mode = Mode.UNTIL_IDLE) -> RunReport:
        return self.run_against(self.sandbox.url, day, mode)

    def run_against(self, url: str, day: str | datetime, mode: Mode = Mode.UNTIL_IDLE) -> RunReport:
        as_of = evening(day) if isinstance(day, str) else day
        with Client(url, "key", "secret") as client:
            return Runner(self.dsn, client, RunOptions(mode=mode, as_of=as_of, concurrency=self.concurrency)).run()

    def tick(self, day: str | datetime) -> None:
        """Only the deciding part of a tick: the queue is filled and nothing leaves it."""
        as_of = evening(day) if isinstance(day, str) else day
        with Client(self.sandbox.url, "key", "secret") as client:
            runner = Runner(self.dsn, client, RunOptions(mode=Mode.ONCE, as_of=as_of))
            runner._tick()
            runner._connections.close()

    def status(self, day: str) -> Status:
        with connect(self.dsn) as connection:
            return read_status(connection, evening(day))

    def new_requests(self) -> list[RequestRecord]:
        """The provider's records since the last call."""
        records = self.sandbox.requests
        new, self._seen = records[self._seen :], len(records)
        return new

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with connect(self.dsn) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with connect(self.dsn) as connection:
            connection.execute(statement.encode())

    def bars(self) -> list[tuple[Any, ...]]:
        """Every stored bar in key order, all columns but the times of writing."""
        return self.rows(
            "SELECT s.ticker, b.timeframe, b.ts, b.open, b.high, b.low, b.close, b.volume, b.trade_count, b.vwap, "
            "b.provider FROM intraday_bars b JOIN symbols s ON s.id = b.symbol_id ORDER BY 1, 2, 3, 11"
        )

    def definitions(self) -> list[tuple[Any, ...]]:
        """Every definition, all columns but the times of writing and the revision."""
        return self.rows(
            "SELECT symbol, timeframe, batch_version, id, job_type, enabled, window_days, priority, symbols_array, "
            "batch_number, managed_by, dataset, member_ids FROM job_definitions ORDER BY 1, 2, 3"
        )
