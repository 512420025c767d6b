from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from support.rows import DATASET, START, batch, claim, definition, insert, queue

from reconciler.errors import LeaseLostError, PolicyError, StoreError
from reconciler.jobs import Lane, NewRun, Run, Want
from reconciler.store import runs
from reconciler.store.bars import BarRow, cover
from reconciler.store.connection import Connection, connect, transaction
from reconciler.timeframes import Timeframe
from reconciler.windows import Window


def page(*rows: BarRow, last: bool = True, token: str | None = None, host: str = "loopback") -> runs.PageCommit:
    return runs.PageCommit(rows, {"AAPL": len(rows)}, token, 50, host, last)


def bar(symbol_id: UUID, minutes: int, close: float = 1.0) -> BarRow:
    return BarRow(symbol_id, START + timedelta(minutes=minutes), 1.0, 2.0, 0.5, close, 100, 3, 1.1)


def one_run(connection: Connection) -> Run:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    (run,) = claim(connection)
    return run


def state(connection: Connection, run: Run) -> tuple[object, ...]:
    row = connection.execute(
        "SELECT status, rows_written, pages, attempt, error_code FROM job_runs WHERE id = %s", (run.id,)
    ).fetchone()
    assert row is not None
    return row


def test_claimed_run_carries_all_that_a_worker_needs(connection: Connection) -> None:
    (row_id,) = insert(connection, batch(1, ("AAPL", "MSFT")))
    queue(connection, row_id, lane=Lane.BACKFILL)
    (run,) = claim(connection)
    assert (run.symbols, run.phase, run.lane, run.attempt, run.pages) == (("AAPL", "MSFT"), 2, Lane.BACKFILL, 1, 0)
    assert run.slice == Window(START, START + timedelta(hours=1))
    assert len(run.symbol_ids) == 2
    assert claim(connection) == []


