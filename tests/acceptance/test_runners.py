"""More than one runner, and runners that end badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.world import World

from reconciler.runner import Mode, RunReport

SYMBOLS = ["AXP", "BA", "CAT", "DIS", "GE", "IBM", "KO", "MCD", "PG", "XOM"]


def test_runners_at_once_share_the_work_and_ask_for_nothing_twice(world: World) -> None:
    world.write(SYMBOLS, timeframes="[h1, h4, d1]")
    world.apply()
    reports: list[RunReport] = []
    threads = [threading.Thread(target=lambda: reports.append(world.run("2010-08-17"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [(r.symbols, r.query) for r in world.new_requests()]
    assert len(asked) == len(set(asked)) == 30
    assert sum(r.requests for r in reports) == 30
    assert sum(r.bars_written for r in reports) == len(world.bars())
    assert world.status("2010-08-17").is_healthy
    assert world.rows("SELECT DISTINCT status, attempt, api_calls FROM job_runs") == [("success", 1, 1)]


@pytest.mark.slow
def test_killed_runner_loses_and_doubles_nothing(world: World) -> None:
    world.write(SYMBOLS, phase=2, batch_size=10, timeframes="{m15: {history: 200d}, h1: {history: 200d}}")
    world.apply()
    environment = {
        **os.environ,
        "DATABASE_URL": world.dsn,
        "APCA_API_DATA_URL": world.sandbox.url,
        "APCA_API_KEY_ID": "k",
        "APCA_API_SECRET_KEY": "s",
    }
    arguments = [sys.executable, "-m", "reconciler", "run", "--until-idle", "--as-of", "2010-08-17"]
    for wanted_pages in (2, 5, 8):
        with subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL) as process:
            while world.rows("SELECT coalesce(sum(pages), 0) FROM job_runs")[0][0] < wanted_pages:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        world.execute("UPDATE job_runs SET lease_until = now() - interval '1 minute' WHERE status = 'running'")
    report = world.run("2010-08-17")
    assert report.is_clean
    bars = world.bars()
    ((written, crashes),) = world.rows("SELECT sum(rows_written), max(crash_count) FROM job_runs")
    assert (written, crashes) == (len(bars), 0)
    world.execute("TRUNCATE intraday_bars, reconciler.coverage, job_runs")
    world.run("2010-08-17")
    assert world.bars() == bars


def test_once_works_off_one_tick(world: World) -> None:
    world.write(SYMBOLS, timeframes="[d1]")
    world.apply()
    report = world.run("2010-08-17", Mode.ONCE)
    assert (report.ticks, report.runs["success"], report.waiting) == (1, 10, 0)


def test_run_that_waits_after_an_error_ends_until_idle_as_not_clean(world: World) -> None:
    world.write(SYMBOLS[:1], timeframes="[d1]")
    world.apply()
    world.tick("2010-08-17")
    # Past the five quick tries, which would be waited for.
    world.execute("UPDATE job_runs SET attempt = 5")
    report = world.run_against("http://127.0.0.1:9", "2010-08-17")
    assert (report.is_clean, report.waiting) == (False, 1)
    ((status, code, attempt),) = world.rows("SELECT status, error_code, attempt FROM job_runs")
    assert (status, code, attempt) == ("queued", "TRANSIENT", 6)


def test_failure_that_passes_is_waited_for_and_leaves_a_clean_report(world: World) -> None:
    world.write(SYMBOLS[:1], timeframes="[d1]")
    world.apply()
    world.tick("2010-08-17")
    world.execute("UPDATE job_runs SET attempt = 1, run_at = now() + interval '2 seconds', error_code = 'TRANSIENT'")
    report = world.run("2010-08-17")
    assert (report.is_clean, report.runs["success"], report.requests) == (True, 1, 1)
    assert world.rows("SELECT status, attempt, error_code FROM job_runs") == [("success", 2, None)]


def test_edit_between_ticks_takes_effect_at_the_next(world: World) -> None:
    world.write(["KO"], timeframes="[d1]")
    world.apply()
    world.run("2010-08-13")
    world.write(["KO", "PG"], timeframes="[d1]")
    world.apply()
    world.run("2010-08-13")
    world.write(["PG"], timeframes="[d1]")
    world.apply()
    world.new_requests()
    world.run("2010-08-17")
    assert [r.symbols for r in world.new_requests()] == [("PG",)]
