"""Counts that must not grow with the number of rows; no clocks."""

from __future__ import annotations

import itertools
import string
from pathlib import Path

import psycopg
import pytest
from support.world import World

from reconciler.apply import apply_config
from reconciler.desired.loader import load_config
from reconciler.observe import read_plan
from reconciler.sandbox.history import recorded_history
from reconciler.store.connection import connect


def tickers(count: int) -> list[str]:
    letters = itertools.product(string.ascii_uppercase, repeat=4)
    # Not even quoted, ON and NO would be tickers; four letters are never YAML words but NULL and TRUE.
    return ["".join(word) for word in itertools.islice(letters, count)]


def statements(connection: psycopg.Connection[tuple[object, ...]], trace: Path) -> int:
    """How many statements libpq sent since tracing began, BEGIN and COMMIT included."""
    connection.pgconn.untrace()
    lines = [line.split("\t") for line in trace.read_text("utf-8", errors="replace").splitlines()]
    return sum(line[1] == "F" and line[3] in ("Query", "Parse") for line in lines if len(line) > 3)


@pytest.mark.parametrize("phase", [1, 2])
def test_plan_of_20_000_definitions_takes_five_statements(world: World, tmp_path: Path, phase: int) -> None:
    path = world.write(tickers(5000), phase=1)
    world.apply()
    world.write(tickers(5000), phase=phase)
    trace = tmp_path / "trace"
    with connect(world.dsn) as connection, trace.open("w") as file:
        connection.pgconn.trace(file.fileno())
        plan = read_plan(connection, load_config(path))
        counted = statements(connection, trace)
    summary = plan.summary()
    if phase == 1:
        assert (summary["unchanged"], plan.is_empty) == (20_000, True)
    else:
        assert (summary["disable"], summary["create"]) == (20_000, 400)
    # Migrations, context, definitions, batch memory; and the snapshot's own BEGIN and COMMIT.
    assert counted == 4 + 2


def test_apply_sends_as_many_statements_for_8_000_rows_as_for_8(world: World, tmp_path: Path) -> None:
    counts = []
    for number, size in enumerate((2, 2000)):
        path = world.write(tickers(size), name=f"owner{number}", timeframes="[m15, h1, h4, d1]")
        if number:
            world.rows("SELECT 1")
            path.write_text(path.read_text().replace("[AAAA, AAAB,", "["), "utf-8")
        trace = tmp_path / f"trace{number}"
        with connect(world.dsn) as connection, trace.open("w") as file:
            connection.pgconn.trace(file.fileno())
            apply_config(connection, load_config(path), actor="test", git_sha=None)
            counts.append(statements(connection, trace))
    assert counts[0] == counts[1]
    assert world.rows("SELECT count(*) FROM job_definitions") == [(4 * 2 + 4 * 1998,)]


def test_ticker_at_the_front_of_524_changes_one_batch_a_timeframe(world: World) -> None:
    symbols = list(recorded_history().symbols())
    assert len(symbols) == 524
    world.write(symbols[1:], phase=2)
    world.apply()
    before = {row[:2]: row for row in world.definitions()}
    world.write(symbols, phase=2)
    assert world.plan().summary() | {"unchanged": 0} == dict.fromkeys(world.plan().summary(), 0) | {"update": 4}
    world.apply()
    after = {row[:2]: row for row in world.definitions()}
    assert sorted(key[1] for key in after if after[key] != before[key]) == ["d1", "h1", "h4", "m15"]
    assert {row[3] for row in after.values()} == {row[3] for row in before.values()}
