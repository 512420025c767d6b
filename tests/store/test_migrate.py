from __future__ import annotations

import threading

import pytest

from reconciler.errors import SchemaError
from reconciler.store.connection import Connection, connect
from reconciler.store.migrate import check_schema, load_migrations, migrate


def test_migrating_twice_does_nothing_the_second_time(empty_dsn: str) -> None:
    with connect(empty_dsn) as connection:
        assert migrate(connection) == [m.name for m in load_migrations()]
        assert migrate(connection) == []
        check_schema(connection)


def test_two_programs_at_once_migrate_once(empty_dsn: str) -> None:
    applied: list[list[str]] = []

    def work() -> None:
        with connect(empty_dsn) as connection:
            applied.append(migrate(connection))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, len(load_migrations())]


def test_unprepared_database_asks_to_migrate(empty_dsn: str) -> None:
    with connect(empty_dsn) as connection, pytest.raises(SchemaError, match="reconciler migrate"):
        check_schema(connection)


def test_pending_migration_asks_to_migrate(connection: Connection) -> None:
    connection.execute("DELETE FROM reconciler.migrations WHERE name LIKE '0002%'")
    with pytest.raises(SchemaError, match="0002_create_reconciler_schema pending"):
        check_schema(connection)


def test_database_newer_than_the_program_is_left_alone(connection: Connection) -> None:
    connection.execute("INSERT INTO reconciler.migrations VALUES ('9999_later', 'x', '99.0.0')")
    with pytest.raises(SchemaError, match=r"newer than this program .* needs reconciler 99\.0\.0"):
        check_schema(connection)
    with pytest.raises(SchemaError, match="Upgrade reconciler"):
        migrate(connection)


def test_later_migration_that_this_program_can_live_with_is_no_obstacle(connection: Connection) -> None:
    connection.execute("INSERT INTO reconciler.migrations VALUES ('9999_later', 'x', '0.1.0')")
    check_schema(connection)


def test_migration_with_another_text_is_refused(connection: Connection) -> None:
    connection.execute("UPDATE reconciler.migrations SET checksum = 'other' WHERE name LIKE '0001%'")
    with pytest.raises(SchemaError, match="another text"):
        migrate(connection)


def test_our_schema_is_closed_to_everybody_else(connection: Connection) -> None:
    connection.execute("CREATE ROLE passer_by")
    try:
        granted = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'reconciler' "
            "AND has_table_privilege('passer_by', schemaname || '.' || tablename, 'SELECT')"
        ).fetchone()
        assert granted == (0,)
        assert connection.execute("SELECT has_schema_privilege('passer_by', 'reconciler', 'USAGE')").fetchone() == (
            False,
        )
    finally:
        connection.execute("DROP ROLE passer_by")


def test_bars_of_any_year_have_a_partition(connection: Connection) -> None:
    for year in (1999, 2009, 2026, 2040, 2055):
        connection.execute(
            "INSERT INTO intraday_bars (symbol_id, timeframe, ts, open, high, low, close, volume, provider) "
            "VALUES (gen_random_uuid(), 'd1', make_timestamptz(%s, 6, 1, 0, 0, 0), 1, 1, 1, 1, 1, 'x')",
            (year,),
        )
    assert connection.execute("SELECT count(*) FROM intraday_bars_default").fetchone() == (2,)
