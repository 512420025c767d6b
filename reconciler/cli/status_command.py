"""``reconciler status``."""

from __future__ import annotations

from datetime import datetime

import click

from reconciler.cli.common import as_of_option, database, environment, format_option, write_json


@click.command("status")
@format_option("text", "json")
@as_of_option
def command(*, format_: str, as_of: datetime | None) -> int:
    """Say whether every wanted bar is in the table or proven absent. Exits 0 when healthy, 6 when not."""
    with database(environment()) as dsn:
        return show_status(dsn, format_=format_, as_of=as_of)


def show_status(dsn: str, *, format_: str, as_of: datetime | None) -> int:
    """Print the status; returns the exit code."""
    from reconciler.reporting import build_document, read_status, render_text  # noqa: PLC0415 - --help needs no driver
    from reconciler.store.connection import connect  # noqa: PLC0415

    with connect(dsn) as connection:
        state = read_status(connection, as_of)
    if format_ == "json":
        write_json(build_document(state))
    else:
        click.echo(render_text(state), nl=False)
    return 0 if state.is_healthy else 6
