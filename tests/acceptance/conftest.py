from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World

from reconciler.sandbox.server import Sandbox


@pytest.fixture
def world(dsn: str, tmp_path: Path) -> Iterator[World]:
    """The recorded bars without a request limit of the provider's own."""
    with Sandbox(requests_per_minute=None) as sandbox:
        yield World(dsn, sandbox, tmp_path)
