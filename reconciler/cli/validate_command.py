"""``reconciler validate``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.common import config_argument
from reconciler.desired.loader import load_config


@click.command("validate")
@config_argument
def command(*, config: Path) -> None:
    """Check CONFIG and say what it asks for. Needs no database and no network.

    All mistakes are reported at once as FILE:LINE:COLUMN: CODE message; then the exit code is 1.
    """
    desired = load_config(config).config
    count = len(desired.symbols)
    pairs = count * len(desired.timeframes)
    click.echo(f"{config}: ok. {desired.name}: {count} symbols x {len(desired.timeframes)} timeframes = {pairs} pairs")
    for timeframe, spec in desired.timeframes.items():
        rows = count if spec.phase == 1 else -(-count // desired.batch_size)
        click.echo(
            f"  {timeframe:<4} {spec.history_days:>5} days   phase {spec.phase}: "
            f"{rows} definition{'s' if rows != 1 else ''}, priority {spec.priority}"
        )
