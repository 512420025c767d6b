"""``reconciler up``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.apply_command import apply_file
from reconciler.cli.common import as_of_option, config_argument, database, environment
from reconciler.cli.run_command import render_report, run_ticks
from reconciler.cli.status_command import show_status
from reconciler.desired.loader import LoadedConfig, load_config
from reconciler.errors import PolicyError
from reconciler.settings import Keys, Settings, parse_as_of

SANDBOX_DATASET = "sandbox"
SANDBOX_DAY = "2010-08-20"


@click.command("up")
@config_argument
@click.option("--yes", is_flag=True, help="Do not ask before changing the database that DATABASE_URL names.")
@click.option("--concurrency", type=click.IntRange(1, 32), default=4, show_default=True, help="Runs in flight.")
@as_of_option
def command(*, config: Path, yes: bool, concurrency: int, as_of: datetime | None) -> int:
    """All of it for a first look: database, tables, plan, apply, and run until nothing is due.

    Without DATABASE_URL the database is an embedded PostgreSQL in .reconciler/, made here if it is not there yet.
    Without API keys the bars come from the built-in sandbox, as of 2010-08-20, in a dataset of their own.
    """
    loaded = load_config(config)
    settings = environment()
    keyless = settings.keys is None
    if keyless and settings.database_url is not None:
        raise PolicyError(
            "DATABASE_URL is set but there are no API keys: `up` would fill that database with sandbox bars. "
            "Set APCA_API_KEY_ID and APCA_API_SECRET_KEY, or unset DATABASE_URL for an embedded database"
        )
    if keyless:
        loaded = in_sandbox(loaded)
        as_of = as_of or parse_as_of(SANDBOX_DAY)
        click.echo(f"No API keys: bars come from the built-in sandbox, as of {as_of:%Y-%m-%d}, as dataset `sandbox`.")
    with database(settings, create=True) as dsn, provider(settings, as_of) as reachable:
        return bring_up(
            dsn, reachable, loaded, yes=yes or settings.database_url is None, concurrency=concurrency, as_of=as_of
        )


def bring_up(
    dsn: str, settings: Settings, loaded: LoadedConfig, *, yes: bool, concurrency: int, as_of: datetime | None
) -> int:
    """Migrate, plan, apply, run, status; returns status's exit code, or 6 when runs failed."""
    from reconciler.runner import Mode  # noqa: PLC0415 - the file is checked first
    from reconciler.store.connection import connect  # noqa: PLC0415
    from reconciler.store.migrate import migrate  # noqa: PLC0415

    with connect(dsn) as connection:
        migrate(connection)
    apply_file(dsn, settings, loaded, yes=yes, format_="text", as_of=as_of)
    report = run_ticks(dsn, settings, Mode.UNTIL_IDLE, concurrency=concurrency, as_of=as_of)
    click.echo(render_report(report))
    healthy = show_status(dsn, format_="text", as_of=as_of)
    return healthy if report.is_clean else 6


def in_sandbox(loaded: LoadedConfig) -> LoadedConfig:
    """The same wishes under the sandbox's own dataset label, so that its bars can never mix with real ones."""
    config = loaded.config
    kept_apart = config.provider.model_copy(update={"dataset": SANDBOX_DATASET, "bucket": SANDBOX_DATASET})
    return replace(loaded, config=config.model_copy(update={"provider": kept_apart}))


@contextmanager
def provider(settings: Settings, as_of: datetime | None) -> Iterator[Settings]:
    """The settings as they are when there are keys, else those of a sandbox that lives as long as the block."""
    if settings.keys is not None:
        yield settings
        return
    from reconciler.sandbox.server import END_OF_DATA, Sandbox  # noqa: PLC0415 - only without keys

    with Sandbox(as_of=as_of or END_OF_DATA) as sandbox:
        yield replace(settings, keys=Keys("sandbox", "sandbox"), provider_url=sandbox.url)
