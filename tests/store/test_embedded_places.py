"""Where the embedded server lives: closed homes, odd paths, what an earlier process left there."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.clusters import (
    ROOT,
    ask,
    child,
    is_locked,
    is_stopped,
    next_line,
    postmaster_of,
    run_as,
    wait_until,
)

from reconciler.errors import StoreError
from reconciler.store.embedded import open_embedded, start_cluster
from reconciler.store.postgres_binaries import Account, Binaries, can_reach, find_account, find_binaries

needs_root = pytest.mark.skipif(not ROOT, reason="only root has folders that its server's account cannot reach")


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """As a hardened root has it; what is made for the server's account must be open to it all the same."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def sockets_of(dsn: str) -> Path:
    return Path(str(conninfo_to_dict(dsn)["host"]))


def location_of(folder: Path) -> Path:
    return Path((folder / "location").read_text().strip())


def program_of(state: Path) -> Path:
    return Path(f"/proc/{postmaster_of(state)}/exe").readlink()


@needs_root
@pytest.mark.usefixtures("strict_umask")
def test_below_a_closed_home_data_and_programs_are_kept_elsewhere(tmp_path: Path, closed_binaries: Binaries) -> None:
    tmp_path.chmod(0o700)
    assert not can_reach(find_account(), closed_binaries.folder / "postgres")
    folder = tmp_path / ".reconciler"
    with start_cluster(closed_binaries, folder, durable=False) as dsn:
        place = location_of(folder)
        assert ask(dsn, "SELECT 1") == 1
        assert program_of(place).is_relative_to(place)
        assert (place / "data").stat().st_mode & 0o777 == 0o700
    assert is_stopped(place)
    # Programs and data are found again, and this time deleted.
    with start_cluster(closed_binaries, folder, durable=False, temporary=True) as dsn:
        assert location_of(folder) == place
        assert ask(dsn, "SELECT 1") == 1
    assert not place.exists()
    assert not folder.exists()


@needs_root
def test_closed_programs_are_copied_beside_data_that_can_be_reached(project: Path, closed_binaries: Binaries) -> None:
    folder = project / ".reconciler"
    with start_cluster(closed_binaries, folder, durable=False) as dsn:
        assert ask(dsn, "SELECT 1") == 1
        assert not (folder / "location").exists()
        assert program_of(folder).is_relative_to(folder / f"postgresql-{closed_binaries.major}")


def test_temporary_cluster_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ".reconciler"
    with open_embedded(folder, create=True, temporary=True) as dsn:
        assert ask(dsn, "SELECT current_database()") == "reconciler"
        places = [folder, sockets_of(dsn), location_of(folder) if (folder / "location").exists() else folder]
        assert all(place.exists() for place in places)
    assert [place for place in places if place.exists()] == []


