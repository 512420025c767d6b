from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from reconciler.errors import LockTimeoutError, SchemaError, StoreError
from reconciler.store.connection import Connection, Connections, connect, lock_apply, transaction


def test_text_that_is_no_connection_string_says_what_one_looks_like() -> None:
    with pytest.raises(StoreError, match="postgresql://user"):
        connect("what is this")


def test_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match="cannot reach the database") as caught:
        connect("postgresql://u:very-secret@127.0.0.1:1/db?connect_timeout=2")
    assert "very-secret" not in str(caught.value)


def test_missing_table_asks_to_migrate(empty_dsn: str) -> None:
    with (
        connect(empty_dsn) as connection,
        pytest.raises(SchemaError, match="reconciler migrate"),
        transaction(connection),
    ):
        connection.execute("SELECT 1 FROM reconciler.revisions")


def test_failed_transaction_leaves_nothing(connection: Connection) -> None:
    with pytest.raises(StoreError), transaction(connection):
        connection.execute("INSERT INTO symbols (ticker) VALUES ('A')")
        connection.execute("INSERT INTO symbols (ticker) VALUES ('A')")
    assert connection.execute("SELECT count(*) FROM symbols").fetchone() == (0,)


def test_read_only_transaction_cannot_write_and_the_next_one_can(connection: Connection) -> None:
    with pytest.raises(StoreError, match="read-only"), transaction(connection, read_only=True):
        connection.execute("INSERT INTO symbols (ticker) VALUES ('A')")
    with transaction(connection):
        connection.execute("INSERT INTO symbols (ticker) VALUES ('A')")


def test_timeouts_end_with_the_transaction(connection: Connection) -> None:
    before = connection.execute("SHOW statement_timeout").fetchone()
    with transaction(connection):
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
    assert connection.execute("SHOW statement_timeout").fetchone() == before


def test_second_apply_waits_and_then_gives_up(dsn: str) -> None:
    with connect(dsn) as first, connect(dsn) as second, transaction(first):
        lock_apply(first)
        with pytest.raises(LockTimeoutError), transaction(second, lock_timeout_ms=50):
            lock_apply(second)


def test_broken_connection_is_replaced(dsn: str) -> None:
    connections = Connections(dsn)
    first = connections.get()
    assert connections.get() is first
    with connect(make_conninfo(dsn)) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (first.info.backend_pid,))
    with pytest.raises(StoreError), transaction(first):
        first.execute("SELECT 1")
    assert connections.get().execute("SELECT 1").fetchone() == (1,)
    connections.close()
