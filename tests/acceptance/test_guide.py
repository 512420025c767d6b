"""The guide's SQL, verbatim, against a database that both phases have worked on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from support.world import World

_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
GUIDE = dict(_BLOCK.findall(Path(__file__).with_name("guide.sql").read_text()))
FIVE = ["AMD", "AAPL", "GOOG", "MSFT", "NVDA"]


@pytest.fixture
def both_phases(world: World) -> World:
    """Five symbols, h1 and d1, as the guide's second step has it: first in phase 1, then in phase 2."""
    world.write(FIVE, timeframes="[h1, d1]")
    world.apply()
    world.run("2010-08-18")
    world.write(FIVE, timeframes="[h1, d1]", phase=2)
    world.apply()
    world.run("2010-08-19")
    return world


def ask(world: World, name: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        cursor = connection.execute(GUIDE[name].encode())
        return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]


def test_five_symbols_make_two_batches_of_five(both_phases: World) -> None:
    rows = ask(both_phases, "newest_batch_definitions")
    assert sorted(row[:4] for row in rows) == [("BATCH_1", "d1", 2, 5), ("BATCH_1", "h1", 2, 5)]
    assert all(row[4] == sorted(FIVE) for row in rows)


def test_rows_of_both_phases_coexist(both_phases: World) -> None:
    assert ask(both_phases, "summary_by_version") == [(1, 10, 2, 10), (2, 2, 2, 10)]


def test_runs_are_seen_with_their_bars(both_phases: World) -> None:
    runs = ask(both_phases, "recent_runs")
    assert len(runs) == 10
    assert {row[3] for row in runs} == {"success"}
    assert all(row[6] >= row[5] for row in runs)
    calls = ask(both_phases, "calls_by_hour")
    stored = both_phases.rows("SELECT count(*) FROM intraday_bars")[0][0]
    assert (sum(row[1] for row in calls), sum(row[2] for row in calls)) == (12, stored)
    assert len(ask(both_phases, "runs_of_the_last_hour")) == 12
    assert len(ask(both_phases, "batches_of_h1")) == 1


def test_data_quality_query_runs_once_its_order_is_grouped(both_phases: World) -> None:
    with pytest.raises(pg.GroupingError):
        ask(both_phases, "data_quality")
    corrected = GUIDE["data_quality"].replace("ORDER BY created_at DESC", "ORDER BY max(created_at) DESC")
    rows = both_phases.rows(corrected)
    assert len(rows) == 10
    assert {row[5] for row in rows} == {"sandbox"}


def test_cutover_and_rollback_by_hand_show_up_in_the_plan(both_phases: World) -> None:
    assert ask(both_phases, "rollback_disable") == [(2,)]
    assert ask(both_phases, "rollback_enable") == [(10,)]
    summary = both_phases.plan().summary()
    assert (summary["enable"], summary["disable"]) == (2, 10)
    both_phases.apply()
    assert both_phases.plan().is_empty
    assert ask(both_phases, "disable_phase_1") == ask(both_phases, "disable_phase_1_at_once") == [(10,)]


def test_deleting_definitions_by_hand_erases_no_history(both_phases: World) -> None:
    runs = both_phases.rows("SELECT count(*) FROM job_runs")
    assert ask(both_phases, "delete_phase_1") == [(10,)]
    assert both_phases.rows("SELECT count(*) FROM job_runs") == runs
