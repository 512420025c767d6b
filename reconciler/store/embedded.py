"""An embedded PostgreSQL: a child of the command that needs it, gone with that command.

Its folder holds ``data``, a lock, a log and the socket. As root it runs as an unprivileged account; where that
account cannot reach the folder (below a 0700 home) the data lie in ``/var/tmp`` and the folder names the place.
Nothing is chmod-ed but what is made here.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from reconciler.errors import StoreError
from reconciler.store.connection import translated
from reconciler.store.postgres_binaries import (
    Account,
    Binaries,
    can_reach,
    copy_binaries,
    find_account,
    find_binaries,
)
from reconciler.store.queries import load_queries

DATABASE = "reconciler"

_LONGEST_SOCKET_FOLDER = 90  # bytes; a socket's path has 107, of which PostgreSQL's own name takes 15
_PORT = "5432"  # only a part of the socket's name; said aloud, since PGPORT may differ from command to command
_POLL_SECONDS = 0.05
_STOP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_SETTINGS = {"listen_addresses": "", "port": _PORT, "max_connections": "50", "shared_buffers": "64MB"}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class _Place:
    """Where one cluster lives: ``state`` is the folder that its account can reach."""

    state: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.state / "data"

    @property
    def log(self) -> Path:
        return self.state / "postgres.log"

    @property
    def sockets(self) -> Path:
        own = self.state / "socket"
        # Both PostgreSQL and libpq read a comma as the start of the next folder.
        if len(os.fsencode(own)) <= _LONGEST_SOCKET_FOLDER and "," not in str(own):
            return own
        return Path("/tmp") / f"reconciler-{_digest(self.state)}"  # noqa: S108 - made 0700, its owner is checked

    def conninfo(self, database: str) -> str:
        # An empty hostaddr keeps PGHOSTADDR out; it would lead away from the socket.
        where = {"host": str(self.sockets), "hostaddr": "", "port": _PORT}
        return make_conninfo(user="postgres", dbname=database, connect_timeout=5, **where)


@contextmanager
def open_embedded(folder: Path, *, create: bool, temporary: bool = False) -> Iterator[str]:
    """The connection string of the cluster in ``folder``, started for the block unless another command runs it.

    ``create`` makes it when the folder is not there; ``temporary`` deletes it afterwards. A cluster that another
    command runs is used and left running. Raises StoreError: no folder, no binaries, another major version, or
    PostgreSQL's own words when it will not start.
    """
    if not create and not folder.is_dir():
        raise StoreError(
            f"DATABASE_URL is not set, and there is no {folder.name}/ in this folder. "
            "Set DATABASE_URL, or run `reconciler up CONFIG` to make an embedded database here"
        )
    with start_cluster(find_binaries(), folder, temporary=temporary) as conninfo:
        # One at a time: CREATE DATABASE fails while another session copies from the same template.
        with _locked(folder):
            _ensure_database(conninfo)
        yield make_conninfo(conninfo, dbname=DATABASE)


@contextmanager
def start_cluster(binaries: Binaries, folder: Path, *, durable: bool = True, temporary: bool = False) -> Iterator[str]:
    """The connection string (database ``postgres``) of the cluster in ``folder``, made when it is not there yet."""
    folder = folder.absolute()
    place = _find_place(folder)
    ours = False
    server = None
    try:
        with _locked(folder) as lock:
            ours = True
            _make_state(place, binaries, lock)
            ours = not _is_settled(place)
            if ours:
                server = _start(place, _runnable(binaries, place), durable=durable)
        yield place.conninfo("postgres")
    finally:
        if server is not None:
            _stop(server)
        if ours:
            _tidy(folder, place, temporary=temporary)


def _tidy(folder: Path, place: _Place, *, temporary: bool) -> None:
    """Remove what the cluster needs no longer, unless the next command has already started it anew."""
    with _locked(folder):
        if _is_alive(place):
            return
        if place.sockets.parent != place.state:
            shutil.rmtree(place.sockets, ignore_errors=True)
        for path in {place.state, folder} if temporary else ():
            shutil.rmtree(path, ignore_errors=True)


def _find_place(folder: Path) -> _Place:
    account = find_account()
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        return _Place(_reachable(folder, account), account)
    except OSError as error:
        raise StoreError(f"{folder} cannot be used for a database ({error.strerror}); or set DATABASE_URL") from error


def _reachable(folder: Path, account: Account | None) -> Path:
    """The folder itself, or for a root whose account cannot enter it a place of its own, named in a file."""
    if can_reach(account, folder):
        return folder
    elsewhere = Path("/var/tmp") / f"reconciler-{_digest(folder)}"  # noqa: S108 - made 0700, its owner is checked
    (folder / "location").write_text(f"{elsewhere}\n", "utf-8")
    return elsewhere


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """One command at a time decides whether to start; the kernel frees the lock with the process.

    Yields the lock's file descriptor: a child that inherits it holds the lock as long as it lives.
    """
    try:
        file = (folder / "lock").open("w")
    except OSError as error:
        raise StoreError(f"{folder} cannot be used for a database ({error.strerror}); or set DATABASE_URL") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _make_state(place: _Place, binaries: Binaries, lock: int) -> None:
    _make_own(place.state, None if place.data.exists() else place.account, mode=0o755)
    _make_own(place.sockets, place.account, mode=0o700)
    if place.data.is_dir():
        _check_version(place, binaries)
        return
    fresh = place.state / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _make_own(fresh, place.account, mode=0o700)
    _run_initdb(place, _runnable(binaries, place), fresh, lock)
    fresh.rename(place.data)


def _make_own(folder: Path, account: Account | None, *, mode: int) -> None:
    """Make the folder for the account; one that somebody else made in our place is refused."""
    if not folder.exists():
        folder.mkdir()
        folder.chmod(mode)  # whatever the umask says: a folder of root's must stay open to the account
        if account is not None and mode == 0o700:
            os.chown(folder, account.uid, account.gid)
    owner = folder.lstat().st_uid
    if owner not in (os.geteuid(), account.uid if account else os.geteuid()):
        raise StoreError(f"{folder} belongs to another user (uid {owner}); remove it, or set DATABASE_URL")


def _check_version(place: _Place, binaries: Binaries) -> None:
    made_by = (place.data / "PG_VERSION").read_text("utf-8").strip()
    if made_by != str(binaries.major):
        raise StoreError(
            f"{place.data} was made by PostgreSQL {made_by}, and the one here is {binaries.major}, which cannot "
            f"open it. Install version {made_by}, or set DATABASE_URL"
        )


def _runnable(binaries: Binaries, place: _Place) -> Binaries:
    if can_reach(place.account, binaries.folder / "postgres"):
        return binaries
    return copy_binaries(binaries, place.state / f"postgresql-{binaries.major}", place.account)


def _run_initdb(place: _Place, binaries: Binaries, fresh: Path, lock: int) -> None:
    arguments = ["-U", "postgres", "--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--locale=C.UTF-8"]
    ended = subprocess.run(
        [binaries.folder / "initdb", "-D", fresh, *arguments],
        check=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Killed with the command, it takes a moment to end; until then it writes to ``fresh``.
        pass_fds=[lock],
        preexec_fn=_die_with_parent(signal.SIGTERM),
        **_identity(place.account),  # type: ignore[call-overload]  # a mapping of keyword arguments
    )
    if ended.returncode:
        said = ended.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise StoreError("a new database could not be made; initdb says: " + " / ".join(said))


def _identity(account: Account | None) -> dict[str, object]:
    return {} if account is None else account.popen


def _start(place: _Place, binaries: Binaries, *, durable: bool) -> subprocess.Popen[bytes]:
    settings = {**_SETTINGS, "unix_socket_directories": str(place.sockets), **({} if durable else _NOT_DURABLE)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    _remove_stale_locks(place)
    with place.log.open("wb") as log:
        server: subprocess.Popen[bytes] = subprocess.Popen(
            [binaries.folder / "postgres", "-D", place.data, *options],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole group; the server must outlive the command's own last writes.
            start_new_session=True,
            preexec_fn=_die_with_parent(signal.SIGINT),  # noqa: PLW1509 - commands start it before any thread
            **_identity(place.account),  # type: ignore[call-overload]  # a mapping of keyword arguments
        )
    try:
        _wait_until_ready(place, server)
    except BaseException:
        _stop(server)
        raise
    return server


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Linux ends the child when the thread that made it is gone, even by kill -9; elsewhere there is no such thing."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _wait_until_ready(place: _Place, server: subprocess.Popen[bytes]) -> None:
    """Until it answers or ends; recovery after a crash may take as long as it takes."""
    while server.poll() is None:
        if _is_running(place):
            return
        time.sleep(_POLL_SECONDS)
    lines = place.log.read_text("utf-8", errors="replace").strip().splitlines()[-5:]
    raise StoreError("the embedded PostgreSQL did not start; it says: " + " / ".join(lines))


def _is_settled(place: _Place) -> bool:
    """Whether a server answers, once one that another command starts or stops just now has made up its mind."""
    while not _is_running(place):
        if not _is_alive(place):
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_alive(place: _Place) -> bool:
    """Whether the process in ``postmaster.pid`` is this cluster's; after a reboot the number may be anybody's."""
    try:
        pid = int((place.data / "postmaster.pid").read_text("utf-8").split()[0])
        return Path(f"/proc/{pid}/cwd").readlink() == place.data.resolve()
    except (OSError, ValueError, IndexError):
        return False


def _remove_stale_locks(place: _Place) -> None:
    """PostgreSQL's lock files outlive a reboot, after which their number may be any other process of the account.

    It would then refuse to start. Called when the server is known not to run; should one run all the same, its shared
    memory, which goes by the data folder, keeps the second one out.
    """
    if sys.platform == "linux" and not _is_alive(place):
        for path in (place.data / "postmaster.pid", place.sockets / f".s.PGSQL.{_PORT}.lock"):
            path.unlink(missing_ok=True)


def _is_running(place: _Place) -> bool:
    """Whether a server answers, be it only that it has no connection left to give."""
    return pq.PGconn.ping(place.conninfo("postgres").encode()) == pq.Ping.OK


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: sessions are ended, everything committed is kept."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Immediate shutdown; the next start recovers from the log.
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _ensure_database(conninfo: str) -> None:
    queries = load_queries("embedded")
    with translated(), psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute(queries["find_database"]).fetchone() == (False,):
            connection.execute(queries["create_database"])
