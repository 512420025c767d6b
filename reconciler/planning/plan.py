"""Desired minus actual: the changes, in order, with their reasons. A pure function of its arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from reconciler.jobs import JOB_TYPES, Definition, JobKey
from reconciler.planning.batching import Assignment, assign
from reconciler.planning.state import Actual, Desired, Setting, batch_label
from reconciler.timeframes import Timeframe

_TIMEFRAME_ORDER = {tf.value: place for place, tf in enumerate(Timeframe)}


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    ENABLE = "enable"
    DISABLE = "disable"


SUMMARY_KEYS = ("create", "update", "enable", "disable", "delete", "adopt", "release", "unchanged")
"""The keys of every summary; scripts rely on all of them being there."""


class Reason(StrEnum):
    """Why a row changes; stable codes."""

    NEW_SYMBOL = "NEW_SYMBOL"
    NEW_BATCH = "NEW_BATCH"
    NEW_TIMEFRAME = "NEW_TIMEFRAME"
    PHASE_ACTIVATED = "PHASE_ACTIVATED"
    PHASE_INACTIVE = "PHASE_INACTIVE"
    SYMBOL_REMOVED = "SYMBOL_REMOVED"
    TIMEFRAME_REMOVED = "TIMEFRAME_REMOVED"
    BATCH_EMPTIED = "BATCH_EMPTIED"
    MEMBERS_CHANGED = "MEMBERS_CHANGED"
    SPEC_CHANGED = "SPEC_CHANGED"
    WANTED_AGAIN = "WANTED_AGAIN"


class Source(NamedTuple):
    """The place in the file that causes a change; ``line`` counts from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Change:
    """One row's change; ``before`` is None for a create."""

    action: Action
    before: Definition | None
    after: Definition
    reason: Reason
    source: Source | None

    @property
    def key(self) -> JobKey:
        return self.after.key

    def fields(self) -> list[tuple[str, Setting | None, Setting | None]]:
        """Columns that differ, members aside: name, before, after; empty for a create."""
        if self.before is None:
            return []
        names = ("window_days", "priority", "dataset", "batch_number")
        pairs = ((n, getattr(self.before, n), getattr(self.after, n)) for n in names)
        return [(name, old, new) for name, old, new in pairs if old != new]

    @property
    def joined(self) -> tuple[str, ...]:
        """Members that the change adds to a batch."""
        before = frozenset((self.before.symbols if self.before else None) or ())
        return tuple(s for s in self.after.symbols or () if s not in before)

    @property
    def left(self) -> tuple[str, ...]:
        """Members that the change takes out of a batch."""
        before = self.before.symbols if self.before else None
        after = frozenset(self.after.symbols or ())
        return tuple(s for s in before or () if s not in after)


@dataclass(frozen=True)
class Conflict:
    """A wanted key that a row of somebody else holds; ``managed_by`` None is nobody's row."""

    key: JobKey
    managed_by: str | None


@dataclass(frozen=True)
class Plan:
    """What an apply would do, in order. ``plan_id`` changes with what an apply depends on, and with nothing else."""

    owner: str
    changes: tuple[Change, ...]
    unchanged: int
    conflicts: tuple[Conflict, ...]
    settings_changes: tuple[tuple[str, Setting | None, Setting], ...]
    memory_after: Mapping[str, int]
    plan_id: str

    @property
    def is_empty(self) -> bool:
        """Whether the database is as the file wants it."""
        return not self.changes and not self.settings_changes

    def summary(self) -> dict[str, int]:
        """Rows by what happens to them."""
        counts = dict.fromkeys(SUMMARY_KEYS, 0)
        for change in self.changes:
            counts[change.action] += 1
        counts["unchanged"] = self.unchanged
        return counts


def build_plan(desired: Desired, actual: Actual) -> Plan:
    """Compare and explain; linear in the number of rows, the same bytes for the same arguments."""
    assignment = build_assignment(desired, actual)
    wanted = build_definitions(desired, assignment)
    conflicts = tuple(
        Conflict(key, actual.foreign_keys[key]) for key in sorted(wanted, key=_order) if key in actual.foreign_keys
    )
    for conflict in conflicts:
        del wanted[conflict.key]
    changes = _build_changes(desired, actual, assignment, wanted)
    settings = _settings_changes(desired, actual)
    return Plan(
        owner=desired.owner,
        changes=changes,
        unchanged=len(wanted) - sum(c.action is not Action.DISABLE for c in changes),
        conflicts=conflicts,
        settings_changes=settings,
        memory_after=_memory_after(assignment, actual.memory),
        plan_id=_plan_id(desired, actual, conflicts, changes, settings),
    )


