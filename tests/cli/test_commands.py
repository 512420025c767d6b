"""The commands as scripts use them: data on stdout, words on stderr, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from reconciler.sandbox.server import Sandbox

from .conftest import Cli

DAY = ("--as-of", "2010-08-19")


@pytest.fixture
def provider() -> Iterator[Sandbox]:
    with Sandbox(requests_per_minute=None) as sandbox:
        yield sandbox


@pytest.fixture
def environment(dsn: str, provider: Sandbox) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "APCA_API_DATA_URL": provider.url,
        "APCA_API_KEY_ID": "key",
        "APCA_API_SECRET_KEY": "very-secret",
    }


class Refusing:
    """A provider that knows no key, and says so as the real one does: with a page of HTML."""

    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html><head><title>401 Authorization Required</title></head></html>"
            self.send_response(401)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quiet."""

    def __enter__(self) -> str:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_the_whole_job_as_a_script_does_it(
    cli: Cli, good: Path, environment: dict[str, str], provider: Sandbox
) -> None:
    assert cli("migrate", **environment).stdout == "The schema is up to date.\n"
    assert cli("plan", good, "--detailed-exitcode", **environment).returncode == 2
    plan = json.loads(cli("plan", good, "--format", "json", **environment).stdout)
    assert plan["summary"] == {
        "create": 6, "update": 0, "enable": 0, "disable": 0, "delete": 0, "adopt": 0, "release": 0, "unchanged": 0,
    }  # fmt: skip
    first = plan["changes"][0]
    assert first["key"] == {"symbol": "AAPL", "timeframe": "h1", "job_type": "fetch_intraday", "batch_version": 1}
    assert (first["action"], first["before"], first["after"]["window_days"]) == ("create", None, 90)
    applied = json.loads(cli("apply", good, "--yes", "--format", "json", **environment).stdout)
    assert (applied["plan_id"], applied["revision"]) == (plan["plan_id"], 1)
    assert cli("plan", good, "--detailed-exitcode", **environment).returncode == 0
    assert cli("status", *DAY, **environment).returncode == 6
    report = json.loads(cli("run", "--until-idle", "--format", "json", *DAY, **environment).stdout)
    assert report["requests"] == len(provider.requests) == report["runs"]["success"] == 6
    status = json.loads(cli("status", "--format", "json", *DAY, **environment).stdout)
    assert (status["healthy"], status["requests_last_hour"]) == (True, {"1": 6})
    again = json.loads(cli("run", "--once", "--format", "json", *DAY, **environment).stdout)
    assert (again["ticks"], again["requests"], again["bars_written"]) == (1, 0, 0)


def test_no_output_ever_holds_a_secret(cli: Cli, good: Path, environment: dict[str, str]) -> None:
    dsn = environment["DATABASE_URL"] + " password=hidden-word"
    for command in (("plan", good), ("apply", good, "--yes"), ("run", "--once", *DAY), ("status", *DAY)):
        ended = cli("-v", *command, **{**environment, "DATABASE_URL": dsn})
        assert "very-secret" not in ended.stdout + ended.stderr
        assert "hidden-word" not in ended.stdout + ended.stderr


def test_wrong_key_ends_the_process_and_gives_the_runs_back(cli: Cli, good: Path, environment: dict[str, str]) -> None:
    cli("apply", good, "--yes", **environment)
    with Refusing() as url:
        ended = cli("run", "--until-idle", *DAY, **{**environment, "APCA_API_DATA_URL": url})
    assert ended.returncode == 1
    assert "401" in ended.stderr
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT DISTINCT status, attempt FROM job_runs").fetchall() == [("queued", 0)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_lasting_run_with_0_and_gives_everything_back(
    cli: Cli, good: Path, tmp_path: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    cli("apply", good, "--yes", **environment)
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "run", *DAY],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM job_runs WHERE status = 'success'").fetchone() == (0,):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(20) == 0
        left = connection.execute("SELECT count(*) FROM job_runs WHERE status = 'running'").fetchone()
        assert left == (0,)
        assert connection.execute("SELECT count(*) FROM reconciler.runners").fetchone() == (0,)
    process.communicate()


def test_sandbox_announces_itself_and_logs_every_request(tmp_path: Path, cli: Cli, good: Path, dsn: str) -> None:
    log = tmp_path / "requests.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "sandbox", "--port", "0", "--log", str(log)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as sandbox:
        assert sandbox.stdout is not None
        url = sandbox.stdout.readline().strip()
        keys = {"APCA_API_DATA_URL": url, "APCA_API_KEY_ID": "k", "APCA_API_SECRET_KEY": "s", "DATABASE_URL": dsn}
        cli("apply", good, "--yes", **keys)
        assert cli("run", "--until-idle", *DAY, **keys).returncode == 0
        sandbox.terminate()
        assert sandbox.wait(10) == 0
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert len(records) == 6
    assert list(records[0]) == ["time", "path", "query", "symbols", "status", "bars", "token"]


def test_validate_tells_what_the_file_asks_for(cli: Cli, good: Path) -> None:
    said = cli("validate", good).stdout
    assert "3 symbols x 2 timeframes = 6 pairs" in said
    assert "phase 1: 3 definitions" in said


def test_help_of_every_command_needs_no_driver(cli: Cli) -> None:
    shown = cli("--help").stdout
    for name in ("validate", "plan", "apply", "run", "status", "migrate", "sandbox", "up", "demo"):
        assert name in shown
        assert cli(name, "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (("validate", "universe.yaml"), {"psycopg", "httpx", "jinja2", "rich"}),
        (("plan", "universe.yaml"), {"httpx", "jinja2", "rich"}),
    ],
)
def test_commands_import_only_what_they_need(
    good: Path, tmp_path: Path, dsn: str, arguments: tuple[str, ...], absent: set[str]
) -> None:
    code = (
        "import sys; from reconciler.cli.main import run_command; "
        f"code = run_command({list(arguments)!r}); print(code, *sorted({absent!r} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": dsn},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.stderr.strip() == "0"


def test_reader_that_goes_away_causes_no_noise(good: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m reconciler validate universe.yaml | true"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.stderr == b""
