"""``reconciler apply``."""

from __future__ import annotations

import sys
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
from reconciler.desired.loader import LoadedConfig, load_config
from reconciler.errors import ReconcilerError
from reconciler.settings import Settings


@click.command("apply")
@config_argument
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@format_option("text", "json")
@as_of_option
def command(*, config: Path, yes: bool, format_: str, as_of: datetime | None) -> None:
    """Make job_definitions match CONFIG, in one transaction: all of it or nothing."""
    loaded = load_config(config)
    settings = environment()
    with database(settings) as dsn:
        apply_file(dsn, settings, loaded, yes=yes, format_=format_, as_of=as_of)


def apply_file(
    dsn: str, settings: Settings, loaded: LoadedConfig, *, yes: bool, format_: str, as_of: datetime | None
) -> None:
    """Show the plan, ask unless ``yes``, apply exactly what was shown, and say what was done."""
    from reconciler.apply import apply_config  # noqa: PLC0415 - a wrong file needs no driver
    from reconciler.observe import read_now, read_plan  # noqa: PLC0415
    from reconciler.planning.render import build_document, render_text  # noqa: PLC0415
    from reconciler.store.connection import connect  # noqa: PLC0415

    with connect(dsn) as connection:
        if as_of is not None:
            read_now(connection, as_of)
        shown = read_plan(connection, loaded)
        if format_ == "text":
            click.echo(render_text(shown, color=is_colored(), full=False), nl=False)
        if not (yes or shown.is_empty or shown.conflicts):
            _confirm()
        applied = apply_config(
            connection, loaded, actor=settings.actor, git_sha=settings.git_sha, expect=None if yes else shown.plan_id
        )
    if format_ == "json":
        write_json({**build_document(applied.plan), "revision": applied.revision_id})
    elif applied.revision_id is not None:
        summary = applied.plan.summary()
        done = ", ".join(f"{summary[name]} {verb}" for name, verb in _DONE if summary[name])
        click.echo(f"Applied as revision {applied.revision_id}: {done or 'settings only'}.")


_DONE = (("create", "created"), ("update", "updated"), ("enable", "enabled"), ("disable", "disabled"))


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise ReconcilerError("there is no terminal to ask on, and --yes was not given; nothing was changed")
    if not click.confirm("Apply these changes?"):
        raise ReconcilerError("not confirmed; nothing was changed")
