"""The account's request budget: an exact sliding window over all runners, kept by the database's clock.

Each request a minute is one row. A grant makes its row busy for 62 seconds and must be used within 2, so no
60-second window sees more requests than the limit. A dead runner leaks nothing.
"""

from __future__ import annotations

from typing import Any

from reconciler.errors import LeaseLostError
from reconciler.jobs import Lane, Run
from reconciler.store.connection import Connection
from reconciler.store.queries import load_queries

_SQL = load_queries("limits")

GRANT_SECONDS = 2.0
"""How long a grant is good for, from before it was asked for."""


def write_limit(connection: Connection, bucket: str) -> None:
    """Set the bucket to the smallest limit any owner's last revision names; call after the revision is stored."""
    connection.execute(_SQL["write_limit"], {"bucket": bucket})
    connection.execute(_SQL["write_slots"], {"bucket": bucket})


def acquire_slot(connection: Connection, bucket: str, run: Run) -> bool:
    """Take the right to send one request within GRANT_SECONDS and count it on the run; False when none is free now.

    One statement of its own, never part of a page's transaction. Raises LeaseLostError when another runner owns
    the run: nothing is taken then.
    """
    parameters = {"bucket": bucket, "live": run.lane is Lane.LIVE, "run_id": run.id, "fence": run.fence}
    row: Any = connection.execute(_SQL["acquire_slot"], parameters).fetchone()
    granted, held = row
    if not held:
        raise LeaseLostError(f"run {run.id} is not ours any more")
    return bool(granted)


def read_wait(connection: Connection, bucket: str, lane: Lane) -> float:
    """Seconds until a slot can be free for this lane; 0 when one is free, 60 for a bucket nobody has made yet."""
    row: Any = connection.execute(_SQL["read_wait"], {"bucket": bucket, "live": lane is Lane.LIVE}).fetchone()
    return 60.0 if row is None or row[0] is None else float(row[0])


def block_bucket(connection: Connection, bucket: str) -> None:
    """After a 429: nobody asks for 2 seconds, doubling to 60 while it goes on."""
    connection.execute(_SQL["block_bucket"], {"bucket": bucket})


def note_limit(connection: Connection, bucket: str, seen: int) -> None:
    """Adopt the limit that the provider states; it lowers ours at once and never raises it."""
    connection.execute(_SQL["note_limit"], {"bucket": bucket, "seen": seen})
