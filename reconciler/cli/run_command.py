"""``reconciler run``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING

import click

from reconciler.cli.common import as_of_option, database, environment, format_option, write_json
from reconciler.errors import UsageError
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.runner import Mode, Progress, Runner, RunReport


_LINE_START = "\r\x1b[K"


@click.command("run")
@click.option("--once", is_flag=True, help="One tick and the work it leaves, then exit.")
@click.option("--until-idle", is_flag=True, help="Until nothing is due or ready, then exit.")
@click.option("--concurrency", type=click.IntRange(1, 32), default=4, show_default=True, help="Runs in flight.")
@format_option("text", "json")
@as_of_option
def command(*, once: bool, until_idle: bool, concurrency: int, format_: str, as_of: datetime | None) -> int:
    """Fetch what is missing, under the account's request limit. Serves every owner in the database.

    Without --once or --until-idle it goes on for ever, with a tick every 30 seconds. SIGTERM or Ctrl-C: the pages
    in flight are stored, the runs are given back, exit 0; a second signal ends it at once (nothing is lost).
    Exits 6 when runs failed or wait for a later try.
    """
    from reconciler.runner import Mode  # noqa: PLC0415 - --help needs no driver

    if once and until_idle:
        raise UsageError("choose one of --once and --until-idle")
    mode = Mode.ONCE if once else Mode.UNTIL_IDLE if until_idle else Mode.FOREVER
    settings = environment()
    settings.check_keys()
    with database(settings) as dsn:
        report = run_ticks(dsn, settings, mode, concurrency=concurrency, as_of=as_of)
    if format_ == "json":
        write_json(build_document(report))
    else:
        click.echo(render_report(report))
    return 0 if report.is_clean else 6


def run_ticks(dsn: str, settings: Settings, mode: Mode, *, concurrency: int, as_of: datetime | None) -> RunReport:
    """Run until the mode's end or a signal; progress goes to stderr."""
    from reconciler.alpaca.client import Client  # noqa: PLC0415
    from reconciler.runner import Runner, RunOptions  # noqa: PLC0415

    keys = settings.check_keys()
    with Client(settings.provider_url, keys.key_id, keys.secret) as client:
        options = RunOptions(mode=mode, as_of=as_of, concurrency=concurrency)
        runner = Runner(dsn, client, options, _tell if sys.stderr.isatty() else None)
        previous = _stop_on_signals(runner)
        try:
            return runner.run()
        finally:
            _clear_line()
            for number, handler in previous.items():
                signal.signal(number, handler)


def _stop_on_signals(runner: Runner) -> dict[int, Callable[[int, FrameType | None], object] | int | None]:
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked:
            # Everything is safe at any moment: an uncommitted page is fetched again by whoever claims the run.
            os._exit(128 + number)
        asked.append(number)
        click.echo("stopping after the pages in flight; once more to stop at once", err=True)
        runner.stop()

    return {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}


def _tell(progress: Progress) -> None:
    """One line on the terminal that is written over."""
    counters = progress.counters
    waiting = "  waiting for the request limit" if counters["throttled"] > 0 else ""
    click.echo(
        f"{_LINE_START}{counters['success']} of {progress.queued} runs, {counters['requests']} requests, "
        f"{counters['bars_written']:,} bars{waiting}",
        nl=False,
        err=True,
    )


def _clear_line() -> None:
    if sys.stderr.isatty():
        click.echo(_LINE_START, nl=False, err=True)


def render_report(report: RunReport) -> str:
    """Two lines for a person."""
    parts = [f"{count} {name}" for name, count in report.runs.items() if count]
    lines = [
        f"{report.ticks} tick{'s' if report.ticks != 1 else ''}, runs: {', '.join(parts) or 'none due'}",
        f"{report.requests} requests, {report.bars_written:,} bars inserted or changed",
    ]
    if report.waiting:
        lines.append(f"{report.waiting} runs wait for a later try: see `reconciler status`")
    return "\n".join(lines)


def build_document(report: RunReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "ticks": report.ticks,
        "runs": report.runs,
        "requests": report.requests,
        "bars_written": report.bars_written,
        "queued": report.queued,
        "waiting": report.waiting,
    }
