from __future__ import annotations

import re
from importlib import resources

import pytest

from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries

FILES = sorted(
    entry.name.removesuffix(".sql")
    for entry in resources.files("reconciler.store").joinpath("sql").iterdir()
    if entry.name.endswith(".sql")
)
NOT_PREPARABLE = {"create_migrations", "create_stage", "copy_stage", "create_database"}
"""DDL and COPY take no PREPARE; the tests that use them run them."""


@pytest.mark.parametrize("table", FILES)
def test_every_query_prepares_on_the_migrated_schema(connection: Connection, table: str) -> None:
    queries = load_queries(table)
    assert queries
    if table == "bars":
        connection.execute(queries["create_stage"].replace("ON COMMIT DROP", "").encode())
    for name, statement in queries.items():
        if name not in NOT_PREPARABLE:
            connection.execute(f"PREPARE q AS {_numbered(statement)}".encode())
            connection.execute("DEALLOCATE q")


def _numbered(statement: str) -> str:
    """psycopg's named parameters as PREPARE's numbered ones."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    return re.sub(r"%\((\w+)\)s", number, statement).replace("%%", "%").rstrip(";")


@pytest.mark.parametrize("table", FILES)
def test_no_query_reads_more_than_it_names(table: str) -> None:
    for name, statement in load_queries(table).items():
        assert not re.search(r"\bSELECT \*", statement) or name == "read_gaps", name


@pytest.mark.parametrize("table", FILES)
def test_every_statement_on_our_runs_says_that_they_are_ours(table: str) -> None:
    for name, statement in load_queries(table).items():
        if "public.job_runs" in statement and not statement.startswith("INSERT"):
            assert "lane IS NOT NULL" in statement, name
