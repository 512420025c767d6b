"""Applied configurations and what each dataset label is bound to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from reconciler.errors import PolicyError
from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries

_SQL = load_queries("revisions")


@dataclass(frozen=True)
class Revision:
    """One applied config; ``config`` is its canonical form."""

    owner: str
    id: int
    config: Mapping[str, Any]
    plan_id: str
    actor: str
    git_sha: str | None
    applied_at: datetime


@dataclass(frozen=True)
class Dataset:
    """What a label stands for; ``host`` is None until the first page was written."""

    label: str
    host: str | None
    feed: str
    adjustment: str
    session: str


def insert_revision(
    connection: Connection,
    *,
    owner: str,
    config: Mapping[str, Any],
    config_sha256: str,
    git_sha: str | None,
    actor: str,
    plan: Mapping[str, Any],
    plan_id: str,
) -> int:
    """Record an apply; returns the revision's number."""
    row: Any = connection.execute(
        _SQL["insert_revision"],
        {
            "owner": owner,
            "config": Jsonb(config, dumps=msgspec.json.encode),
            "config_sha256": config_sha256,
            "git_sha": git_sha,
            "actor": actor,
            "plan": Jsonb(plan, dumps=msgspec.json.encode),
            "plan_id": plan_id,
        },
    ).fetchone()
    return int(row[0])


def read_last_revisions(connection: Connection) -> list[Revision]:
    """The last revision of every owner, by owner."""
    rows: Iterable[Any] = connection.execute(_SQL["read_last_revisions"])
    return [Revision(*row) for row in rows]


def read_datasets(connection: Connection) -> list[Dataset]:
    """Every bound label, in order."""
    rows: Iterable[Any] = connection.execute(_SQL["read_datasets"])
    return [Dataset(*row) for row in rows]


def bind_dataset(connection: Connection, label: str, feed: str, adjustment: str, session: str) -> None:
    """Bind the label, or raise PolicyError when it already stands for something else."""
    wanted = {"feed": feed, "adjustment": adjustment, "session": session}
    row: Any = connection.execute(_SQL["bind_dataset"], {"label": label, **wanted}).fetchone()
    bound = dict(zip(wanted, row, strict=True))
    different = [f"{name} {bound[name]} -> {wanted[name]}" for name in wanted if bound[name] != wanted[name]]
    if different:
        raise PolicyError(
            f"dataset {label} is bound to other bars ({', '.join(different)}): they must never mix. "
            "Choose a new label under provider.dataset"
        )


def bind_host(connection: Connection, label: str, host: str) -> None:
    """Bind the label to the provider's host, or raise PolicyError when it belongs to another one."""
    parameters = {"label": label, "host": host}
    rows: list[Any] = connection.execute(_SQL["bind_host"], parameters).fetchall()
    if not rows:
        rows = connection.execute(_SQL["bind_host"], parameters).fetchall()
    bound = rows[0][0] if rows else "nothing"
    if bound != host:
        raise PolicyError(f"dataset {label} is bound to {bound}, and this runner asks {host}. Nothing was written")
