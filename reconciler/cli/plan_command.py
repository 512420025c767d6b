"""``reconciler plan``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.common import (
    as_of_option,
    config_argument,
    database,
    environment,
    format_option,
    is_colored,
    write_json,
)
from reconciler.desired.loader import load_config


@click.command("plan")
@config_argument
@format_option("text", "json")
@click.option("--full", is_flag=True, help="One line a row: equal changes are not folded.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes, 3 when there are conflicts.")
@as_of_option
def command(*, config: Path, format_: str, full: bool, detailed_exitcode: bool, as_of: datetime | None) -> int:
    """Show what CONFIG would change in job_definitions. Writes nothing: one read-only snapshot.

    Exits 0 whether or not there are changes, unless --detailed-exitcode is given.
    """
    loaded = load_config(config)
    from reconciler.observe import read_now, read_plan  # noqa: PLC0415 - a wrong file needs no driver
    from reconciler.planning.render import build_document, render_text  # noqa: PLC0415
    from reconciler.store.connection import connect  # noqa: PLC0415

    with database(environment()) as dsn, connect(dsn) as connection:
        if as_of is not None:
            read_now(connection, as_of)
        plan = read_plan(connection, loaded)
    if format_ == "json":
        write_json(build_document(plan))
    else:
        click.echo(render_text(plan, color=is_colored(), full=full), nl=False)
    if not detailed_exitcode:
        return 0
    if plan.conflicts:
        return 3
    return 0 if plan.is_empty else 2
