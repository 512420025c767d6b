"""Definitions (rows of ``job_definitions``) and runs (rows of ``job_runs``) as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID

from reconciler.timeframes import Timeframe
from reconciler.windows import Window

JOB_TYPES = {
    Timeframe.M15: "fetch_intraday",
    Timeframe.H1: "fetch_intraday",
    Timeframe.H4: "fetch_intraday",
    Timeframe.D1: "fetch_historical",
}
"""``job_definitions.job_type`` by timeframe, as the rows of the guide have it."""


class JobKey(NamedTuple):
    """The unique key of a definition. ``symbol`` is a ticker in phase 1, ``BATCH_n`` in phase 2."""

    symbol: str
    timeframe: str
    job_type: str
    batch_version: int


@dataclass(frozen=True, slots=True)
class Definition:
    """The columns of a definition that the file decides (its *spec*).

    ``symbols`` is None in phase 1 and the sorted members in phase 2 (empty only when disabled).
    ``window_days`` is the history asked for, in days.
    """

    key: JobKey
    enabled: bool
    window_days: int
    priority: int
    dataset: str
    batch_number: int | None = None
    symbols: tuple[str, ...] | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The tickers this definition fetches, in order."""
        return (self.key.symbol,) if self.symbols is None else self.symbols


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Lane(IntEnum):
    """Claimed in this order: fresh bars first, then what fits one page, then chains of pages."""

    LIVE = 0
    CATCH_UP = 1
    BACKFILL = 2


@dataclass(frozen=True)
class WantedGroup:
    """Enabled owned rows that want the same time of the same dataset."""

    managed_by: str
    timeframe: Timeframe
    dataset: str
    window_days: int
    priority: int
    definitions: int


@dataclass(frozen=True)
class Want:
    """The time that one group of definitions wants; the key is that of WantedGroup."""

    managed_by: str
    timeframe: Timeframe
    dataset: str
    window_days: int
    window: Window


@dataclass(frozen=True)
class Gap:
    """Symbols of one definition that miss the same time. ``wanted_to`` is where their wanted time ends."""

    definition_id: UUID
    timeframe: Timeframe
    dataset: str
    priority: int
    window: Window
    wanted_to: datetime
    symbol_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class NewRun:
    """A slice to queue; ``place`` orders the queue (smaller first)."""

    definition_id: UUID
    window: Window
    lane: Lane
    place: int
    symbol_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class Run:
    """A claimed run: everything a worker needs, frozen when it was scheduled.

    ``symbols`` and ``symbol_ids`` run in parallel. ``fence`` must accompany every write.
    ``symbol_rows`` counts bars received per ticker on the ``pages`` committed so far.
    """

    id: UUID
    fence: int
    attempt: int
    managed_by: str
    timeframe: Timeframe
    dataset: str
    phase: int
    lane: Lane
    slice: Window
    symbols: tuple[str, ...]
    symbol_ids: tuple[UUID, ...]
    cursor_token: str | None
    pages: int
    rows_written: int
    symbol_rows: dict[str, int]
