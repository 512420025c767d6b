"""Rows for tests of the store, written through the store itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from reconciler.jobs import JOB_TYPES, Definition, JobKey, Lane, NewRun, Run
from reconciler.store import definitions, limits, revisions, runs
from reconciler.store.connection import Connection, transaction
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

START = datetime(2010, 8, 16, 4, tzinfo=UTC)
OWNER = "us"
DATASET = "alpaca"


def definition(symbol: str, timeframe: Timeframe = Timeframe.H1, *, enabled: bool = True) -> Definition:
    key = JobKey(symbol, timeframe.value, JOB_TYPES[timeframe], 1)
    return Definition(key, enabled, 90, 100, DATASET)


def batch(number: int, symbols: tuple[str, ...], timeframe: Timeframe = Timeframe.H1) -> Definition:
    key = JobKey(f"BATCH_{number}", timeframe.value, JOB_TYPES[timeframe], 2)
    return Definition(
        key, enabled=True, window_days=90, priority=100, dataset=DATASET, batch_number=number, symbols=symbols
    )


def insert(connection: Connection, *rows: Definition, owner: str = OWNER) -> list[UUID]:
    """The rows, their tickers, their dataset and a revision, as an apply would leave them."""
    with transaction(connection):
        revisions.bind_dataset(connection, DATASET, "sip", "raw", "extended")
        revision = revisions.insert_revision(
            connection,
            owner=owner,
            config={"provider": {"bucket": "alpaca", "requests_per_minute": 200}},
            config_sha256="",
            git_sha=None,
            actor="test",
            plan={},
            plan_id="",
        )
        definitions.insert_symbols(connection, [s for row in rows for s in row.members])
        return definitions.insert_definitions(connection, owner, revision, rows)


def queue(
    connection: Connection, definition_id: UUID, *, lane: Lane = Lane.LIVE, hours: int = 0, place: int = 0
) -> None:
    """One slice of an hour, ``hours`` after START, for all members of the definition."""
    row = connection.execute("SELECT member_ids FROM job_definitions WHERE id = %s", (definition_id,)).fetchone()
    assert row is not None
    window = Window(START + timedelta(hours=hours), START + timedelta(hours=hours + 1))
    new = NewRun(definition_id, window, lane, place, tuple(row[0]))
    assert runs.insert_runs(connection, [new]) == 1


def claim(connection: Connection, *, free: int = 1, free_other: int | None = None) -> list[Run]:
    return runs.claim_runs(
        connection, uuid4(), [DATASET], free=free, free_other=free if free_other is None else free_other
    )


def make_bucket(connection: Connection, per_minute: int) -> None:
    """The request budget of bucket `alpaca`."""
    with transaction(connection):
        revisions.insert_revision(
            connection,
            owner=OWNER,
            config={"provider": {"bucket": "alpaca", "requests_per_minute": per_minute}},
            config_sha256="",
            git_sha=None,
            actor="test",
            plan={},
            plan_id="",
        )
        limits.write_limit(connection, "alpaca")
