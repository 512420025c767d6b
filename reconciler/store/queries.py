"""Named queries from the ``.sql`` files beside this module.

A file holds blocks of ``-- name: snake_case :one|:many|:none`` (how many rows come back), at least one
``--`` line that says what it does, and the statement. Parameters are psycopg's ``%(name)s``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- name: (?P<name>[a-z_0-9]+) :(?:one|many|none)$", re.MULTILINE)


@cache
def load_queries(table: str) -> Mapping[str, str]:
    """The statements of ``sql/<table>.sql`` by name; duplicates and undocumented ones are refused."""
    text = resources.files("reconciler.store").joinpath("sql", f"{table}.sql").read_text("utf-8")
    parts = _HEADER.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        comment, statement = _split_comment(body.strip())
        if not comment or not statement or name in queries:
            raise ValueError(f"{table}.sql: query {name} is undocumented, empty or given twice")
        queries[name] = statement
    return queries


def _split_comment(body: str) -> tuple[str, str]:
    lines = body.splitlines()
    first = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:first]), "\n".join(lines[first:]).strip()
