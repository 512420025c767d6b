"""A plan as text for people and as a document for programs; both from the same value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.jobs import Definition
from reconciler.planning.plan import Action, Change, Plan, Reason, Source
from reconciler.planning.state import Setting

FORMAT_VERSION = "1.0"

_WIDTH = 100
_SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "!", Action.ENABLE: ">", Action.DISABLE: "|"}
_COLORS = {Action.CREATE: "32", Action.UPDATE: "33", Action.ENABLE: "36", Action.DISABLE: "35"}
_ID_DIGITS = len("sha256:") + 12


@dataclass(frozen=True)
class Group:
    """Changes that read the same; several timeframes are one group where the same symbols change in each."""

    action: Action
    phase: int
    timeframes: tuple[str, ...]
    reason: Reason
    fields: tuple[tuple[str, Setting | None, Setting | None], ...]
    source: Source | None
    changes: tuple[Change, ...]

    @property
    def first(self) -> list[Change]:
        """The changes of one timeframe; the others have the same."""
        return [c for c in self.changes if c.key.timeframe == self.timeframes[0]]


def fold(changes: Iterable[Change]) -> list[Group]:
    """Equal changes together, in the order of their first: by timeframe, then timeframes that change alike."""
    by_timeframe: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        key = (change.action, change.key.batch_version, change.key.timeframe, change.reason, tuple(change.fields()))
        by_timeframe.setdefault(key, []).append(change)
    alike: dict[tuple[object, ...], list[Change]] = {}
    for (action, phase, _, reason, fields), members in by_timeframe.items():
        names = tuple((c.key.symbol, c.joined, c.left, len(c.after.symbols or ())) for c in members)
        alike.setdefault((action, phase, reason, fields, names), []).extend(members)
    return [_group(members) for members in alike.values()]


def _group(changes: list[Change]) -> Group:
    first = changes[0]
    return Group(
        first.action,
        first.key.batch_version,
        tuple(dict.fromkeys(c.key.timeframe for c in changes)),
        first.reason,
        tuple(first.fields()),
        first.source,
        tuple(changes),
    )


def render_text(plan: Plan, *, color: bool, full: bool) -> str:
    """The plan for a terminal, ending in a newline; ``full`` gives every row a line of its own.

    Colours are ANSI escapes and only ever around a line's first character.
    """
    if plan.is_empty and not plan.conflicts:
        return f"No changes: {plan.unchanged} definitions of {plan.owner} are as the file wants them.\n"
    groups = [_group([change]) for change in plan.changes] if full else fold(plan.changes)
    lines = [f"Plan for {plan.owner}:", ""]
    for group in groups:
        lines.extend(_group_lines(group, color=color))
    lines.extend(_settings_lines(plan))
    lines.extend(_conflict_lines(plan))
    lines.extend(["", *_legend(groups), _summary_line(plan), f"plan_id {plan.plan_id[:_ID_DIGITS]}"])
    return "\n".join(lines) + "\n"


def _group_lines(group: Group, *, color: bool) -> Iterator[str]:
    mark = _SYMBOLS[group.action]
    if color:
        mark = "~" if mark == "!" else mark
        mark = f"\x1b[{_COLORS[group.action]}m{mark}\x1b[0m"
    count = len(group.changes)
    what = f"{count} x " if count > 1 else ""
    where = f"  ({group.source.file}:{group.source.line})" if group.source else ""
    yield f"{mark} {what}{group.action} phase {group.phase} {' '.join(group.timeframes)}  {group.reason}{where}"
    yield from _wrapped(_names(group))
    for name, before, after in group.fields:
        yield f"      {name}: {_shown(before)} -> {_shown(after)}"


def _names(group: Group) -> list[str]:
    if group.phase == 1:
        return [change.key.symbol for change in group.first]
    return [_batch_name(change) for change in group.first]


def _batch_name(change: Change) -> str:
    """``BATCH_2: +AAPL -XYZ (48 unchanged)``, or the size alone where every member came or stayed."""
    size = len(change.after.symbols or ())
    if change.before is None or not (change.joined or change.left):
        return f"{change.key.symbol} ({size} symbols)"
    moved = " ".join([*(f"+{s}" for s in change.joined), *(f"-{s}" for s in change.left)])
    return f"{change.key.symbol}: {moved} ({size - len(change.joined)} unchanged)"


def _wrapped(names: list[str]) -> Iterator[str]:
    """At most two lines of names; the rest is counted."""
    lines, line = 0, "     "
    for place, name in enumerate(names):
        left = len(names) - place
        if len(line) + len(name) + 2 > _WIDTH and len(line) > len("     "):
            if lines == 1:
                yield f"{line} ... and {left} more"
                return
            yield line
            lines, line = lines + 1, "     "
        line += f" {name}" + ("," if left > 1 else "")
    yield line


def _settings_lines(plan: Plan) -> Iterator[str]:
    if plan.settings_changes:
        yield ""
        yield "Settings:"
    for name, before, after in plan.settings_changes:
        yield f"! {name}: {_shown(before)} -> {_shown(after)}"


def _conflict_lines(plan: Plan) -> Iterator[str]:
    if plan.conflicts:
        yield ""
        yield f"{len(plan.conflicts)} CONFLICTS: wanted rows that belong to somebody else. apply refuses (exit 3)."
    for conflict in plan.conflicts[:10]:
        key = conflict.key
        yield f"  {key.symbol} {key.timeframe} {key.job_type}: {conflict.managed_by or 'nobody'}'s row"
    if len(plan.conflicts) > 10:
        yield f"  ... and {len(plan.conflicts) - 10} more"


def _legend(groups: Iterable[Group]) -> list[str]:
    used = {group.action for group in groups}
    return [", ".join(f"{_SYMBOLS[a]} {a}" for a in Action if a in used)] if used else []


def _summary_line(plan: Plan) -> str:
    counts = plan.summary()
    parts = [f"{counts[action]} to {action}" for action in Action]
    return f"Plan: {', '.join(parts)}, {counts['unchanged']} unchanged."


def _shown(value: Setting | None) -> str:
    return "none" if value is None else str(value)


def build_document(plan: Plan, *, folded: bool = False) -> dict[str, Any]:
    """The plan as JSON values; ``folded`` counts equal changes in place of listing them, for the archive."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "plan_id": plan.plan_id,
        "owner": plan.owner,
        "summary": plan.summary(),
        "settings": [{"name": n, "before": before, "after": after} for n, before, after in plan.settings_changes],
        "conflicts": [{"key": c.key._asdict(), "managed_by": c.managed_by} for c in plan.conflicts],
    }
    if folded:
        document["groups"] = [_group_document(group) for group in fold(plan.changes)]
    else:
        document["changes"] = [_change_document(change) for change in plan.changes]
    return document


def _change_document(change: Change) -> dict[str, Any]:
    return {
        "action": change.action.value,
        "key": change.key._asdict(),
        "before": None if change.before is None else _spec_document(change.before),
        "after": _spec_document(change.after),
        "reason": change.reason.value,
        "source": None if change.source is None else change.source._asdict(),
    }


def _spec_document(d: Definition) -> dict[str, Any]:
    return {
        "enabled": d.enabled,
        "window_days": d.window_days,
        "priority": d.priority,
        "dataset": d.dataset,
        "batch_number": d.batch_number,
        "symbols": None if d.symbols is None else list(d.symbols),
    }


def _group_document(group: Group) -> dict[str, Any]:
    return {
        "action": group.action.value,
        "phase": group.phase,
        "timeframes": list(group.timeframes),
        "reason": group.reason.value,
        "count": len(group.changes),
        "symbols": [change.key.symbol for change in group.first[:50]],
    }
