"""``up`` and ``demo`` as a newcomer runs them: no database, no keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import Cli


def postgres_below(folder: Path) -> list[str]:
    """Command lines of PostgreSQL servers whose data belong to ``folder``."""
    location = folder / ".reconciler" / "location"
    state = location.read_text("utf-8").strip() if location.exists() else str(folder / ".reconciler")
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, encoding="utf-8", check=True)
    return [line for line in processes.stdout.splitlines() if "postgres" in line and state in line]


def test_up_without_keys_fills_an_embedded_database_and_leaves_nothing_running(cli: Cli, good: Path) -> None:
    good.write_text(good.read_text("utf-8").replace("dataset: sandbox, ", ""), "utf-8")
    first = cli("up", good)
    assert first.returncode == 0, first.stderr
    assert "No API keys" in first.stdout
    assert "6 success" in first.stdout
    assert postgres_below(good.parent) == []
    again = cli("up", good)
    assert (again.returncode, "0 requests" in again.stdout) == (0, True)
    status = cli("status", "--as-of", "2010-08-20")
    assert status.returncode == 0
    assert "sandbox" in status.stdout
    assert postgres_below(good.parent) == []
    remove_location(good.parent)


def remove_location(folder: Path) -> None:
    """As root below pytest's 0700 folder the data lie elsewhere; nobody else removes them."""
    location = folder / ".reconciler" / "location"
    if location.exists():
        subprocess.run(["rm", "-rf", location.read_text("utf-8").strip()], check=True)


@pytest.mark.slow
def test_demo_shows_the_ratio(cli: Cli) -> None:
    ended = cli("demo")
    assert ended.returncode == 0
    assert "36x fewer" in ended.stdout