def wanted_labels(desired: Desired) -> list[str]:
    """What may stand in ``job_definitions.symbol`` of a wanted phase 1 row; batch labels are found by their form."""
    return list(desired.symbols)


def build_assignment(desired: Desired, actual: Actual) -> Assignment:
    """The batches of all phase 2 timeframes together; empty when none is in phase 2."""
    if all(wish.phase == 1 for wish in desired.timeframes.values()):
        return {}
    return assign(desired.symbols, _current_batches(actual), actual.memory, desired.batch_size, actual.reserved_batches)


def _current_batches(actual: Actual) -> dict[str, int]:
    """Where each symbol is: by the enabled rows, or by all when none is enabled (then phase 2 sleeps).

    Where rows disagree with the memory, which every apply brings up to date, they are stale or edited by somebody
    else: such a symbol is no member but finds home by the memory.
    """
    batches = [row.definition for row in actual.owned if row.definition.batch_number is not None]
    current: dict[str, int] = {}
    for row in [row for row in batches if row.enabled] or batches:
        for symbol in row.symbols or ():
            if row.batch_number is not None and actual.memory.get(symbol, row.batch_number) == row.batch_number:
                current[symbol] = min(row.batch_number, current.get(symbol, row.batch_number))
    return current


def build_definitions(desired: Desired, assignment: Assignment) -> dict[JobKey, Definition]:
    """The rows that the file wants enabled, by key."""
    wanted: dict[JobKey, Definition] = {}
    for timeframe, wish in desired.timeframes.items():
        common = (True, wish.history_days, wish.priority, desired.dataset)
        job_type = JOB_TYPES[timeframe]
        if wish.phase == 1:
            for symbol in desired.symbols:
                key = JobKey(symbol, timeframe.value, job_type, 1)
                wanted[key] = Definition(key, *common)
        else:
            for number, symbols in assignment.items():
                key = JobKey(batch_label(number), timeframe.value, job_type, 2)
                wanted[key] = Definition(key, *common, number, symbols)
    return wanted


def _build_changes(
    desired: Desired, actual: Actual, assignment: Assignment, wanted: Mapping[JobKey, Definition]
) -> tuple[Change, ...]:
    rows = {row.definition.key: row.definition for row in actual.owned}
    explain = _Explainer(desired, rows.values())
    changes = []
    for key, after in wanted.items():
        before = rows.get(key)
        if before is None:
            changes.append(explain.change(Action.CREATE, None, after))
        elif not before.enabled:
            changes.append(explain.change(Action.ENABLE, before, after))
        elif before != after:
            changes.append(explain.change(Action.UPDATE, before, after))
    for key, before in rows.items():
        if before.enabled and key not in wanted:
            changes.append(explain.change(Action.DISABLE, before, _disabled(desired, assignment, before)))
    return tuple(sorted(changes, key=lambda change: _order(change.key)))


def _disabled(desired: Desired, assignment: Assignment, before: Definition) -> Definition:
    """A batch that lost its last member is emptied; any other row keeps what it says, for the way back."""
    wish = desired.timeframes.get(Timeframe(before.key.timeframe)) if _is_known(before.key.timeframe) else None
    emptied = wish is not None and wish.phase == 2 and before.symbols and before.batch_number not in assignment
    return replace(before, enabled=False, symbols=() if emptied else before.symbols)


def _is_known(timeframe: str) -> bool:
    return timeframe in _TIMEFRAME_ORDER


def _order(key: JobKey) -> tuple[int, str, int, int, str, str]:
    """Timeframes shortest first, phase 1 before 2, batches by length of label and so by number; total."""
    length = len(key.symbol) if key.batch_version == 2 else 0
    return (_TIMEFRAME_ORDER.get(key.timeframe, 99), key.timeframe, key.batch_version, length, key.symbol, key.job_type)


