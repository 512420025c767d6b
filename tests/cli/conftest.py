from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
_OURS = ("DATABASE_URL", "APCA_", "ALPACA_", "GITHUB_", "NO_COLOR")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs the real command in an empty folder, with nothing of ours in its environment but what is given."""

    def run(*arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return subprocess.run(
            [sys.executable, "-m", "reconciler", *map(str, arguments)],
            cwd=tmp_path,
            env={**inherited, **environment},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )

    return run


GOOD = """\
version: 1
name: us
universe: [AAPL, IBM, KO]
timeframes: [h1, d1]
active_phase: 1
provider: {dataset: sandbox, requests_per_minute: 10000, settle_after: 16m}
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A file that is fine: three tickers, two timeframes, phase 1."""
    path = tmp_path / "universe.yaml"
    path.write_text(GOOD, "utf-8")
    return path
