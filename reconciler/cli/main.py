"""The command line: its commands, each imported only when called, and its exit codes."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence

import click

from reconciler import __version__
from reconciler.errors import ReconcilerError

USAGE_EXIT = 64
"""click's own 2 would collide with "changes pending"."""

_COMMANDS = {
    "validate": "Check a desired-state file; needs no database and no network.",
    "plan": "Show what the file would change in job_definitions.",
    "apply": "Make it so, in one transaction.",
    "run": "Fetch what is missing.",
    "status": "Say whether the data are complete, and if not, why.",
    "migrate": "Create or update the database's tables.",
    "sandbox": "Serve a stand-in for the provider's API, with real daily bars of 2009-2010.",
    "up": "All of it for a first look: database, tables, plan, apply, run.",
    "demo": "Show a cutover and a rollback on real bars, with the requests counted.",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when that command is called; the list needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"reconciler.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="reconciler")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
def cli(*, verbose: bool) -> None:
    """Keep market data in PostgreSQL as one reviewed YAML file says.

    \b
    Exit codes: 0 done, 1 error, 2 changes pending (plan --detailed-exitcode), 3 refused,
    4 stale plan, 5 lock not obtained, 6 some runs failed or unhealthy, 64 wrong usage.
    """  # noqa: D301 - \b is click's mark for lines to be kept as they are
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s")
    # httpx would log each URL at INFO.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code; every known error is one message on stderr."""
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    try:
        result = cli.main(arguments, prog_name="reconciler", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return USAGE_EXIT
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 1
    except ReconcilerError as error:
        _show(error)
        return error.exit_code
    return result if isinstance(result, int) else 0


def _show(error: ReconcilerError) -> None:
    problems = getattr(error, "problems", None)
    if problems is None:
        click.echo(f"error: {error}", err=True)
        return
    for problem in problems:
        click.echo(str(problem), err=True)
    click.echo(
        f"error: {len(problems)} problem{'s' if len(problems) > 1 else ''} in the file; nothing was changed", err=True
    )


if __name__ == "__main__":
    main()