class _Explainer:
    """Finds the reason of each change and its line in the file."""

    def __init__(self, desired: Desired, rows: Iterable[Definition]) -> None:
        self._desired = desired
        self._symbols = frozenset(desired.symbols)
        self._active = {(row.key.timeframe, row.key.batch_version) for row in rows if row.enabled}
        self._timeframes = {timeframe for timeframe, _ in self._active}

    def change(self, action: Action, before: Definition | None, after: Definition) -> Change:
        reason = self._reason(action, before, after)
        return Change(action, before, after, reason, self._source(reason, before, after))

    def _reason(self, action: Action, before: Definition | None, after: Definition) -> Reason:
        match action:
            case Action.CREATE | Action.ENABLE:
                return self._reason_to_have(action, after)
            case Action.DISABLE:
                return self._reason_to_disable(after)
            case _:
                moved = before is not None and before.symbols != after.symbols
                return Reason.MEMBERS_CHANGED if moved else Reason.SPEC_CHANGED

    def _reason_to_have(self, action: Action, after: Definition) -> Reason:
        # With no row enabled at all there was no phase and no timeframe to come from.
        if self._active and after.key.timeframe not in self._timeframes:
            return Reason.NEW_TIMEFRAME
        if self._active and (after.key.timeframe, after.key.batch_version) not in self._active:
            return Reason.PHASE_ACTIVATED
        return Reason.WANTED_AGAIN if action is Action.ENABLE else self._new(after)

    @staticmethod
    def _new(after: Definition) -> Reason:
        return Reason.NEW_SYMBOL if after.symbols is None else Reason.NEW_BATCH

    def _reason_to_disable(self, after: Definition) -> Reason:
        wishes = {tf.value: wish for tf, wish in self._desired.timeframes.items()}
        wish = wishes.get(after.key.timeframe)
        if wish is None:
            return Reason.TIMEFRAME_REMOVED
        if wish.phase != after.key.batch_version:
            return Reason.PHASE_INACTIVE
        return Reason.SYMBOL_REMOVED if after.symbols is None else Reason.BATCH_EMPTIED

    def _source(self, reason: Reason, before: Definition | None, after: Definition) -> Source | None:
        lines = self._desired.lines
        for path in self._paths(reason, before, after):
            if path in lines:
                return Source(*lines[path][:2])
        return None

    def _paths(self, reason: Reason, before: Definition | None, after: Definition) -> list[tuple[str, ...]]:
        """Where to look, the most telling place first."""
        timeframe = after.key.timeframe
        match reason:
            case Reason.PHASE_ACTIVATED | Reason.PHASE_INACTIVE:
                return [("timeframes", timeframe, "phase"), ("active_phase",)]
            case Reason.NEW_TIMEFRAME | Reason.TIMEFRAME_REMOVED:
                return [("timeframes", timeframe), ("timeframes",)]
            case Reason.SPEC_CHANGED:
                return [*_spec_paths(timeframe, before, after), ("timeframes", timeframe), ("provider",)]
            case _:
                return [("universe", symbol) for symbol in _telling(before, after)] + [("universe",)]


def _spec_paths(timeframe: str, before: Definition | None, after: Definition) -> list[tuple[str, ...]]:
    if before is None:
        return []
    paths = {
        "window_days": ("timeframes", timeframe, "history"),
        "priority": ("timeframes", timeframe, "priority"),
        "dataset": ("provider", "dataset"),
    }
    return [path for name, path in paths.items() if getattr(before, name) != getattr(after, name)]


def _telling(before: Definition | None, after: Definition) -> list[str]:
    """The symbols whose lines explain the change: newcomers of a batch, or the row's own ticker."""
    if before is None or before.symbols is None or after.symbols is None:
        return list(after.members[:1])
    return sorted(set(after.symbols) - set(before.symbols))


def _settings_changes(desired: Desired, actual: Actual) -> tuple[tuple[str, Setting | None, Setting], ...]:
    """Settings that differ from the last revision; the first apply has nothing to compare with."""
    if actual.settings is None:
        return ()
    last = actual.settings
    return tuple((name, last.get(name), now) for name, now in sorted(desired.settings.items()) if last.get(name) != now)


def _memory_after(assignment: Assignment, memory: Mapping[str, int]) -> dict[str, int]:
    """The homes to be written: those that are new or moved."""
    homes = ((symbol, number) for number, symbols in assignment.items() for symbol in symbols)
    return {symbol: number for symbol, number in sorted(homes) if memory.get(symbol) != number}


def _plan_id(
    desired: Desired,
    actual: Actual,
    conflicts: tuple[Conflict, ...],
    changes: tuple[Change, ...],
    settings: tuple[tuple[str, Setting | None, Setting], ...],
) -> str:
    content = {
        "config": desired.canonical,
        "owner": desired.owner,
        "database": actual.identity,
        "rows": sorted(_spec(row.definition) for row in actual.owned),
        "foreign": [(*conflict.key, conflict.managed_by or "") for conflict in conflicts],
        "reserved": sorted(actual.reserved_batches),
        "memory": sorted(actual.memory.items()),
        "changes": [(c.action, _spec(c.after)) for c in changes],
        "settings": settings,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _spec(d: Definition) -> tuple[str | int | bool | tuple[str, ...], ...]:
    # None cannot be ordered against a number or a tuple; no number is negative and no member list holds "-".
    members = ("-",) if d.symbols is None else d.symbols
    number = -1 if d.batch_number is None else d.batch_number
    return (*d.key, d.enabled, d.window_days, d.priority, d.dataset, number, members)
