"""Writes of ``intraday_bars`` and of coverage."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

_SQL = load_queries("bars")
_TYPES = ["uuid", "timestamptz", *["float8"] * 4, "int8", "int8", "float8"]


class BarRow(NamedTuple):
    """One bar of one symbol in the column order of the stage."""

    symbol_id: UUID
    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    trade_count: int | None
    vwap: float | None


def write_bars(connection: Connection, timeframe: Timeframe, dataset: str, rows: Iterable[BarRow]) -> int:
    """Insert or correct the bars inside the caller's transaction; returns how many were inserted or changed.

    A bar equal to the stored one costs no write. No (symbol, ts) may come twice.
    """
    connection.execute(_SQL["tune_merge"])
    connection.execute(_SQL["create_stage"])
    with connection.cursor() as cursor:
        with cursor.copy(_SQL["copy_stage"]) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)
        cursor.execute(_SQL["merge_stage"], {"timeframe": timeframe.value, "provider": dataset})
        return cursor.rowcount


def cover(
    connection: Connection, timeframe: Timeframe, dataset: str, symbol_ids: Iterable[UUID], window: Window
) -> None:
    """Record that the provider has answered completely; idempotent, inside the caller's transaction."""
    connection.execute(
        _SQL["cover"],
        {
            "timeframe": timeframe.value,
            "dataset": dataset,
            "symbol_ids": list(symbol_ids),
            "covered_from": window.start,
            "covered_to": window.end,
        },
    )
