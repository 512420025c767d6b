"""``reconciler sandbox``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.common import as_of_option


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Write one JSON line a request to FILE.")
@click.option(
    "--requests-per-minute", type=click.IntRange(1), default=200, show_default=True, help="The account's limit."
)
@as_of_option
def command(*, port: int, log: Path | None, requests_per_minute: int, as_of: datetime | None) -> None:
    """Serve a stand-in for the provider's API on loopback until it is ended.

    The first line on stdout is its address, for APCA_API_DATA_URL; any keys will do. It serves the real daily bars
    of 524 symbols from 2009-08-21 to 2010-08-20, and shorter bars derived from them. TIME is its now.
    """
    from reconciler.sandbox.server import END_OF_DATA, serve  # noqa: PLC0415 - --help needs no server

    serve(
        port=port,
        log=log,
        requests_per_minute=requests_per_minute,
        as_of=as_of or END_OF_DATA,
        announce=_announce,
    )


def _announce(url: str) -> None:
    # Scripts read this line through a pipe while the server goes on.
    click.echo(url)
    sys.stdout.flush()
