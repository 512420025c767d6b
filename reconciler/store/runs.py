"""``job_runs``: queue, claim, commit, return. Every write after the claim carries the run's fence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from reconciler.errors import LeaseLostError
from reconciler.jobs import Gap, Lane, NewRun, Run, Want
from reconciler.store.bars import BarRow, cover, write_bars
from reconciler.store.connection import Connection, transaction
from reconciler.store.queries import load_queries
from reconciler.store.revisions import bind_host
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

_SQL = load_queries("runs")

LEASE = timedelta(seconds=60)
"""How long a claimed run is ours without a word; each page commit and each beat extends it."""

HOLD = timedelta(hours=24)
"""How long the pairs of a failed run are left alone."""


@dataclass(frozen=True)
class PageCommit:
    """What one answered page changes; ``last`` ends the run and covers its slice."""

    rows: Sequence[BarRow]
    symbol_rows: dict[str, int]
    next_token: str | None
    progress_percent: int
    host: str
    last: bool = field(default=False)


@dataclass(frozen=True)
class Backlog:
    """Runs of some datasets that are not finished: ready now, at work anywhere, waiting for a later time.

    ``next_in`` is how many seconds the first of the waiting ones still waits; None when none does.
    """

    ready: int
    running: int
    waiting: int
    next_in: float | None


def count_queued(connection: Connection) -> dict[Lane, int]:
    """How many runs wait in each lane."""
    rows: Iterable[Any] = connection.execute(_SQL["count_queued"])
    queued = {Lane(lane): int(count) for lane, count in rows}
    return {lane: queued.get(lane, 0) for lane in Lane}


def want_parameters(wants: Sequence[Want]) -> dict[str, list[Any]]:
    """The wanted times as the parallel arrays that statements unnest."""
    return {
        "owners": [w.managed_by for w in wants],
        "timeframes": [w.timeframe.value for w in wants],
        "datasets": [w.dataset for w in wants],
        "window_days": [w.window_days for w in wants],
        "wanted_from": [w.window.start for w in wants],
        "wanted_to": [w.window.end for w in wants],
    }


def read_gaps(connection: Connection, wants: Sequence[Want], places: int) -> list[Gap]:
    """Wanted minus covered minus live, most urgent first; for at most ``places`` definitions a timeframe.

    Call inside a transaction: it sets planner options for the rest of it.
    """
    connection.execute(_SQL["plan_like_a_tick"])
    parameters = {**want_parameters(wants), "places": places}
    cursor = connection.cursor(binary=True)
    rows: Iterable[Any] = cursor.execute(_SQL["read_gaps"], parameters)
    return [
        Gap(row_id, Timeframe(tf), dataset, priority, Window(start, end), wanted_to, tuple(ids))
        for row_id, tf, dataset, priority, start, end, wanted_to, ids in rows
    ]


def insert_runs(connection: Connection, runs: Sequence[NewRun]) -> int:
    """Queue the slices in one statement; returns how many are new (a live duplicate is left alone)."""
    if not runs:
        return 0
    records = [
        {
            "job_def_id": run.definition_id,
            "slice_from": run.window.start,
            "slice_to": run.window.end,
            "lane": int(run.lane),
            "place": run.place,
            "symbol_ids": run.symbol_ids,
        }
        for run in runs
    ]
    payload = Jsonb(records, dumps=msgspec.json.encode)
    return len(connection.execute(_SQL["insert_runs"], {"runs": payload}).fetchall())


def claim_runs(
    connection: Connection, runner: UUID, datasets: Sequence[str], *, free: int, free_other: int
) -> list[Run]:
    """Take up to ``free`` ready runs of ``datasets`` for LEASE, live lane first.

    At most ``free_other`` of them are of the other lanes. No run is ever claimed by two runners (SKIP LOCKED).
    """
    if free <= 0:
        return []
    parameters = {
        "runner": runner,
        "datasets": list(datasets),
        "free": free,
        "free_other": free_other,
        "lease": LEASE,
    }
    with transaction(connection):
        rows: list[Any] = connection.execute(_SQL["claim_runs"], parameters).fetchall()
    return sorted((_run(row) for row in rows), key=lambda run: (run.lane, run.slice, run.id))


def _run(row: Sequence[Any]) -> Run:
    run_id, fence, attempt, tf, dataset, phase, lane, start, end, symbols, ids, token, pages, written, counts, owner = (
        row
    )
    return Run(
        id=run_id,
        fence=fence,
        attempt=attempt,
        managed_by=owner,
        timeframe=Timeframe(tf),
        dataset=dataset,
        phase=phase,
        lane=Lane(lane),
        slice=Window(start, end),
        symbols=tuple(symbols),
        symbol_ids=tuple(ids),
        cursor_token=token,
        pages=pages,
        rows_written=written,
        symbol_rows=dict(counts),
    )


def commit_page(connection: Connection, run: Run, page_no: int, page: PageCommit) -> int:
    """Store one page of ``run`` in one transaction: fence, bars, and on the last page coverage and success.

    ``page_no`` counts the pages committed before this one, so that a page whose COMMIT was answered by nobody is
    not stored twice. Returns the bars inserted or changed. Raises LeaseLostError (nothing written) when another
    runner owns the run or the page is stored already, PolicyError when the dataset belongs to another host.
    """
    key = {"id": run.id, "fence": run.fence}
    with transaction(connection):
        if connection.execute(_SQL["lock_page"], {**key, "page_no": page_no}).fetchone() is None:
            raise LeaseLostError(f"run {run.id} is not ours any more; its page {page_no + 1} was not written")
        bind_host(connection, run.dataset, page.host)
        written = write_bars(connection, run.timeframe, run.dataset, page.rows) if page.rows else 0
        if page.last:
            cover(connection, run.timeframe, run.dataset, run.symbol_ids, run.slice)
        connection.execute(_SQL["commit_page"], {**key, "rows_written": written, **_page_parameters(page)})
    return written


def _page_parameters(page: PageCommit) -> dict[str, object]:
    return {
        "cursor_token": page.next_token,
        "symbol_rows": Jsonb(page.symbol_rows, dumps=msgspec.json.encode),
        "progress_percent": 100 if page.last else page.progress_percent,
        "last": page.last,
        "lease": LEASE,
    }


def restart_chain(connection: Connection, run: Run) -> None:
    """Forget the cursor: the chain begins again. Raises LeaseLostError."""
    rows = connection.execute(_SQL["restart_chain"], {"id": run.id, "fence": run.fence}).fetchall()
    _check_held(run, rows)


def renew_leases(connection: Connection, runs: Iterable[Run]) -> set[UUID]:
    """Extend the leases of runs in flight; returns the ids that are still ours."""
    held = list(runs)
    parameters = {"ids": [r.id for r in held], "fences": [r.fence for r in held], "lease": LEASE}
    rows: Iterable[Any] = connection.execute(_SQL["renew_leases"], parameters)
    return {run_id for run_id, _cancel in rows}


def return_run(
    connection: Connection, run: Run, *, code: str | None, message: str | None, delay: timedelta, burn: bool
) -> None:
    """Give the run back to the queue with its cursor, to be claimed after ``delay``.

    ``burn`` keeps the attempt counted; a release or a wait does not. Raises LeaseLostError.
    """
    parameters = {
        "id": run.id, "fence": run.fence, "code": code, "message": message, "delay": delay, "burn": burn,
    }  # fmt: skip
    _check_held(run, connection.execute(_SQL["return_run"], parameters).fetchall())


def fail_run(connection: Connection, run: Run, *, code: str, message: str) -> None:
    """End the run as failed and hold its pairs for HOLD. Raises LeaseLostError."""
    parameters = {"id": run.id, "fence": run.fence, "code": code, "message": message, "hold": HOLD}
    _check_held(run, connection.execute(_SQL["fail_run"], parameters).fetchall())


def _check_held(run: Run, rows: Sequence[object]) -> None:
    if not rows:
        raise LeaseLostError(f"run {run.id} is not ours any more")


def rescue_runs(connection: Connection) -> int:
    """Take back runs whose lease lapsed, and end those whose definition is gone; returns how many."""
    rescued = connection.execute(_SQL["rescue_runs"], {"hold": HOLD}).fetchall()
    return len(rescued) + len(connection.execute(_SQL["cancel_orphans"]).fetchall())


def cancel_runs(connection: Connection, definition_ids: Sequence[UUID]) -> int:
    """End live runs of those definitions that are disabled or moved to another dataset; returns how many."""
    return len(connection.execute(_SQL["cancel_runs"], {"definition_ids": list(definition_ids)}).fetchall())


def read_backlog(connection: Connection, datasets: Sequence[str]) -> Backlog:
    """What is left to do of ``datasets``."""
    row: Any = connection.execute(_SQL["read_backlog"], {"datasets": list(datasets)}).fetchone()
    return Backlog(*row)


def heartbeat(connection: Connection, runner: UUID, host: str, pid: int, version: str) -> None:
    """Say that this runner is alive."""
    connection.execute(_SQL["heartbeat"], {"id": runner, "host": host, "pid": pid, "version": version})


def remove_runner(connection: Connection, runner: UUID) -> None:
    """Say that this runner ended."""
    connection.execute(_SQL["remove_runner"], {"id": runner})
