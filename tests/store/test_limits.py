from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest
from support.rows import claim, definition, insert, make_bucket, queue

from reconciler.errors import LeaseLostError
from reconciler.jobs import Lane, Run
from reconciler.store import limits
from reconciler.store.connection import Connection, connect


@pytest.fixture
def run(connection: Connection) -> Run:
    (row_id,) = insert(connection, definition("AAPL"))
    queue(connection, row_id)
    (claimed,) = claim(connection)
    return claimed


def take(connection: Connection, run: Run, times: int) -> int:
    return sum(limits.acquire_slot(connection, "alpaca", run) for _ in range(times))


def test_live_lane_may_use_every_slot_and_no_more(connection: Connection, run: Run) -> None:
    make_bucket(connection, 20)
    assert take(connection, run, 30) == 20
    assert connection.execute("SELECT api_calls FROM job_runs").fetchone() == (20,)
    assert 55 < limits.read_wait(connection, "alpaca", Lane.LIVE) <= 62


def test_other_lanes_leave_a_fifth_to_the_live_one(connection: Connection, run: Run) -> None:
    make_bucket(connection, 20)
    assert take(connection, replace(run, lane=Lane.BACKFILL), 30) == 16
    assert limits.read_wait(connection, "alpaca", Lane.BACKFILL) > 55
    assert limits.read_wait(connection, "alpaca", Lane.LIVE) == 0
    assert take(connection, run, 30) == 4


def test_limit_of_one_a_minute_serves_every_lane(connection: Connection, run: Run) -> None:
    make_bucket(connection, 1)
    assert take(connection, replace(run, lane=Lane.BACKFILL), 3) == 1


def test_lost_run_spends_nothing(connection: Connection, run: Run) -> None:
    make_bucket(connection, 5)
    with pytest.raises(LeaseLostError):
        limits.acquire_slot(connection, "alpaca", replace(run, fence=run.fence + 1))
    assert take(connection, run, 9) == 5


def test_lowered_limit_holds_at_once_and_raised_slots_start_busy(connection: Connection, run: Run) -> None:
    make_bucket(connection, 10)
    make_bucket(connection, 4)
    assert take(connection, run, 20) == 4
    make_bucket(connection, 12)
    # Slots 4..9 were never used; 10 and 11 are new and count as used by whatever ran before them.
    assert take(connection, run, 20) == 6


def test_smallest_limit_of_all_owners_holds(connection: Connection, run: Run) -> None:
    make_bucket(connection, 10)
    connection.execute(
        "INSERT INTO reconciler.revisions (owner, config, config_sha256, actor, plan, plan_id) "
        "SELECT 'other', jsonb_set(config, '{provider,requests_per_minute}', '3'), '', '', '{}', '' "
        "FROM reconciler.revisions ORDER BY id DESC LIMIT 1"
    )
    limits.write_limit(connection, "alpaca")
    assert take(connection, run, 20) == 3


def test_refusal_blocks_everybody_for_2_seconds_doubling_while_it_goes_on(connection: Connection, run: Run) -> None:
    make_bucket(connection, 10)
    seconds = []
    for _ in range(8):
        limits.block_bucket(connection, "alpaca")
        limits.block_bucket(connection, "alpaca")  # another runner's 429 of the same moment doubles nothing
        assert take(connection, run, 1) == 0
        row = connection.execute("SELECT block_seconds FROM reconciler.api_limits").fetchone()
        seconds.append(row[0] if row else None)
        connection.execute("UPDATE reconciler.api_limits SET blocked_until = now() - interval '1 second'")
    assert seconds == [2, 4, 8, 16, 32, 60, 60, 60]
    connection.execute("UPDATE reconciler.api_limits SET blocked_until = now() - interval '2 minutes'")
    limits.block_bucket(connection, "alpaca")
    assert connection.execute("SELECT block_seconds FROM reconciler.api_limits").fetchone() == (2,)


def test_provider_can_lower_the_limit_and_never_raise_it(connection: Connection, run: Run) -> None:
    make_bucket(connection, 10)
    limits.note_limit(connection, "alpaca", 1000)
    limits.note_limit(connection, "alpaca", 6)
    assert take(connection, run, 20) == 6


def test_unknown_bucket_grants_nothing(connection: Connection, run: Run) -> None:
    assert take(connection, run, 1) == 0
    assert limits.read_wait(connection, "alpaca", Lane.LIVE) == 60


def test_many_at_once_share_exactly_the_limit(connection: Connection, dsn: str, run: Run) -> None:
    make_bucket(connection, 50)
    granted: Counter[int] = Counter()

    def work(number: int) -> None:
        with connect(dsn) as own:
            granted[number] = take(own, run, 20)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.total() + take(connection, run, 60) == 50
