"""``reconciler demo``: the main job on real bars, every step a command a person would type."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import click

from reconciler.errors import ReconcilerError

_BACKFILL, _DAY_ONE, _DAY_TWO = "2010-08-11", "2010-08-12", "2010-08-13"
_FILE = "universe.yaml"


@dataclass(frozen=True)
class _Measure:
    """One ``run`` as the provider saw it."""

    what: str
    phase: int
    definitions: int
    requests: int
    bars: int
    seconds: float


@click.command("demo")
def command() -> None:
    """Show a backfill, a cutover from phase 1 to phase 2 and a rollback, on 36 real tickers.

    Everything runs on this machine: an embedded PostgreSQL in a temporary folder and the sandbox provider, which
    serves real daily bars of 2009-2010 and allows 200 requests a minute. The requests are counted by the provider.
    """
    from reconciler.store.embedded import open_embedded  # noqa: PLC0415 - --help needs no server

    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as name:
        folder = Path(name)
        _say("An embedded PostgreSQL and the sandbox provider start in a temporary folder.")
        with open_embedded(folder / ".reconciler", create=True, temporary=True) as dsn, _sandbox(folder) as (url, log):
            demo = _Demo(folder, log, _environment(dsn, url))
            measures = demo.play()
    _table(measures)


class _Demo:
    def __init__(self, folder: Path, log: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._log = log
        self._environment = environment
        self._file = folder / _FILE

    def play(self) -> list[_Measure]:
        """The whole story; returns what each run cost."""
        self._write(_example_text() + "provider: {dataset: sandbox}   # the demo's bars stay apart from real ones\n")
        _say("The desired state: 36 tickers, four timeframes, phase 1 (one symbol a request).")
        click.echo(self._file.read_text("utf-8"))
        self._reconciler("migrate")
        self._reconciler("apply", _FILE, "--yes")
        measures = [self._measure("backfill", 1, _BACKFILL)]
        self._reconciler("status", "--as-of", _BACKFILL)
        _say("One trading day later, still in phase 1.")
        measures.append(self._measure("a trading day", 1, _DAY_ONE))
        _say("The cutover is an edit of one line.")
        self._edit("active_phase: 1", "active_phase: 2")
        self._reconciler("plan", _FILE)
        self._reconciler("apply", _FILE, "--yes")
        measures.append(self._measure("a trading day", 2, _DAY_TWO))
        _say("So is the rollback. Coverage belongs to the symbols, not to the phase: nothing is fetched again.")
        self._edit("active_phase: 2", "active_phase: 1")
        self._reconciler("apply", _FILE, "--yes")
        measures.append(self._measure("after rollback", 1, _DAY_TWO))
        self._reconciler("status", "--as-of", _DAY_TWO)
        return measures

    def _write(self, text: str) -> None:
        self._file.write_text(text, "utf-8")

    def _edit(self, old: str, new: str) -> None:
        before = self._file.read_text("utf-8")
        after = before.replace(old, new)
        self._write(after)
        diff = difflib.unified_diff(before.splitlines(), after.splitlines(), _FILE, _FILE, lineterm="", n=1)
        click.echo("\n".join(diff) + "\n")

    def _measure(self, what: str, phase: int, day: str) -> _Measure:
        before = self._read_log()
        started = time.monotonic()
        self._reconciler("run", "--until-idle", "--as-of", day)
        new = self._read_log()[len(before) :]
        seconds = time.monotonic() - started
        bars = sum(record["bars"] for record in new)
        return _Measure(what, phase, self._count_definitions(phase), len(new), bars, seconds)

    def _read_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def _count_definitions(self, phase: int) -> int:
        status = json.loads(self._output("status", "--format", "json", "--as-of", _DAY_TWO))
        return sum(row["enabled"] for row in status["definitions"] if row["phase"] == phase)

    def _reconciler(self, *arguments: str) -> None:
        click.secho(f"$ reconciler {' '.join(arguments)}", bold=True)
        sys.stdout.flush()
        ended = subprocess.run(_command(*arguments), cwd=self._folder, env=self._environment, check=False)
        if ended.returncode:
            raise ReconcilerError(f"the demo's step `reconciler {' '.join(arguments)}` ended with {ended.returncode}")
        click.echo()

    def _output(self, *arguments: str) -> str:
        return subprocess.run(
            _command(*arguments),
            cwd=self._folder,
            env=self._environment,
            check=False,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ).stdout


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reconciler", *arguments]


def _environment(dsn: str, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": dsn,
        "APCA_API_DATA_URL": url,
        "APCA_API_KEY_ID": "demo",
        "APCA_API_SECRET_KEY": "demo",
    }


@contextmanager
def _sandbox(folder: Path) -> Iterator[tuple[str, Path]]:
    """The stand-in provider in a process of its own; its first line is its address."""
    log = folder / "requests.jsonl"
    log.touch()
    arguments = _command("sandbox", "--port", "0", "--log", str(log))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise ReconcilerError("the sandbox did not start; its message is above")
            yield url, log
        finally:
            process.terminate()


def _example_text() -> str:
    """Inside the wheel the example lies in the package, in a checkout beside it."""
    package = Path(str(resources.files("reconciler")))
    packaged = package / "examples" / _FILE
    source = packaged if packaged.is_file() else package.parent / "examples" / _FILE
    lines = source.read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if "yaml-language-server" not in line)


def _say(text: str) -> None:
    click.secho(f"# {text}", fg="cyan")
    sys.stdout.flush()


def _table(measures: list[_Measure]) -> None:
    _say("What it cost, counted by the provider:")
    click.echo(f"{'':<18}{'phase':>6}{'definitions':>13}{'requests':>10}{'bars':>10}{'seconds':>9}")
    for m in measures:
        click.echo(f"{m.what:<18}{m.phase:>6}{m.definitions:>13}{m.requests:>10}{m.bars:>10,}{m.seconds:>9.1f}")
    one, two = measures[1], measures[2]
    ratio = one.requests / two.requests
    click.echo(
        f"\nThe same kind of day: {one.requests} requests in phase 1, {two.requests} in phase 2: {ratio:.0f}x fewer."
    )
    program = (
        "reconciler" if shutil.which("reconciler") else os.path.relpath(Path(sys.executable).with_name("reconciler"))
    )
    click.echo(f"To keep a database of your own: {program} up examples/universe.yaml")
