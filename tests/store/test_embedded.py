"""The embedded server's life with its commands: real servers, real signals.

As root through an unprivileged account, else as oneself.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from support.clusters import (
    DEBIAN_15,
    ask,
    child,
    is_locked,
    is_stopped,
    next_line,
    open_folder,
    postmaster_of,
    processes_in,
    wait_until,
)

from reconciler.errors import StoreError
from reconciler.store.embedded import open_embedded, start_cluster
from reconciler.store.postgres_binaries import Binaries, binaries_in, find_binaries


@pytest.fixture
def folder(project: Path) -> Iterator[Path]:
    yield project / ".reconciler"
    assert is_stopped(project / ".reconciler")


@pytest.fixture
def made(folder: Path, place_cluster: Callable[[Path], Path]) -> Path:
    """A folder whose cluster exists already."""
    return place_cluster(folder.parent)


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """The folder of a server that another command, this process, runs all the time."""
    with open_folder() as path, start_cluster(find_binaries(), path / ".reconciler"):
        yield path / ".reconciler"


@pytest.fixture(params=["18", "15"])
def binaries(request: pytest.FixtureRequest) -> Binaries:
    if request.param == "18":
        return find_binaries()
    if not DEBIAN_15.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    return binaries_in(DEBIAN_15)


def test_cluster_keeps_its_data_and_leaves_nothing_running(folder: Path, binaries: Binaries) -> None:
    with start_cluster(binaries, folder) as dsn:
        assert processes_in(folder / "data")
        assert str(ask(dsn, "SHOW server_version")).startswith(str(binaries.major))
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert is_stopped(folder)
    with start_cluster(binaries, folder) as dsn:
        assert ask(dsn, "SELECT n FROM kept") == 7


def test_server_is_durable_private_and_has_our_database(running: Path) -> None:
    with open_embedded(running, create=True) as dsn:
        assert ask(dsn, "SELECT current_database()") == "reconciler"
        assert ask(dsn, "SHOW listen_addresses") == ""
        assert [ask(dsn, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on"] * 3
        assert (running / "data").stat().st_mode & 0o777 == 0o700
        assert (running / "socket").stat().st_mode & 0o777 == 0o700


def test_folder_that_is_not_there_is_not_made_unasked(folder: Path) -> None:
    with pytest.raises(StoreError, match="DATABASE_URL is not set"), open_embedded(folder, create=False):
        pass
    assert not folder.exists()


def test_command_without_a_database_ends_with_1_and_says_what_to_set(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "reconciler", "status"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, check=False, capture_output=True, encoding="utf-8", timeout=60
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "DATABASE_URL is not set, and there is no .reconciler/ in this folder" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_command_attaches_to_a_server_that_runs_and_leaves_it_running(running: Path) -> None:
    server = postmaster_of(running)
    process = child(running, then="print(psycopg.connect(dsn).execute('SELECT 7').fetchone()[0])")
    assert process.communicate()[0] == "open\n7\nclosed\n"
    assert postmaster_of(running) == server
    with open_embedded(running, create=False, temporary=True) as dsn:
        assert ask(dsn, "SELECT 1") == 1
    assert postmaster_of(running) == server


def test_killed_command_leaves_no_server_and_the_next_one_starts(made: Path) -> None:
    process = child(made, then="sys.stdin.read()")
    assert next_line(process) == "open"
    process.kill()
    process.communicate()
    wait_until(lambda: is_stopped(made))
    with open_embedded(made, create=False) as dsn:
        assert ask(dsn, "SELECT 1") == 1


def test_command_killed_while_it_makes_the_cluster_leaves_nothing_half_made(folder: Path) -> None:
    process = child(folder)
    wait_until((folder / "data.new" / "base" / "1").exists)
    process.kill()
    process.communicate()
    with open_embedded(folder, create=True) as dsn:
        assert ask(dsn, "SELECT 1") == 1
    assert not (folder / "data.new").exists()


def test_what_a_killed_command_was_making_is_waited_for(folder: Path) -> None:
    process = child(folder)
    wait_until(lambda: processes_in(folder / "data.new"))
    writers = processes_in(folder / "data.new")
    for pid in writers:
        os.kill(pid, signal.SIGSTOP)
    try:
        process.kill()
        process.communicate()
        assert is_locked(folder)
    finally:
        for pid in writers:
            os.kill(pid, signal.SIGCONT)
    with open_embedded(folder, create=True) as dsn:
        assert ask(dsn, "SELECT 1") == 1


def test_server_killed_like_a_machine_that_lost_its_power_recovers(made: Path) -> None:
    process = child(made, then="sys.stdin.read()")
    assert next_line(process) == "open"
    for pid in processes_in(made / "data"):
        # A backend may go by itself when its parent has gone.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    wait_until(lambda: is_stopped(made))
    assert (made / "data" / "postmaster.pid").exists()
    with open_embedded(made, create=False) as dsn:
        assert ask(dsn, "SELECT 1") == 1


def test_commands_started_at_once_share_one_server(folder: Path) -> None:
    processes = [child(folder, then="sys.stdin.read()") for _ in range(3)]
    assert [next_line(p) for p in processes] == ["open"] * 3
    status = Path(f"/proc/{postmaster_of(folder)}/stat").read_text()
    parent = int(status.rsplit(")", 1)[1].split()[1])
    owners = [p for p in processes if p.pid == parent]
    assert len(owners) == 1
    for process in sorted(processes, key=owners.__contains__):
        assert process.communicate("")[0] == "closed\n"
        assert process.returncode == 0


def test_interrupt_of_the_terminal_leaves_the_command_its_last_writes(made: Path) -> None:
    process = child(
        made,
        then="""
            try:
                print("waiting", flush=True)
                time.sleep(60)
            except KeyboardInterrupt:
                print(psycopg.connect(dsn).execute("SELECT 'written'").fetchone()[0], flush=True)
        """,
    )
    assert [next_line(process), next_line(process)] == ["open", "waiting"]
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate()[0] == "written\nclosed\n"
    assert is_stopped(made)


def test_command_that_waits_for_its_turn_can_be_interrupted(folder: Path) -> None:
    folder.mkdir()
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = child(folder)
        wait_until(lambda: _has_open(process.pid, folder / "lock"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said


def _has_open(pid: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(entry.readlink() == path for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


def test_data_of_another_major_version_are_not_opened(made: Path) -> None:
    (made / "data" / "PG_VERSION").write_text("12\n")
    with (
        pytest.raises(StoreError, match=r"made by PostgreSQL 12, and the one here is 18.*Install version 12"),
        open_embedded(made, create=False),
    ):
        pass


def test_server_that_cannot_start_says_why(made: Path) -> None:
    (made / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StoreError, match="no_such_setting"), open_embedded(made, create=False):
        pass


def test_server_with_no_connection_left_is_no_reason_to_wait_for_ever(running: Path) -> None:
    with start_cluster(find_binaries(), running) as dsn, ExitStack() as connections:
        with suppress(psycopg.OperationalError):
            while True:
                connections.enter_context(psycopg.connect(dsn))
        with pytest.raises(StoreError, match="too many clients"), open_embedded(running, create=False):
            pass


@pytest.mark.parametrize(("name", "value"), [("PGPORT", "6000"), ("PGHOSTADDR", "127.0.0.9")])
def test_environment_of_another_database_does_not_lead_astray(
    running: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with open_embedded(running, create=False) as dsn:
        assert ask(dsn, "SELECT current_database()") == "reconciler"
