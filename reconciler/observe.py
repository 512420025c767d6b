"""Read the state and plan it: the one path shared by plan, apply and status."""

from __future__ import annotations

from datetime import datetime

from reconciler.desired.loader import LoadedConfig
from reconciler.desired.model import Config
from reconciler.errors import ReconcilerError
from reconciler.planning.plan import Plan, build_plan, wanted_labels
from reconciler.planning.state import Actual, ActualRow, Desired, TimeframeWish, batch_label_number
from reconciler.store import definitions
from reconciler.store.connection import Connection, transaction
from reconciler.store.connection import read_now as read_database_now
from reconciler.store.definitions import StoredDefinition
from reconciler.store.migrate import check_schema


def read_now(connection: Connection, as_of: datetime | None) -> datetime:
    """``as_of``, or the database's clock. Raises ReconcilerError when ``as_of`` lies after it."""
    now = read_database_now(connection)
    if as_of is None:
        return now
    if as_of > now:
        raise ReconcilerError(f"--as-of {as_of.isoformat()} lies after the database's clock ({now.isoformat()})")
    return as_of


def read_plan(connection: Connection, loaded: LoadedConfig) -> Plan:
    """The plan for one read-only snapshot of the database; nothing is written or locked."""
    with transaction(connection, read_only=True):
        check_schema(connection)
        return build_current_plan(connection, loaded)


def build_current_plan(connection: Connection, loaded: LoadedConfig) -> Plan:
    """The plan for what the caller's transaction sees; three statements, whatever the number of rows."""
    desired = build_desired(loaded)
    return build_plan(desired, _read_actual(connection, desired))


def build_desired(loaded: LoadedConfig) -> Desired:
    """What the file wants, in the planner's words."""
    config = loaded.config
    return Desired(
        owner=config.name,
        symbols=config.symbols,
        timeframes={
            tf: TimeframeWish(spec.history_days, spec.priority, spec.phase) for tf, spec in config.timeframes.items()
        },
        batch_size=config.batch_size,
        dataset=config.provider.dataset,
        settings=_settings(config),
        canonical=config.canonical(),
        lines=loaded.lines,
    )


def _settings(config: Config) -> dict[str, str | int]:
    """What changes behaviour without changing a row."""
    provider = config.provider
    return {
        "feed": provider.feed,
        "adjustment": provider.adjustment,
        "session": provider.session,
        "requests_per_minute": provider.requests_per_minute,
        "bucket": provider.bucket,
        "settle_after_seconds": provider.settle_after_seconds,
    }


def _read_actual(connection: Connection, desired: Desired) -> Actual:
    context = definitions.read_context(connection, desired.owner)
    rows = definitions.read_definitions(connection, desired.owner, wanted_labels(desired))
    others = [row for row in rows if row.managed_by != desired.owner]
    return Actual(
        identity=context.identity,
        owned=tuple(ActualRow(r.definition, str(r.id)) for r in rows if r.managed_by == desired.owner),
        foreign_keys={row.definition.key: row.managed_by for row in others},
        reserved_batches=_reserved(others),
        memory=definitions.read_batch_memory(connection, desired.owner),
        settings=None if context.config is None else _settings(Config.from_canonical(context.config)),
    )


def _reserved(others: list[StoredDefinition]) -> frozenset[int]:
    numbers = (batch_label_number(row.definition.key.symbol) for row in others)
    return frozenset(number for number in numbers if number is not None)
