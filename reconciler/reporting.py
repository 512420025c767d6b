"""What ``status`` says: one value, rendered as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.desired.model import Config
from reconciler.market.calendar import load_calendar
from reconciler.observe import read_now
from reconciler.scheduling.due import build_wants
from reconciler.store import definitions, revisions, status
from reconciler.store.connection import Connection, transaction
from reconciler.store.migrate import check_schema
from reconciler.store.revisions import Revision


@dataclass(frozen=True)
class Status:
    """The whole system at one moment, from one snapshot."""

    as_of: datetime
    pairs: list[status.PairCounts]
    definitions: list[status.DefinitionCounts]
    runs: list[status.RunCounts]
    requests_last_hour: dict[int, int]
    issues: list[status.Issue]
    runners: list[status.RunnerSign]
    limits: list[status.LimitUse]
    revisions: list[Revision]

    @property
    def reasons(self) -> list[str]:
        """Why it is not healthy; empty when it is."""
        missing = sum(p.pairs - p.complete for p in self.pairs)
        wanted = sum(p.pairs for p in self.pairs)
        held = len(self.issues)
        return [
            *([f"{missing} of {wanted} pairs lack wanted bars"] if missing else []),
            *([f"{held} pairs are left alone after errors"] if held else []),
            *(["nothing is wanted: no config was applied yet"] if not self.definitions else []),
        ]

    @property
    def is_healthy(self) -> bool:
        return not self.reasons


def read_status(connection: Connection, as_of: datetime | None) -> Status:
    """The state as of now, or as of ``as_of``; reads one snapshot and writes nothing."""
    with transaction(connection, read_only=True):
        check_schema(connection)
        now = read_now(connection, as_of)
        applied = revisions.read_last_revisions(connection)
        settle = {
            r.owner: timedelta(seconds=Config.from_canonical(r.config).provider.settle_after_seconds) for r in applied
        }
        wants = build_wants(load_calendar(), definitions.read_wanted_groups(connection), now, settle)
        return Status(
            as_of=now,
            pairs=status.read_pairs(connection, wants),
            definitions=status.read_definition_counts(connection),
            runs=status.read_run_counts(connection),
            requests_last_hour=status.read_request_count(connection),
            issues=status.read_issues(connection),
            runners=status.read_runners(connection),
            limits=status.read_limits(connection),
            revisions=applied,
        )


def build_document(state: Status) -> dict[str, Any]:
    """The status for programs: plain JSON values, instants in UTC."""
    document: dict[str, Any] = _plain(
        {
            "healthy": state.is_healthy,
            "reasons": state.reasons,
            "as_of": state.as_of,
            "timeframes": [asdict(p) for p in state.pairs],
            "definitions": [asdict(d) for d in state.definitions],
            "runs": [asdict(r) for r in state.runs],
            "requests_last_hour": {str(phase): count for phase, count in state.requests_last_hour.items()},
            "limits": [asdict(limit) for limit in state.limits],
            "issues": [asdict(i) for i in state.issues],
            "runners": [asdict(r) for r in state.runners],
            "revisions": [{k: v for k, v in asdict(r).items() if k != "config"} for r in state.revisions],
        }
    )
    return document


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value


def render_text(state: Status) -> str:
    """The status for a person: the verdict first."""
    verdict = "healthy" if state.is_healthy else "NOT healthy: " + "; ".join(state.reasons)
    return "\n".join(
        [
            f"{verdict}   (as of {_minute(state.as_of)})",
            *_pair_lines(state),
            *_definition_lines(state),
            *_run_lines(state),
            *_limit_lines(state),
            *(
                f"  {i.symbol} {i.timeframe}: {i.code} {i.message} (until {_minute(i.held_until)})"
                for i in state.issues
            ),
            *_revision_lines(state),
            "",
        ]
    )


def _pair_lines(state: Status) -> list[str]:
    if not state.pairs:
        return []
    head = f"  {'timeframe':<10}{'dataset':<12}{'pairs':>8}{'complete':>10}{'never asked':>13}   wanted up to"
    return [
        head,
        *(
            f"  {p.timeframe:<10}{p.dataset:<12}{p.pairs:>8}{p.complete:>10}{p.never:>13}   {_minute(p.wanted_to)}"
            for p in sorted(state.pairs, key=lambda p: _ORDER.get(p.timeframe, 9))
        ),
    ]


_ORDER = {"m15": 0, "h1": 1, "h4": 2, "d1": 3}


def _definition_lines(state: Status) -> list[str]:
    totals: dict[tuple[str, int], tuple[int, int]] = {}
    for row in state.definitions:
        enabled, disabled = totals.get((row.owner, row.phase), (0, 0))
        totals[row.owner, row.phase] = (enabled + row.enabled, disabled + row.disabled)
    return [
        f"  {owner}: phase {phase}: {enabled} definitions enabled, {disabled} disabled"
        for (owner, phase), (enabled, disabled) in sorted(totals.items())
    ]


def _run_lines(state: Status) -> list[str]:
    counts: dict[str, int] = {}
    for row in state.runs:
        counts[row.status] = counts.get(row.status, 0) + row.runs
    bars = sum(row.bars_written for row in state.runs)
    runs = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
    return [f"  runs of the last day: {runs}; {bars:,} bars inserted or changed; {len(state.runners)} runners alive"]


def _limit_lines(state: Status) -> list[str]:
    phases = ", ".join(f"phase {phase}: {count}" for phase, count in sorted(state.requests_last_hour.items()))
    return [f"  requests by runs of the last hour: {phases or 'none'}"] + [
        f"  request budget {limit.bucket}: {limit.used} of {limit.per_minute} used in the last minute"
        for limit in state.limits
    ]


def _revision_lines(state: Status) -> list[str]:
    return [
        f"  {r.owner}: revision {r.id} applied {_minute(r.applied_at)} by {r.actor}"
        + (f" from commit {r.git_sha[:12]}" if r.git_sha else "")
        for r in state.revisions
    ]


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
