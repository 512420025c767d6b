"""Commands and processes around an embedded PostgreSQL, for tests of its life cycle."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from reconciler.store.postgres_binaries import Account, can_reach

ROOT = os.geteuid() == 0
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_SITE_PACKAGES = Path(psycopg.__file__).parents[1]
_REPOSITORY = Path(__file__).parents[2]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder with a short path that every account can reach, unlike pytest's own 0700 ones."""
    path = Path(tempfile.mkdtemp(prefix="reconciler-test-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def processes_in(folder: Path) -> list[int]:
    """Processes whose working directory is ``folder``, as that of every server process is its data folder."""
    folder = folder.resolve()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def postmaster_of(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def wait_until(condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Returns once ``condition`` holds; fails the test when it has not by then."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def is_stopped(folder: Path) -> bool:
    return not processes_in(folder / "data")


def is_locked(folder: Path) -> bool:
    """Whether some process holds the folder's lock just now."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ask(dsn: str, question: str) -> object:
    """The first value of a query's answer."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def child(folder: Path, *, then: str = "pass") -> subprocess.Popen[str]:
    """Another command, in a session of its own, that opens the same folder, says so and does ``then``."""
    opening = f"""
        import sys, time, psycopg
        from pathlib import Path
        from reconciler.store.embedded import open_embedded
        with open_embedded(Path({str(folder)!r}), create=True) as dsn:
            print("open", flush=True)
    """
    body = textwrap.indent(textwrap.dedent(then), "    ")
    return subprocess.Popen(
        [sys.executable, "-c", f"{textwrap.dedent(opening)}{body}\nprint('closed', flush=True)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def interpreter_for(account: Account) -> str:
    """A Python of our own version that the account may run; skips the test when there is none."""
    own_version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.executable), Path("/usr/bin") / own_version, Path("/usr/local/bin") / own_version):
        if path.exists() and can_reach(account, path):
            return str(path)
    pytest.skip(f"no {own_version} that the account {account.name} may run")


def run_as(account: Account, code: str, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Python code, run by an account that is not root."""
    if not can_reach(account, _SITE_PACKAGES) or not can_reach(account, _REPOSITORY):
        pytest.skip(f"the account {account.name} may not read our packages")
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        [interpreter_for(account), "-B", "-c", code],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd="/",
        env={"PYTHONPATH": f"{_REPOSITORY}:{_SITE_PACKAGES}", "PATH": path or os.environ["PATH"]},
        timeout=60,
        **account.popen,  # type: ignore[call-overload]  # a mapping of keyword arguments
    )
    return ended
