"""Connections to PostgreSQL, through poolers in transaction mode too, and our errors in place of the driver's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg import conninfo as libpq
from psycopg import errors as pg
from psycopg.abc import Params

from reconciler.errors import LockTimeoutError, SchemaError, StoreError
from reconciler.store.queries import load_queries


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A psycopg connection whose statements raise our errors, inside a transaction and outside."""

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        with translated():
            return super().execute(query, params, **options)


# What a transaction may wait for, in milliseconds. A page commit is far below; a lost server must not hold a lease.
_STATEMENT_TIMEOUT_MS = 60_000
_LOCK_TIMEOUT_MS = 10_000

_DEFAULTS = {
    "application_name": "reconciler",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def connect(dsn: str) -> Connection:
    """An autocommit connection to ``dsn`` (libpq URL or ``key=value`` text).

    Nothing that a pooler in transaction mode cannot carry is used: no prepared statements, no session
    settings, no ``options``. Raises StoreError with what to do; the password is never part of its text.
    """
    try:
        given = libpq.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise StoreError(
            "DATABASE_URL is not a libpq connection string. Write postgresql://user:password@host:5432/name "
            "or host=... dbname=..."
        ) from error
    settings = {**_DEFAULTS, **{name: str(value) for name, value in given.items() if value is not None}}
    with translated():
        return Connection.connect(libpq.make_conninfo(**settings), autocommit=True, prepare_threshold=None)


@contextmanager
def transaction(
    connection: Connection, *, read_only: bool = False, lock_timeout_ms: int = _LOCK_TIMEOUT_MS
) -> Iterator[None]:
    """One transaction with bounded waits; commits at the end, rolls back on any error.

    ``read_only`` reads one snapshot (REPEATABLE READ) and cannot write. Raises StoreError or a subclass.
    """
    with translated(), _mode(connection, read_only=read_only), connection.transaction():
        if not read_only:
            connection.execute(
                load_queries("session")["set_timeouts"],
                {"statement_ms": str(_STATEMENT_TIMEOUT_MS), "lock_ms": str(lock_timeout_ms)},
            )
        yield


@contextmanager
def _mode(connection: Connection, *, read_only: bool) -> Iterator[None]:
    """What psycopg writes into BEGIN itself, so that a read-only snapshot costs no statement of its own."""
    if not read_only:
        yield
        return
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        yield
    finally:
        connection.read_only = None
        connection.isolation_level = None


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors in place of the driver's; the text names what happened and what to do."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error) from error


def _translate(error: psycopg.Error) -> StoreError | LockTimeoutError:
    text = _first_line(error)
    if isinstance(error, pg.LockNotAvailable):
        return LockTimeoutError("another transaction holds the rows or the lock this command needs; try again later")
    if isinstance(error, pg.UndefinedTable | pg.InvalidSchemaName | pg.UndefinedColumn):
        return SchemaError(f"the database lacks what this program needs ({text}). Run `reconciler migrate` first")
    if isinstance(error, pg.InsufficientPrivilege):
        return StoreError(f"the database role may not do this ({text}). Ask its owner for the grant")
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return StoreError(f"cannot reach the database: {text}. Check DATABASE_URL and that the server runs")
    return StoreError(f"the database refused: {text}")


def _first_line(error: psycopg.Error) -> str:
    """The server's own message without its echo of values; libpq never prints passwords in it."""
    message = error.diag.message_primary or str(error)
    return " ".join(message.split())[:300].rstrip(".")


class Connections:
    """One connection a thread, opened when first used and replaced when it broke."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._lock = threading.Lock()

    def get(self) -> Connection:
        """This thread's connection. Raises StoreError."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.broken or connection.closed:
            connection = connect(self._dsn)
            self._local.connection = connection
            with self._lock:
                self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection; call when no thread uses one any more."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()


def read_now(connection: Connection) -> datetime:
    """The database's clock; the only one that decides."""
    row: Any = connection.execute(load_queries("session")["read_now"]).fetchone()
    return row[0]  # type: ignore[no-any-return]  # typed by the statement


def try_lock_schedule(connection: Connection) -> bool:
    """Whether this transaction may schedule; never waits. Freed at its end."""
    return connection.execute(load_queries("session")["try_lock_schedule"]).fetchone() == (True,)


def lock_apply(connection: Connection) -> None:
    """Wait for the lock that every apply takes; LockTimeoutError after the transaction's lock timeout."""
    connection.execute(load_queries("session")["lock_apply"])
