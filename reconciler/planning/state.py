"""What the planner compares: the desired state of one owner and the actual rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.jobs import Definition, JobKey
from reconciler.timeframes import Timeframe

_LABEL = re.compile(r"BATCH_([1-9]\d{0,8})", re.ASCII)

Setting = str | int


@dataclass(frozen=True)
class TimeframeWish:
    """What is wanted of one timeframe; ``phase`` is 1 or 2."""

    history_days: int
    priority: int
    phase: int


@dataclass(frozen=True)
class Desired:
    """One owner's file in the planner's words.

    ``symbols`` are sorted and unique. ``settings`` change behaviour without changing a row. ``canonical`` is the
    whole config for hashing. ``lines`` leads from a path of keys to its (file, line, column).
    """

    owner: str
    symbols: tuple[str, ...]
    timeframes: Mapping[Timeframe, TimeframeWish]
    batch_size: int
    dataset: str
    settings: Mapping[str, Setting]
    canonical: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], tuple[str, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActualRow:
    """A row of ``job_definitions`` that the owner owns."""

    definition: Definition
    row_id: str


@dataclass(frozen=True)
class Actual:
    """What the database holds of this owner, and what of others stands in its way.

    ``foreign_keys``: keys of rows that are not the owner's -> whose they are (None: nobody's); may hold more than
    the wanted ones. ``reserved_batches``: batch numbers that rows of others use. ``memory``: the batch each symbol
    has or had last. ``settings``: those of the owner's last revision, None before the first.
    """

    identity: str
    owned: tuple[ActualRow, ...] = ()
    foreign_keys: Mapping[JobKey, str | None] = field(default_factory=dict)
    reserved_batches: frozenset[int] = frozenset()
    memory: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Setting] | None = None


def batch_label(number: int) -> str:
    """The label under which batch ``number`` stands in ``job_definitions.symbol``."""
    return f"BATCH_{number}"


def batch_label_number(label: str) -> int | None:
    """The number in a batch label; None for anything else, ``US_BATCH_1`` and ``BATCH_01`` included."""
    found = _LABEL.fullmatch(label)
    return int(found[1]) if found else None
