"""A planner's world in memory: files and rows without a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.jobs import Definition, JobKey
from reconciler.planning.plan import Plan, build_plan
from reconciler.planning.state import Actual, ActualRow, Desired, Setting, TimeframeWish, batch_label_number
from reconciler.timeframes import Timeframe

DEFAULTS = {
    Timeframe.M15: (30, 300),
    Timeframe.H1: (90, 200),
    Timeframe.H4: (365, 200),
    Timeframe.D1: (730, 100),
}


def make_desired(
    symbols: Iterable[str],
    phase: int = 1,
    *,
    timeframes: Iterable[Timeframe] = tuple(Timeframe),
    phases: Mapping[Timeframe, int] | None = None,
    days: Mapping[Timeframe, int] | None = None,
    batch_size: int = 50,
    dataset: str = "alpaca",
    rate: int = 200,
) -> Desired:
    """What a file says; ``phases`` and ``days`` override single timeframes."""
    chosen = [tf for tf in Timeframe if tf in set(timeframes)]
    wishes = {
        tf: TimeframeWish((days or {}).get(tf, DEFAULTS[tf][0]), DEFAULTS[tf][1], (phases or {}).get(tf, phase))
        for tf in chosen
    }
    ordered = tuple(sorted(symbols))
    canonical: dict[str, Any] = {
        "symbols": list(ordered),
        "timeframes": {tf.value: [w.history_days, w.priority, w.phase] for tf, w in wishes.items()},
        "batch_size": batch_size,
        "dataset": dataset,
        "rate": rate,
    }
    lines: dict[tuple[str, ...], tuple[str, int, int]] = {
        ("universe",): ("us.yaml", 3, 1),
        ("timeframes",): ("us.yaml", 4, 1),
        ("active_phase",): ("us.yaml", 6, 1),
        **{("universe", symbol): ("us.yaml", 3, 12 + 6 * place) for place, symbol in enumerate(ordered)},
    }
    return Desired("us", ordered, wishes, batch_size, dataset, {"requests_per_minute": rate}, canonical, lines)


@dataclass
class Rows:
    """What the database holds; applies plans as apply does."""

    rows: dict[JobKey, Definition] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    settings: Mapping[str, Setting] | None = None
    foreign: dict[JobKey, str | None] = field(default_factory=dict)

    @property
    def actual(self) -> Actual:
        numbers = (batch_label_number(key.symbol) for key in self.foreign)
        return Actual(
            identity="database",
            owned=tuple(ActualRow(row, key.symbol) for key, row in self.rows.items()),
            foreign_keys=self.foreign,
            reserved_batches=frozenset(n for n in numbers if n is not None),
            memory=self.memory,
            settings=self.settings,
        )

    def plan(self, desired: Desired) -> Plan:
        return build_plan(desired, self.actual)

    def apply(self, desired: Desired) -> Plan:
        plan = self.plan(desired)
        for change in plan.changes:
            assert change.before == self.rows.get(change.key)
            assert change.before != change.after
            self.rows[change.key] = change.after
        self.memory |= plan.memory_after
        self.settings = desired.settings
        return plan

    def enabled(self) -> set[JobKey]:
        return {key for key, row in self.rows.items() if row.enabled}

    def switch(self, key: JobKey, *, enabled: bool) -> None:
        """What somebody else does behind our back."""
        self.rows[key] = replace(self.rows[key], enabled=enabled)
