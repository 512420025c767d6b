from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from support.asker import KEYS, Asker, make_asker

from reconciler.sandbox.server import Sandbox


@pytest.fixture
def asker() -> Asker:
    """The recorded bars, without any limit."""
    return make_asker()


@pytest.fixture
def free_asker() -> Asker:
    """An account of the free plan, whose limit is not reached."""
    return make_asker(requests_per_minute=200)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers=KEYS) as client:
        yield client
