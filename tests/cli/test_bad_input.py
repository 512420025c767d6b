"""Every bad input: one clear message on stderr, the right exit code, nothing on stdout, nothing changed."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from .conftest import GOOD, Cli

KEYS = {"APCA_API_KEY_ID": "k", "APCA_API_SECRET_KEY": "very-secret"}


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("active_phase: 1", "active_phase: 1\nactiv_phase: 2", "6:1", "did you mean `active_phase`"),
        ("active_phase: 1", "active_phase: 1\nactive_phase: 2", "6:1", "line 5"),
        ("[AAPL, IBM, KO]", "[]", "3:11", "empty"),
        ("[AAPL, IBM, KO]", "[AAPL, BRK-B]", "3:18", "BRK.B"),
        ("[h1, d1]", "[h2]", "4:14", "h1"),
        ("active_phase: 1", "active_phase: 3", "5:15", "1"),
        ("active_phase: 1", "active_phase: 1\nbatch_size: 050", "6:13", "50"),
        ("settle_after: 16m", "adjustment: split", "6:", "raw"),
    ],
)
def test_mistake_in_the_file_is_named_with_its_place(
    cli: Cli, good: Path, old: str, new: str, place: str, says: str
) -> None:
    good.write_text(GOOD.replace(old, new), "utf-8")
    for command in ("validate", "plan", "apply", "up"):
        ended = cli(command, good)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert f"{good}:{place}" in ended.stderr
        assert says in ended.stderr
        assert "Traceback" not in ended.stderr


def test_all_mistakes_are_told_at_once(cli: Cli, good: Path) -> None:
    good.write_text(GOOD.replace("IBM", "brk-b").replace("h1", "h9").replace("active_phase", "phase"), "utf-8")
    lines = cli("validate", good).stderr.splitlines()
    assert [line.split(":")[1] for line in lines[:-1]] == ["1", "3", "4", "5"] or len(lines) >= 4


def test_tickers_that_look_like_yaml_constants_stay_text(cli: Cli, good: Path) -> None:
    good.write_text(GOOD.replace("[AAPL, IBM, KO]", "[ON, NO, TRUE, Y]"), "utf-8")
    assert "4 symbols" in cli("validate", good).stdout


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_file_that_cannot_be_read(cli: Cli, tmp_path: Path, command: str) -> None:
    ended = cli(command, tmp_path / "missing.yaml")
    assert ended.returncode == 1
    assert f"{tmp_path / 'missing.yaml'}:1:1" in ended.stderr
    folder = cli(command, tmp_path)
    assert folder.returncode == 1
    assert "Traceback" not in folder.stderr


def test_file_from_standard_input(cli: Cli) -> None:
    assert cli("validate", "-", stdin=GOOD).returncode == 0
    assert cli("validate", "-", stdin="version: 2").returncode == 1


@pytest.mark.parametrize("command", [("plan", "universe.yaml"), ("status",), ("migrate",), ("run", "--once")])
def test_no_database_is_an_error_and_makes_none(cli: Cli, good: Path, command: tuple[str, ...]) -> None:
    ended = cli(*command, **KEYS)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "DATABASE_URL" in ended.stderr
    assert [p.name for p in good.parent.iterdir()] == ["universe.yaml"]


def test_unreachable_database(cli: Cli, good: Path) -> None:
    ended = cli("plan", good, DATABASE_URL="postgresql://u:very-secret@127.0.0.1:1/db")
    assert ended.returncode == 1
    assert "cannot reach the database" in ended.stderr
    assert "very-secret" not in ended.stderr


def test_connection_string_that_is_none(cli: Cli, good: Path) -> None:
    ended = cli("plan", good, DATABASE_URL="mysql:very-secret")
    assert ended.returncode == 1
    assert "postgresql://" in ended.stderr
    assert "very-secret" not in ended.stderr


def test_unknown_role(cli: Cli, good: Path, dsn: str) -> None:
    ended = cli("plan", good, DATABASE_URL=make_conninfo(dsn, user="nobody_here", password="very-secret"))
    assert ended.returncode == 1
    assert "nobody_here" in ended.stderr
    assert "very-secret" not in ended.stderr


def test_database_that_was_not_migrated(cli: Cli, good: Path, empty_dsn: str) -> None:
    for command in (("plan", good), ("apply", good, "--yes"), ("status",)):
        ended = cli(*command, DATABASE_URL=empty_dsn)
        assert ended.returncode == 1
        assert "reconciler migrate" in ended.stderr
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_database_newer_than_the_program(cli: Cli, good: Path, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO reconciler.migrations VALUES ('9999_later', 'x', '99.0.0')")
    for command in (("plan", good), ("apply", good, "--yes"), ("status",), ("migrate",), ("run", "--once")):
        ended = cli(*command, DATABASE_URL=dsn, **KEYS)
        assert ended.returncode == 1, command
        assert "Upgrade reconciler" in ended.stderr
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM job_definitions").fetchone() == (0,)


@pytest.mark.parametrize("keys", [{}, {"APCA_API_KEY_ID": "k"}, {"APCA_API_KEY_ID": "", "APCA_API_SECRET_KEY": "s"}])
def test_missing_keys_point_to_the_sandbox_or_name_the_missing_half(cli: Cli, dsn: str, keys: dict[str, str]) -> None:
    ended = cli("run", "--once", DATABASE_URL=dsn, **keys)
    assert ended.returncode == 1
    assert "sandbox" in ended.stderr or "half a pair" in ended.stderr


def test_sandbox_bars_are_never_put_into_a_named_database(cli: Cli, good: Path, dsn: str) -> None:
    ended = cli("up", good, DATABASE_URL=dsn)
    assert ended.returncode == 3
    assert "APCA_API_KEY_ID" in ended.stderr


def test_time_after_the_database_now(cli: Cli, good: Path, dsn: str) -> None:
    ended = cli("plan", good, "--as-of", "2999-01-01", DATABASE_URL=dsn)
    assert ended.returncode == 1
    assert "after the database's clock" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("plan", "universe.yaml", "--fomat", "json"),
        ("plan", "universe.yaml", "--as-of", "yesterday"),
        ("plan", "universe.yaml", "--as-of", "2010-08-20T10:00:00"),
        ("run", "--once", "--until-idle"),
        ("run", "--concurrency", "0"),
        ("fly",),
    ],
)
def test_wrong_usage_is_64(cli: Cli, good: Path, arguments: tuple[str, ...]) -> None:
    ended = cli(*arguments)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "Traceback" not in ended.stderr


def test_apply_without_a_terminal_needs_yes(cli: Cli, good: Path, dsn: str) -> None:
    ended = cli("apply", good, DATABASE_URL=dsn)
    assert ended.returncode == 1
    assert "--yes" in ended.stderr
    assert "2 timeframes" not in ended.stderr
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM job_definitions").fetchone() == (0,)


def test_wrong_password(cli: Cli, good: Path, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        hba = Path(row[0])
        before = hba.read_text("utf-8")
        connection.execute("CREATE ROLE with_password LOGIN PASSWORD 'right'")
        hba.write_text("local all with_password scram-sha-256\n" + before, "utf-8")
        connection.execute("SELECT pg_reload_conf()")
        try:
            wrong = make_conninfo(dsn, user="with_password", password="very-secret")
            ended = until_asked(cli, good, wrong)
        finally:
            hba.write_text(before, "utf-8")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("DROP ROLE with_password")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "password authentication failed" in ended.stderr
    assert "very-secret" not in ended.stderr


def until_asked(cli: Cli, good: Path, dsn: str) -> CompletedProcess[str]:
    """The server reloads its rules a moment after it is told to; before that it lets the role in."""
    while "password" not in (ended := cli("plan", good, DATABASE_URL=dsn)).stderr:
        assert ended.returncode == 1
    return ended


def test_database_that_does_not_exist(cli: Cli, good: Path, dsn: str) -> None:
    ended = cli("plan", good, DATABASE_URL=make_conninfo(dsn, dbname="missing_here"))
    assert ended.returncode == 1
    assert "missing_here" in ended.stderr
