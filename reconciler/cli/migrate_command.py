"""``reconciler migrate``."""

from __future__ import annotations

import click

from reconciler.cli.common import database, environment


@click.command("migrate")
def command() -> None:
    """Create or update the tables, in one transaction. Safe to repeat, and from several places at once."""
    from reconciler.store.connection import connect  # noqa: PLC0415 - --help needs no driver
    from reconciler.store.migrate import migrate  # noqa: PLC0415

    with database(environment()) as dsn, connect(dsn) as connection:
        applied = migrate(connection)
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("The schema is up to date.")