def test_temporary_cluster_that_cannot_be_made_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    programs = tmp_path / "package" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("#!/bin/sh\n")
    (programs / "initdb").write_text("#!/bin/sh\ndirname $2\necho 'No space left on device' >&2\nexit 1\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    folder = tmp_path / ".reconciler"
    with (
        pytest.raises(StoreError, match="No space left on device") as caught,
        start_cluster(Binaries(programs, 18), folder, temporary=True),
    ):
        pass
    place = Path(str(caught.value).split("initdb says: ")[1].split(" / ")[0])
    assert place.is_absolute()
    assert not place.exists()
    assert not folder.exists()


@needs_root
def test_ordinary_user_owns_what_it_runs(project: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    os.chown(project, account.uid, account.gid)
    folder = project / ".reconciler"
    code = (
        "from pathlib import Path; from reconciler.store.embedded import open_embedded; import psycopg\n"
        f"for _ in range(2):\n with open_embedded(Path({str(folder)!r}), create=True) as dsn:\n"
        "  print(psycopg.connect(dsn).execute('SHOW data_directory').fetchone()[0])"
    )
    ended = run_as(account, code)
    assert (ended.returncode, ended.stdout) == (0, f"{folder}/data\n" * 2), ended.stderr
    assert {path.lstat().st_uid for path in (folder, *folder.rglob("*"))} == {account.uid}
    assert is_stopped(folder)


@needs_root
def test_folder_of_root_is_refused_to_an_ordinary_user(project: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    code = (
        "from pathlib import Path; from reconciler.store.embedded import open_embedded\n"
        f"with open_embedded(Path({str(project / '.reconciler')!r}), create=True): pass"
    )
    ended = run_as(Account("nobody", nobody.pw_uid, nobody.pw_gid), code)
    assert ended.returncode != 0
    assert "StoreError" in ended.stderr
    assert "cannot be used for a database (Permission denied)" in ended.stderr


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match=r"file/\.reconciler cannot be used"),
        open_embedded(tmp_path / "file" / ".reconciler", create=True),
    ):
        pass


@pytest.mark.parametrize("name", ['Foo, "Inc" \\ it\'s', "市場データ" * 7], ids=["comma", "bytes"])
def test_project_may_have_any_path(project: Path, name: str) -> None:
    folder = project / name / ".reconciler"
    (project / name).mkdir()
    with start_cluster(find_binaries(), folder, durable=False) as dsn:
        sockets = sockets_of(dsn)
        assert ask(dsn, "SELECT 1") == 1
        with start_cluster(find_binaries(), folder, durable=False) as second:
            assert second == dsn
    # The folder for sockets is within the project or gone.
    assert sockets.is_relative_to(project) != (not sockets.exists())


@pytest.mark.parametrize("left", ["data/postmaster.pid", "socket/.s.PGSQL.5432.lock"])
def test_number_in_a_lock_file_may_be_another_process_after_a_reboot(
    project: Path, place_cluster: Callable[[Path], Path], left: str
) -> None:
    folder = place_cluster(project)
    account = find_account()
    with start_cluster(find_binaries(), folder, durable=False):
        lines = (folder / left).read_text().splitlines()
    other = subprocess.Popen(["sleep", "60"], cwd="/", **(account.popen if account else {}))  # type: ignore[call-overload]
    try:
        (folder / left).write_text("\n".join([str(other.pid), *lines[1:], ""]))
        if account is not None:
            os.chown(folder / left, account.uid, account.gid)
        with start_cluster(find_binaries(), folder, durable=False) as dsn:
            assert ask(dsn, "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_command_that_ends_keeps_the_socket_folder_of_the_one_that_begins(
    project: Path, place_cluster: Callable[[Path], Path]
) -> None:
    folder = place_cluster(project / ("x" * 100))
    first = child(folder, then="sys.stdin.read()")
    assert next_line(first) == "open"
    server = postmaster_of(folder)
    # The shutdown waits until the second command has its folder for sockets and waits too.
    os.kill(server, signal.SIGSTOP)
    try:
        assert first.stdin is not None
        first.stdin.close()
        first.stdin = None
        wait_until(lambda: is_signalled(server, signal.SIGINT))
        second = child(folder, then="sys.stdin.read()")
        wait_until(lambda: is_locked(folder))
    finally:
        os.kill(server, signal.SIGCONT)
    assert next_line(second) == "open"
    assert first.communicate()[0] == "closed\n"
    assert second.communicate("")[0] == "closed\n"
    assert is_stopped(folder)


def is_signalled(pid: int, number: signal.Signals) -> bool:
    """Whether a signal is on its way to a process that is stopped."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(fields["ShdPnd"], 16) >> (number - 1) & 1)


@needs_root
def test_socket_folder_that_somebody_else_put_in_our_place_is_refused(
    project: Path, place_cluster: Callable[[Path], Path]
) -> None:
    folder = place_cluster(project / ("x" * 100))
    with start_cluster(find_binaries(), folder, durable=False) as dsn:
        sockets = sockets_of(dsn)
    sockets.symlink_to("/tmp")
    try:
        os.lchown(sockets, 54321, 54321)
        with (
            pytest.raises(StoreError, match=r"belongs to another user \(uid 54321\)"),
            start_cluster(find_binaries(), folder, durable=False),
        ):
            pass
    finally:
        sockets.unlink()
