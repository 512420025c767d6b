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
    lengths = len(desired.timeframes)
    click.echo(
        f"{config}: ok. {desired.name}: {_counted(count, 'symbol')} x {_counted(lengths, 'timeframe')} "
        f"= {_counted(count * lengths, 'pair')}"
    )
    for timeframe, spec in desired.timeframes.items():
        rows = count if spec.phase == 1 else -(-count // desired.batch_size)
        click.echo(
            f"  {timeframe:<4} {spec.history_days:>5} days   phase {spec.phase}: "
            f"{_counted(rows, 'definition')}, priority {spec.priority}"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
