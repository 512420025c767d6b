"""Real servers, real signals; as root through an unprivileged account, else as oneself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import StoreError
from reconciler.store.embedded import open_embedded, start_cluster
from reconciler.store.postgres_binaries import Binaries, binaries_in, can_reach, find_account, find_binaries

ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account can reach, unlike pytest's own 0700 folders."""
    path = Path("/tmp") / f"reconciler-test-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    path.mkdir(mode=0o755)
    yield path / ".reconciler"
    shutil.rmtree(path)


def servers_of(folder: Path) -> list[int]:
    """Processes whose working directory is the cluster's data."""
    data = (folder / "data").resolve()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def answer(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
        return row[0] if row else None


def child(folder: Path, *, then: str) -> subprocess.Popen[str]:
    """Another command that opens the same folder and says so."""
    code = f"""
        import sys, time
        from pathlib import Path
        from reconciler.store.embedded import open_embedded
        with open_embedded(Path({str(folder)!r}), create=True) as dsn:
            print("open", flush=True)
            {then}
        print("closed", flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def gone(folder: Path) -> bool:
    """Waits for a shutdown that was asked for; a server that stays fails the test by its count."""
    for _ in range(200):
        if not servers_of(folder):
            return True
        time.sleep(0.05)
    return False


def test_cluster_keeps_its_data_and_leaves_nothing_running(folder: Path) -> None:
    with open_embedded(folder, create=True) as dsn:
        assert answer(dsn) == "reconciler"
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        assert servers_of(folder)
    assert servers_of(folder) == []
    with open_embedded(folder, create=False) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_folder_that_is_not_there_is_not_made_unasked(folder: Path) -> None:
    with pytest.raises(StoreError, match="DATABASE_URL is not set"), open_embedded(folder, create=False):
        pass
    assert not folder.exists()


def test_command_attaches_to_a_server_that_runs_and_leaves_it_running(folder: Path) -> None:
    with open_embedded(folder, create=True) as first:
        before = servers_of(folder)
        with open_embedded(folder, create=False) as second:
            assert answer(second) == "reconciler"
        assert min(servers_of(folder)) == min(before)
        assert answer(first) == "reconciler"


def test_killed_command_leaves_no_server_and_the_next_one_starts(folder: Path) -> None:
    process = child(folder, then="time.sleep(60)")
    assert first_line(process) == "open"
    process.kill()
    process.communicate()
    assert gone(folder)
    with open_embedded(folder, create=False) as dsn:
        assert answer(dsn) == "reconciler"


def test_command_killed_while_it_makes_the_cluster_leaves_nothing_half_made(folder: Path) -> None:
    process = child(folder, then="pass")
    while not (folder / "data.new").exists():
        assert process.poll() is None
    process.kill()
    process.communicate()
    with open_embedded(folder, create=True) as dsn:
        assert answer(dsn) == "reconciler"


def test_commands_started_at_once_share_one_server(folder: Path) -> None:
    processes = [child(folder, then="time.sleep(2)") for _ in range(3)]
    assert [first_line(p) for p in processes] == ["open"] * 3
    parents = {int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) for pid in servers_of(folder)}
    assert len(parents & {p.pid for p in processes}) == 1
    for process in processes:
        process.communicate()
    assert gone(folder)


def test_interrupt_of_the_terminal_ends_the_command_first(folder: Path) -> None:
    process = child(folder, then="time.sleep(60)")
    assert first_line(process) == "open"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert gone(folder)


def test_data_of_another_major_version_are_not_opened(folder: Path) -> None:
    with start_cluster(find_binaries(), folder, durable=False):
        pass
    (folder / "data" / "PG_VERSION").write_text("12\n")
    with (
        pytest.raises(StoreError, match=r"made by PostgreSQL 12, and the one here is"),
        open_embedded(folder, create=False),
    ):
        pass


def test_temporary_cluster_is_gone_afterwards(tmp_path: Path) -> None:
    before = set(Path("/var/tmp").glob("reconciler-*"))
    with open_embedded(tmp_path / "t", create=True, temporary=True) as dsn:
        assert answer(dsn) == "reconciler"
    assert set(Path("/var/tmp").glob("reconciler-*")) == before


def test_server_that_cannot_start_says_why(folder: Path) -> None:
    with start_cluster(find_binaries(), folder, durable=False):
        pass
    (folder / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StoreError, match="no_such_setting"), open_embedded(folder, create=False):
        pass
    assert gone(folder)


@pytest.mark.skipif(not ROOT, reason="only root has folders that its server's account cannot reach")
def test_below_a_closed_home_root_keeps_data_and_programs_elsewhere(tmp_path: Path) -> None:
    original = find_binaries()
    closed = tmp_path / "site"
    shutil.copytree(original.folder.parent.parent, closed / original.folder.parent.parent.name)
    libraries = original.folder.parent.parent.with_name(f"{original.folder.parent.parent.name}.libs")
    shutil.copytree(libraries, closed / libraries.name)
    copied = Binaries(closed / original.folder.parent.parent.name / "pginstall" / "bin", original.major)
    assert not can_reach(find_account(), copied.folder / "postgres")
    with start_cluster(copied, tmp_path / ".reconciler", durable=False, temporary=True) as dsn:
        assert answer(dsn) == "postgres"
        place = Path((tmp_path / ".reconciler" / "location").read_text().strip())
        running = {Path(f"/proc/{pid}/exe").readlink() for pid in servers_of(place)}
        assert all(str(exe).startswith(str(place)) for exe in running)
    assert not place.exists()


@pytest.mark.skipif(not ROOT, reason="root tries it as somebody else; anybody else has just done so")
def test_ordinary_user_owns_what_it_runs(folder: Path) -> None:
    folder.parent.chmod(0o777)
    code = (
        "from pathlib import Path; from reconciler.store.embedded import open_embedded; import psycopg\n"
        f"with open_embedded(Path({str(folder)!r}), create=True) as dsn: print(psycopg.connect(dsn).info.dbname)"
    )
    account = find_account()
    assert account is not None
    if not can_reach(account, Path(sys.executable)):
        pytest.skip("the interpreter lies where no other account can reach it")
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd="/tmp",
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        env={"HOME": "/tmp", "PATH": os.environ["PATH"]},
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "reconciler"), ended.stderr
    assert (folder / "data").stat().st_uid == account.uid
    assert gone(folder)


def test_no_programs_at_all_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreError, match=r"pip install 'reconciler\[embedded\]'"):
        find_binaries()


def test_folder_without_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path)):
        binaries_in(tmp_path)
