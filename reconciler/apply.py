"""Apply a plan: one transaction, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.desired.loader import LoadedConfig
from reconciler.errors import PolicyError, StalePlanError, StoreError
from reconciler.jobs import Definition
from reconciler.observe import build_current_plan
from reconciler.planning.plan import Action, Plan
from reconciler.planning.render import build_document
from reconciler.store import definitions, limits, revisions, runs
from reconciler.store.connection import Connection, lock_apply, transaction
from reconciler.store.migrate import check_schema

LOCK_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class Applied:
    """What was applied; ``revision_id`` is None when nothing had to be."""

    plan: Plan
    revision_id: int | None
    cancelled_runs: int


def apply_config(
    connection: Connection, loaded: LoadedConfig, *, actor: str, git_sha: str | None, expect: str | None = None
) -> Applied:
    """Make ``job_definitions`` match the file in one transaction.

    Takes the one apply lock, reads, plans, writes in a number of statements that does not depend on the number of
    rows, then reads and plans again: that plan must be empty, or everything is rolled back. Idempotent.

    Raises PolicyError (a wanted key belongs to somebody else, or the dataset to other bars), StalePlanError when
    ``expect`` is another plan's id, LockTimeoutError after 30 s behind another apply, StoreError.
    """
    with transaction(connection, lock_timeout_ms=LOCK_TIMEOUT_MS):
        lock_apply(connection)
        check_schema(connection)
        plan = build_current_plan(connection, loaded)
        _check_lawful(plan, expect)
        _bind_dataset(connection, loaded)
        if plan.is_empty and not _is_new_config(connection, loaded):
            return Applied(plan, None, 0)
        revision_id, cancelled = _write(connection, loaded, plan, actor, git_sha)
        left = build_current_plan(connection, loaded)
        if not left.is_empty:
            raise StoreError(
                f"internal error: {len(left.changes)} changes were left after writing; everything was rolled back"
            )
    return Applied(plan, revision_id, cancelled)


def _check_lawful(plan: Plan, expect: str | None) -> None:
    if plan.conflicts:
        first = plan.conflicts[0]
        raise PolicyError(
            f"{len(plan.conflicts)} wanted rows belong to somebody else, such as {first.key.symbol} "
            f"{first.key.timeframe} ({first.managed_by or 'nobody'}'s); nothing was changed"
        )
    if expect is not None and plan.plan_id != expect:
        raise StalePlanError("the database changed after the plan was shown; nothing was changed. Plan again")


def _bind_dataset(connection: Connection, loaded: LoadedConfig) -> None:
    provider = loaded.config.provider
    revisions.bind_dataset(connection, provider.dataset, provider.feed, provider.adjustment, provider.session)


def _is_new_config(connection: Connection, loaded: LoadedConfig) -> bool:
    """A config that changes no row (a larger batch_size, say) is still the one in force from now on."""
    context = definitions.read_context(connection, loaded.config.name)
    return context.config != loaded.config.canonical()


def _write(
    connection: Connection, loaded: LoadedConfig, plan: Plan, actor: str, git_sha: str | None
) -> tuple[int, int]:
    config = loaded.config
    revision_id = revisions.insert_revision(
        connection,
        owner=plan.owner,
        config=config.canonical(),
        config_sha256=config.config_sha256,
        git_sha=git_sha,
        actor=actor,
        plan=build_document(plan, folded=True),
        plan_id=plan.plan_id,
    )
    created = _after(plan, (Action.CREATE,))
    changed = _after(plan, (Action.UPDATE, Action.ENABLE, Action.DISABLE))
    definitions.insert_symbols(connection, config.symbols)
    changed_ids = definitions.update_definitions(connection, plan.owner, revision_id, changed)
    definitions.insert_definitions(connection, plan.owner, revision_id, created)
    definitions.write_batch_memory(connection, plan.owner, plan.memory_after)
    cancelled = runs.cancel_runs(connection, changed_ids)
    limits.write_limit(connection, config.provider.bucket)
    return revision_id, cancelled


def _after(plan: Plan, actions: Sequence[Action]) -> list[Definition]:
    return [c.after for c in plan.changes if c.action in actions and c.after is not None]
