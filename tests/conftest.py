"""Real PostgreSQL for every test that asks: 18 from the wheel and 15 from Debian, one migrated template each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler.store.connection import Connection, connect
from reconciler.store.embedded import start_cluster
from reconciler.store.migrate import migrate
from reconciler.store.postgres_binaries import binaries_in, find_binaries

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["18", "15"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of one major version; fsync is off, all else is as in the product."""
    if request.param == "15" and not DEBIAN_15.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    binaries = find_binaries() if request.param == "18" else binaries_in(DEBIAN_15)
    folder = tmp_path_factory.mktemp(f"pg{request.param}")
    with start_cluster(binaries, folder, durable=False, temporary=True) as conninfo:
        yield conninfo


def _admin(cluster: str, statement: str) -> None:
    with psycopg.connect(cluster, autocommit=True, dbname="postgres") as connection:
        connection.execute(statement.encode())


@pytest.fixture(scope="session")
def template(cluster: str) -> str:
    """A migrated database to copy from; copying is an order of magnitude faster than migrating."""
    _admin(cluster, "CREATE DATABASE template_migrated")
    with connect(make_conninfo(cluster, dbname="template_migrated")) as connection:
        migrate(connection)
        # A copy is told from its original by its oid; for tests each copy is an original.
        connection.execute("UPDATE reconciler.identity SET database_oid = 0")
    return "template_migrated"


@pytest.fixture
def empty_dsn(cluster: str) -> Iterator[str]:
    """A database of its own, not migrated."""
    yield from _database(cluster, "template1")


@pytest.fixture
def dsn(cluster: str, template: str) -> Iterator[str]:
    """A migrated database of its own."""
    for own in _database(cluster, template):
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute(
                "UPDATE reconciler.identity SET database_oid = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        yield own


def _database(cluster: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _admin(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_conninfo(cluster, dbname=name)
    _admin(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    """One connection to a migrated database."""
    with connect(dsn) as opened:
        yield opened