def test_live_lane_goes_first_and_slower_lanes_keep_to_their_share(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    for hour, lane in enumerate([Lane.BACKFILL, Lane.BACKFILL, Lane.CATCH_UP, Lane.LIVE]):
        queue(connection, row_id, lane=lane, hours=hour)
    assert [r.lane for r in claim(connection, free=4, free_other=2)] == [Lane.LIVE, Lane.CATCH_UP, Lane.BACKFILL]


def test_two_runners_never_claim_the_same_run(connection: Connection, dsn: str) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    for hour in range(6):
        queue(connection, row_id, hours=hour)
    with connect(dsn) as other, transaction(connection):
        mine = {r.id for r in claim(connection, free=3)}
        theirs = {r.id for r in claim(other, free=6)}
    assert len(mine) == len(theirs) == 3
    assert not mine & theirs


def test_runs_of_another_dataset_or_another_program_are_not_claimed(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    connection.execute("INSERT INTO job_runs (symbol, timeframe, job_type) VALUES ('AAPL', 'd1', 'run_forecast')")
    assert runs.claim_runs(connection, uuid4(), ["other"], free=9, free_other=9) == []
    assert len(claim(connection, free=9)) == 1


def test_last_page_writes_bars_coverage_and_success_together(connection: Connection) -> None:
    run = one_run(connection)
    assert runs.commit_page(connection, run, 0, page(bar(run.symbol_ids[0], 0), bar(run.symbol_ids[0], 15))) == 2
    assert state(connection, run) == ("success", 2, 1, 1, None)
    covered = connection.execute("SELECT lower(covered), upper(covered) FROM reconciler.coverage").fetchall()
    assert covered == [(run.slice.start, run.slice.end)]


def test_middle_page_keeps_the_run_and_covers_nothing(connection: Connection) -> None:
    run = one_run(connection)
    runs.commit_page(connection, run, 0, page(bar(run.symbol_ids[0], 0), last=False, token="next"))
    assert state(connection, run)[0] == "running"
    assert connection.execute("SELECT count(*) FROM reconciler.coverage").fetchone() == (0,)
    runs.return_run(connection, run, code=None, message=None, delay=timedelta(0), burn=False)
    (again,) = claim(connection)
    assert (again.cursor_token, again.pages, again.attempt, again.fence) == ("next", 1, 1, run.fence + 2)


def test_page_is_never_stored_twice(connection: Connection) -> None:
    run = one_run(connection)
    first = page(bar(run.symbol_ids[0], 0), last=False, token="next")
    runs.commit_page(connection, run, 0, first)
    with pytest.raises(LeaseLostError):
        runs.commit_page(connection, run, 0, first)
    assert state(connection, run)[1:3] == (1, 1)


@pytest.mark.parametrize("write", ["commit", "return", "fail", "restart"])
def test_runner_that_lost_its_lease_changes_nothing(connection: Connection, write: str) -> None:
    run = one_run(connection)
    connection.execute("UPDATE job_runs SET lease_until = now() - interval '1 minute'")
    assert runs.rescue_runs(connection) == 1
    (current,) = claim(connection)
    before = connection.execute("SELECT * FROM job_runs").fetchall()
    with pytest.raises(LeaseLostError):
        match write:
            case "commit":
                runs.commit_page(connection, run, 0, page(bar(run.symbol_ids[0], 0)))
            case "return":
                runs.return_run(connection, run, code="X", message="x", delay=timedelta(0), burn=True)
            case "fail":
                runs.fail_run(connection, run, code="X", message="x")
            case _:
                runs.restart_chain(connection, run)
    assert connection.execute("SELECT * FROM job_runs").fetchall() == before
    assert connection.execute("SELECT count(*) FROM intraday_bars").fetchone() == (0,)
    assert runs.renew_leases(connection, [run]) == set()
    assert runs.renew_leases(connection, [current]) == {current.id}


def test_lease_that_still_runs_is_not_rescued(connection: Connection) -> None:
    one_run(connection)
    assert runs.rescue_runs(connection) == 0


def test_third_crash_is_poison_and_its_pairs_are_held(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    for _ in range(3):
        (run,) = claim(connection)
        connection.execute("UPDATE job_runs SET lease_until = now() - interval '1 minute'")
        runs.rescue_runs(connection)
    assert state(connection, run)[::4] == ("failed", "POISON")
    assert connection.execute("SELECT code FROM reconciler.symbol_issues").fetchall() == [("POISON",)]


def test_committed_page_forgets_earlier_crashes(connection: Connection) -> None:
    run = one_run(connection)
    connection.execute("UPDATE job_runs SET crash_count = 2")
    runs.commit_page(connection, run, 0, page(last=False, token="next"))
    assert connection.execute("SELECT crash_count FROM job_runs").fetchone() == (0,)


def test_equal_bar_is_not_rewritten_and_a_changed_one_counts(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    (run,) = claim(connection)
    runs.commit_page(connection, run, 0, page(bar(run.symbol_ids[0], 0), bar(run.symbol_ids[0], 15)))
    queue(connection, row_id)
    (again,) = claim(connection)
    changed = runs.commit_page(
        connection, again, 0, page(bar(run.symbol_ids[0], 0), bar(run.symbol_ids[0], 15, close=1.5))
    )
    assert changed == 1
    versions = connection.execute("SELECT close, xmin <> min(xmin::text) OVER ()::xid FROM intraday_bars ORDER BY ts")
    assert versions.fetchall() in ([(1.0, False), (1.5, True)], [(1.0, True), (1.5, False)])


def test_bars_of_two_hosts_never_share_a_label(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    queue(connection, row_id, hours=1)
    first, second = claim(connection, free=2)
    runs.commit_page(connection, first, 0, page(host="data.alpaca.markets"))
    with pytest.raises(PolicyError, match=r"bound to data\.alpaca\.markets"):
        runs.commit_page(connection, second, 0, page(bar(first.symbol_ids[0], 60), host="loopback"))
    assert connection.execute("SELECT count(*) FROM intraday_bars").fetchone() == (0,)


def test_slice_that_is_live_is_not_queued_again(connection: Connection) -> None:
    run = one_run(connection)
    row = connection.execute("SELECT job_def_id FROM job_runs").fetchone()
    assert row is not None
    definition_id: UUID = row[0]
    twin = NewRun(definition_id, run.slice, Lane.LIVE, 0, run.symbol_ids)
    assert runs.insert_runs(connection, [twin]) == 0
    runs.commit_page(connection, run, 0, page())
    assert runs.insert_runs(connection, [twin]) == 1


def test_orphan_is_cancelled_with_its_history_kept(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    connection.execute("DELETE FROM job_definitions")
    assert claim(connection) == []
    runs.rescue_runs(connection)
    assert connection.execute("SELECT status, error_code FROM job_runs").fetchall() == [("cancelled", "ORPHAN")]


def test_disabled_definition_cancels_its_live_runs(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    queue(connection, row_id, hours=1)
    (run,) = claim(connection)
    connection.execute("UPDATE job_definitions SET enabled = false")
    assert runs.cancel_runs(connection, [row_id]) == 2
    with pytest.raises(LeaseLostError):
        runs.commit_page(connection, run, 0, page(bar(run.symbol_ids[0], 0)))


def test_state_machine_is_held_by_the_table(connection: Connection) -> None:
    one_run(connection)
    with pytest.raises(StoreError, match="job_runs_ours_shape"):
        connection.execute("UPDATE job_runs SET status = 'success'")


def want(days: float = 1.0) -> Want:
    return Want("us", Timeframe.H1, DATASET, 90, Window(START, START + timedelta(days=days)))


def read(connection: Connection, *wants: Want, places: int = 100) -> list[tuple[Window, int]]:
    with transaction(connection):
        return [(g.window, len(g.symbol_ids)) for g in runs.read_gaps(connection, wants, places)]


def test_gap_is_wanted_minus_covered_minus_live(connection: Connection) -> None:
    (row_id,) = insert(connection, definition("AAPL"))
    assert read(connection, want()) == [(want().window, 1)]
    queue(connection, row_id, hours=10)
    (run,) = claim(connection)
    h = timedelta(hours=1)
    assert read(connection, want()) == [
        (Window(START + 11 * h, START + 24 * h), 1),
        (Window(START, START + 10 * h), 1),
    ]
    cover(connection, Timeframe.H1, DATASET, run.symbol_ids, Window(START, START + 10 * h))
    assert read(connection, want()) == [(Window(START + 11 * h, START + 24 * h), 1)]
    cover(connection, Timeframe.H1, DATASET, run.symbol_ids, Window(START + 11 * h, START + 24 * h))
    assert read(connection, want()) == []


def test_members_with_the_same_gap_share_it_and_a_newcomer_has_its_own(connection: Connection) -> None:
    insert(connection, batch(1, ("AAPL", "MSFT", "NEW")))
    ids = [row[0] for row in connection.execute("SELECT id FROM symbols WHERE ticker <> 'NEW'")]
    cover(connection, Timeframe.H1, DATASET, ids, Window(START, START + timedelta(hours=20)))
    assert sorted(read(connection, want())) == [
        (Window(START, START + timedelta(hours=24)), 1),
        (Window(START + timedelta(hours=20), START + timedelta(hours=24)), 2),
    ]


def test_pair_named_by_two_rows_goes_to_the_batch(connection: Connection) -> None:
    _, row_id = insert(connection, definition("AAPL"), batch(1, ("AAPL", "MSFT")))
    with transaction(connection):
        gaps = runs.read_gaps(connection, [want()], 100)
    assert [(g.definition_id, len(g.symbol_ids)) for g in gaps] == [(row_id, 2)]


def test_disabled_foreign_and_held_pairs_have_no_gap(connection: Connection) -> None:
    insert(connection, definition("AAPL", enabled=False), definition("MSFT"), definition("IBM"))
    connection.execute("UPDATE job_definitions SET managed_by = NULL WHERE symbol = 'MSFT'")
    connection.execute(
        "INSERT INTO reconciler.symbol_issues (symbol_id, timeframe, dataset, code, message, held_until) "
        "SELECT id, 'h1', 'alpaca', 'X', '', now() + interval '1 hour' FROM symbols WHERE ticker = 'IBM'"
    )
    assert read(connection, want()) == []
    connection.execute("UPDATE reconciler.symbol_issues SET held_until = now() - interval '1 second'")
    assert len(read(connection, want())) == 1


def test_places_bound_the_definitions_of_each_timeframe(connection: Connection) -> None:
    insert(connection, *(definition(chr(65 + i) * 3) for i in range(10)))
    assert len(read(connection, want(), places=4)) == 4


def test_longest_uncovered_goes_first(connection: Connection) -> None:
    insert(connection, definition("AAPL"), definition("MSFT"))
    (row,) = connection.execute("SELECT id FROM symbols WHERE ticker = 'AAPL'").fetchall()
    cover(connection, Timeframe.H1, DATASET, [row[0]], Window(START, START + timedelta(hours=20)))
    assert read(connection, want(), places=1) == [(want().window, 1)]


def test_fence_of_another_run_is_not_enough(connection: Connection) -> None:
    run = one_run(connection)
    with pytest.raises(LeaseLostError):
        runs.commit_page(connection, replace(run, fence=run.fence + 1), 0, page())
