"""Bring the database's schema up to date: plain SQL files, forward only, checksummed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from reconciler import __version__
from reconciler.errors import SchemaError
from reconciler.store.connection import Connection, transaction, translated
from reconciler.store.queries import load_queries

_OLDEST = re.compile(r"^-- oldest program: (?P<version>\d+\.\d+\.\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One file of ``migrations/``; ``oldest_program`` is the oldest version that works once it is applied."""

    name: str
    checksum: str
    oldest_program: str
    text: str


def migrate(connection: Connection) -> list[str]:
    """Apply what is pending, all in one transaction; returns the names applied, oldest first.

    Idempotent, and safe from several programs at once: the second waits and finds nothing to do.
    Raises SchemaError when a migration applied earlier has another text now, or the database is newer.
    """
    queries = load_queries("migrations")
    with transaction(connection, lock_timeout_ms=60_000):
        connection.execute(load_queries("session")["lock_migrate"])
        connection.execute(queries["create_migrations"])
        pending = _pending(connection)
        for migration in pending:
            connection.execute(migration.text.encode())
            connection.execute(
                queries["insert_migration"],
                {
                    "name": migration.name,
                    "checksum": migration.checksum,
                    "oldest_program": migration.oldest_program,
                },
            )
    return [migration.name for migration in pending]


def check_schema(connection: Connection) -> None:
    """Raise SchemaError unless every migration of this program is applied and none shuts it out."""
    with translated():
        pending = _pending(connection)
    if pending:
        names = ", ".join(m.name for m in pending)
        raise SchemaError(
            f"the database's schema is older than this program ({names} pending). Run `reconciler migrate`"
        )


def _pending(connection: Connection) -> list[Migration]:
    applied = {
        str(name): (str(checksum), str(oldest))
        for name, checksum, oldest in connection.execute(load_queries("migrations")["read_migrations"])
    }
    known = load_migrations()
    _check_newer({name: oldest for name, (_, oldest) in applied.items() if name not in {m.name for m in known}})
    for migration in known:
        if migration.name in applied and applied[migration.name][0] != migration.checksum:
            raise SchemaError(
                f"migration {migration.name} was applied with another text than this program has. "
                "Use the program that applied it, or a release that follows it"
            )
    return [m for m in known if m.name not in applied]


def _check_newer(unknown: dict[str, str]) -> None:
    shut_out = {name: oldest for name, oldest in unknown.items() if _version(oldest) > _version(__version__)}
    if shut_out:
        needed = max(shut_out.values(), key=_version)
        raise SchemaError(
            f"the database is newer than this program ({__version__}): {', '.join(sorted(shut_out))} "
            f"needs reconciler {needed} or newer. Upgrade reconciler"
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@cache
def load_migrations() -> tuple[Migration, ...]:
    """This program's migrations, oldest first."""
    return tuple(
        _parse(name, text)
        for name, text in sorted((p.name, p.read_text("utf-8")) for p in _folder().glob("[0-9]*.sql"))
    )


def _folder() -> Path:
    """Inside the wheel the files lie in the package, in a checkout beside it."""
    packaged = Path(str(resources.files("reconciler"))) / "migrations"
    return packaged if packaged.is_dir() else packaged.parent.parent / "migrations"


def _parse(name: str, text: str) -> Migration:
    oldest = _OLDEST.search(text)
    if oldest is None:
        raise ValueError(f"migration {name} does not say the oldest program that can work with it")
    return Migration(name.removesuffix(".sql"), hashlib.sha256(text.encode()).hexdigest(), oldest["version"], text)
