"""Options and steps that several commands share."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from reconciler.errors import UsageError
from reconciler.settings import Settings, parse_as_of, read_settings

EMBEDDED_FOLDER = Path(".reconciler")


class _AsOf(click.ParamType[datetime]):
    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_as_of(str(value))
        except UsageError as error:
            self.fail(str(error).removeprefix("--as-of "), param, ctx)


as_of_option = click.option(
    "--as-of",
    type=_AsOf(),
    help="Treat TIME as now when deciding what is due: 2010-08-20 (its end in New York) or an instant with offset.",
)

config_argument = click.argument("config", type=click.Path(path_type=Path, allow_dash=True), metavar="CONFIG")


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--format``, the first one being the default."""
    return click.option(
        "--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True, help="Output form."
    )


def environment() -> Settings:
    """The settings of this process; the actor is the account it runs as where the environment names nobody."""
    settings = read_settings(os.environ)
    return settings if settings.actor else replace(settings, actor=_account())


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that no account has.
        return f"uid {os.getuid()}"


@contextmanager
def database(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """DATABASE_URL, else the embedded server of ``.reconciler/`` for as long as the block runs."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    from reconciler.store.embedded import open_embedded  # noqa: PLC0415 - only without DATABASE_URL

    with open_embedded(EMBEDDED_FOLDER, create=create) as dsn:
        yield dsn


def write_json(document: Mapping[str, Any]) -> None:
    """Exactly one JSON document on stdout, and nothing else."""
    click.echo(json.dumps(document, indent=2))


def is_colored() -> bool:
    """Colour for people only: a terminal, and no NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
