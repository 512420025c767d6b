"""Reads and writes of ``job_definitions``, ``symbols`` and the batch memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from reconciler.errors import StoreError
from reconciler.jobs import Definition, JobKey, WantedGroup
from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries
from reconciler.timeframes import Timeframe

_SQL = load_queries("definitions")


@dataclass(frozen=True)
class Context:
    """Which database this is, and the canonical config of the owner's last revision (None before the first)."""

    identity: str
    revision_id: int | None
    config: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """A row of ``job_definitions``; ``managed_by`` None means nobody's."""

    id: UUID
    managed_by: str | None
    definition: Definition


def read_context(connection: Connection, owner: str) -> Context:
    """The database's identity and the owner's last revision.

    Raises StoreError in a copy of a database (CREATE DATABASE ... TEMPLATE, or a restore), whose plans must not
    pass for the original's.
    """
    row = connection.execute(_SQL["read_context"], {"owner": owner}).fetchone()
    if row is None:
        raise StoreError("the database lost its identity row. Run `reconciler migrate` on a fresh database")
    identity, is_original, revision_id, config = row
    name = str(identity) if is_original else f"{identity}-copy"
    return Context(name, revision_id, config)


def read_definitions(connection: Connection, owner: str, labels: Sequence[str]) -> list[StoredDefinition]:
    """The owner's rows and everybody's rows under one of ``labels`` or a batch label, in no order."""
    rows = connection.execute(_SQL["read_definitions"], {"owner": owner, "labels": list(labels)})
    return [_stored(row) for row in rows]


def _stored(row: Sequence[Any]) -> StoredDefinition:
    row_id, managed_by, symbol, timeframe, job_type, version, enabled, days, priority, dataset, number, members = row
    return StoredDefinition(
        row_id,
        managed_by,
        Definition(
            JobKey(symbol, timeframe, job_type, version),
            enabled,
            days,
            priority,
            dataset or "",
            number,
            tuple(members) if isinstance(members, list) else None,
        ),
    )


def read_batch_memory(connection: Connection, owner: str) -> dict[str, int]:
    """The batch number each symbol of the owner has or had last."""
    rows: Iterable[Any] = connection.execute(_SQL["read_batch_memory"], {"owner": owner})
    return dict(rows)


def insert_symbols(connection: Connection, tickers: Iterable[str]) -> None:
    """Make sure each ticker has a row in ``symbols``; existing rows stay as they are."""
    connection.execute(_SQL["insert_symbols"], {"tickers": sorted(set(tickers))})


def insert_definitions(
    connection: Connection, owner: str, revision_id: int, definitions: Sequence[Definition]
) -> list[UUID]:
    """Create the rows in one statement; returns their ids. Their tickers must be in ``symbols``."""
    return _write(connection, "insert_definitions", owner, revision_id, definitions)


def update_definitions(
    connection: Connection, owner: str, revision_id: int, definitions: Sequence[Definition]
) -> list[UUID]:
    """Write the spec of existing owned rows in one statement; returns the ids of the rows really changed."""
    return _write(connection, "update_definitions", owner, revision_id, definitions)


def _write(
    connection: Connection, query: str, owner: str, revision_id: int, definitions: Sequence[Definition]
) -> list[UUID]:
    """Fewer rows back than sent means that row-level security or another writer swallowed some: an error."""
    if not definitions:
        return []
    rows = Jsonb([_record(d) for d in definitions], dumps=msgspec.json.encode)
    parameters = {"owner": owner, "revision_id": revision_id, "rows": rows}
    written: list[Any] = connection.execute(_SQL[query], parameters).fetchall()
    if len(written) != len(definitions):
        raise StoreError(
            f"{len(definitions)} rows of job_definitions should have been written, the database wrote {len(written)}. "
            "Row-level security may hide them from this role"
        )
    return [row[0] for row in written]


def _record(d: Definition) -> dict[str, object]:
    return {
        "symbol": d.key.symbol,
        "timeframe": d.key.timeframe,
        "job_type": d.key.job_type,
        "batch_version": d.key.batch_version,
        "enabled": d.enabled,
        "window_days": d.window_days,
        "priority": d.priority,
        "dataset": d.dataset,
        "batch_number": d.batch_number,
        "symbols_array": d.symbols,
    }


def write_batch_memory(connection: Connection, owner: str, memory: Mapping[str, int]) -> None:
    """Remember the batch of each symbol; symbols not named keep what is known of them."""
    parameters = {"owner": owner, "symbols": list(memory.keys()), "numbers": list(memory.values())}
    connection.execute(_SQL["write_batch_memory"], parameters)


def read_wanted_groups(connection: Connection) -> list[WantedGroup]:
    """What all owners' enabled rows want, most urgent first."""
    rows: Iterable[Any] = connection.execute(_SQL["read_wanted_groups"])
    return [WantedGroup(owner, Timeframe(tf), *rest) for owner, tf, *rest in rows]
