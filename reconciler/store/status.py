"""Read-only questions about the whole system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.jobs import Want
from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries
from reconciler.store.runs import want_parameters

_SQL = load_queries("status")


@dataclass(frozen=True)
class PairCounts:
    """Pairs (symbol, timeframe) of one dataset, and how many have every wanted bar or its proven absence."""

    timeframe: str
    dataset: str
    pairs: int
    complete: int
    never: int
    oldest: datetime | None
    wanted_to: datetime


@dataclass(frozen=True)
class DefinitionCounts:
    owner: str
    timeframe: str
    phase: int
    enabled: int
    disabled: int


@dataclass(frozen=True)
class RunCounts:
    """Live runs and those of the last day."""

    timeframe: str
    phase: int
    status: str
    runs: int
    requests: int
    bars_written: int


@dataclass(frozen=True)
class Issue:
    """A pair left alone until ``held_until``."""

    symbol: str
    timeframe: str
    dataset: str
    code: str
    message: str
    held_until: datetime


@dataclass(frozen=True)
class RunnerSign:
    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    last_seen: datetime


@dataclass(frozen=True)
class LimitUse:
    """A request bucket: its limit a minute and the requests granted in the last minute."""

    bucket: str
    per_minute: int
    used: int


def read_pairs(connection: Connection, wants: Sequence[Want]) -> list[PairCounts]:
    """Completeness of every enabled pair against ``wants``."""
    return [PairCounts(*row) for row in _rows(connection, "read_pairs", want_parameters(wants))]


def read_definition_counts(connection: Connection) -> list[DefinitionCounts]:
    """Owned definitions by owner, timeframe and phase."""
    return [DefinitionCounts(*row) for row in _rows(connection, "read_definition_counts")]


def read_run_counts(connection: Connection) -> list[RunCounts]:
    """Runs by timeframe, phase and state."""
    return [RunCounts(*row) for row in _rows(connection, "read_run_counts")]


def read_request_count(connection: Connection) -> dict[int, int]:
    """Requests of the last hour by phase."""
    return {int(phase): int(count) for phase, count in _rows(connection, "read_request_count")}


def read_issues(connection: Connection) -> list[Issue]:
    """Pairs left alone for now; at most a hundred."""
    return [Issue(*row) for row in _rows(connection, "read_issues")]


def read_runners(connection: Connection) -> list[RunnerSign]:
    """Runners heard of in the last two minutes."""
    return [RunnerSign(*row) for row in _rows(connection, "read_runners")]


def read_limits(connection: Connection) -> list[LimitUse]:
    """Every bucket's limit and use."""
    return [LimitUse(*row) for row in _rows(connection, "read_limits")]


def _rows(connection: Connection, name: str, parameters: dict[str, Any] | None = None) -> Iterable[Any]:
    return connection.execute(_SQL[name], parameters)
