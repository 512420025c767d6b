"""The runs this process holds, and the beat that keeps them."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from reconciler.errors import LeaseLostError, StoreError
from reconciler.jobs import Run
from reconciler.store import runs
from reconciler.store.connection import Connections

log = logging.getLogger("reconciler.leases")

BEAT_SECONDS = 15.0
GIVE_UP_SECONDS = 45.0
"""A run is given up this long after its last confirmed beat: before its lease of 60 s ends and others rescue it."""


class Leases:
    """When each run in flight was last confirmed to be ours, by the local monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[Run, float]] = {}

    def hold(self, run: Run, since: float) -> None:
        """Start to beat for ``run``, which was claimed not before the monotonic time ``since``."""
        with self._lock:
            self._held[run.id] = (run, since)

    def drop(self, run: Run) -> None:
        """Stop to beat for ``run``."""
        with self._lock:
            self._held.pop(run.id, None)

    def check(self, run: Run) -> None:
        """Raise LeaseLostError when the run is lost, or unconfirmed for so long that it soon may be."""
        with self._lock:
            held = self._held.get(run.id)
        if held is None or time.monotonic() - held[1] > GIVE_UP_SECONDS:
            raise LeaseLostError(f"run {run.id}: its lease could not be renewed; giving it up before others take it")

    def beat(self, connections: Connections) -> None:
        """Renew every lease held; a run that another runner owns by now is dropped. Raises StoreError."""
        with self._lock:
            held = [run for run, _ in self._held.values()]
        if not held:
            return
        before = time.monotonic()
        ours = runs.renew_leases(connections.get(), held)
        with self._lock:
            for run in held:
                if run.id not in ours:
                    self._held.pop(run.id, None)
                elif run.id in self._held:
                    self._held[run.id] = (run, before)


class Beater(threading.Thread):
    """Beats every BEAT_SECONDS until ``stop``; an unreachable database is survived, the leases then lapse."""

    def __init__(self, leases: Leases, connections: Connections) -> None:
        super().__init__(name="beater", daemon=True)
        self._leases = leases
        self._connections = connections
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self._leases.beat(self._connections)
            except StoreError as error:
                log.warning("leases could not be renewed: %s", error)

    def end(self) -> None:
        """Stop beating and wait for the thread."""
        self._ended.set()
        self.join()
