"""Ticks: see what is missing, queue it, claim it, and let the workers fetch it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from reconciler import __version__
from reconciler.alpaca.client import Client
from reconciler.desired.model import Config
from reconciler.errors import StoreError
from reconciler.jobs import Lane, Run
from reconciler.leases import Beater
from reconciler.market.calendar import load_calendar
from reconciler.observe import read_now
from reconciler.scheduling.due import build_schedule, build_wants
from reconciler.store import definitions, revisions, runs
from reconciler.store.bars import cover
from reconciler.store.connection import Connections, transaction, try_lock_schedule
from reconciler.store.migrate import check_schema
from reconciler.worker import Outcome, Source, Worker

log = logging.getLogger("reconciler.runner")

QUEUE_MINUTES = 2
"""At most this many minutes of requests wait in each lane; the rest stay gaps, which merge while they wait."""

_POLL_SECONDS = 0.5
_SOON_SECONDS = 10.0
_LOOK_SECONDS = 0.5


class Mode(Enum):
    """How long to go on."""

    ONCE = auto()  # one tick, and the work it leaves
    UNTIL_IDLE = auto()  # until nothing is due or ready
    FOREVER = auto()


@dataclass(frozen=True)
class RunOptions:
    """``as_of`` replaces now when deciding what is due; leases and the limit always follow the database's clock."""

    mode: Mode = Mode.FOREVER
    as_of: datetime | None = None
    concurrency: int = 4
    interval_seconds: float = 30.0


@dataclass(frozen=True)
class RunReport:
    """What this process did. ``runs`` counts by outcome, ``waiting`` runs that wait for a later try."""

    ticks: int
    runs: dict[str, int]
    requests: int
    bars_written: int
    queued: int
    waiting: int

    @property
    def is_clean(self) -> bool:
        """Whether no run failed for good and none waits after an error; one that succeeded at a later try is clean."""
        return not self.waiting and not self.runs[Outcome.FAILED]


@dataclass
class Progress:
    """Told to the caller after each finished run, each tick, and twice a second."""

    queued: int = 0
    counters: Counter[str] = field(default_factory=Counter)


class Runner:
    """One process's share of the work; any number of them may run against one database."""

    def __init__(
        self, dsn: str, client: Client, options: RunOptions, on_progress: Callable[[Progress], None] | None = None
    ) -> None:
        self._id = uuid.uuid4()
        self._options = options
        self._client = client
        self._connections = Connections(dsn)
        self._calendar = load_calendar()
        self._stop = threading.Event()
        self._sources: dict[str, Source] = {}
        self._settle_after: dict[str, timedelta] = {}
        self._queue_bound = 0
        self._datasets: list[str] = []
        self._ticks = 0
        self._queued = 0
        self._on_progress = on_progress or (lambda _progress: None)
        self._worker = Worker(client, self._connections, self._calendar, lambda: self._sources, self._stop)

    def stop(self) -> None:
        """Finish the pages in flight, give the runs back and end; safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> RunReport:
        """Tick as ``options`` say and report. Raises what makes this process useless: a wrong key, no database."""
        check_schema(self._connections.get())
        beater = Beater(self._worker.leases, self._connections)
        beater.start()
        try:
            with ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="worker") as pool:
                self._guarded_loop(pool)
            report = self._report()
        finally:
            beater.end()
            self._say_goodbye()
            self._connections.close()
        if self._worker.fatal is not None:
            raise self._worker.fatal
        return report

    def _guarded_loop(self, pool: ThreadPoolExecutor) -> None:
        """On an error the workers are told to give their runs back before the pool waits for them."""
        try:
            self._loop(pool)
        finally:
            self._stop.set()

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            new = self._tick()
            self._drain(pool)
            if self._options.mode is Mode.ONCE or self._is_idle(new):
                return
            if self._options.mode is Mode.FOREVER:
                self._stop.wait(max(0.0, started + self._options.interval_seconds - time.monotonic()))

    def _is_idle(self, new: int | None) -> bool:
        """For UNTIL_IDLE: this process looked and found nothing new, nothing ready, and nothing that soon will be.

        Waited for: another scheduler or an apply at work, runs of other runners, and retries a few seconds away.
        """
        if self._options.mode is not Mode.UNTIL_IDLE or new:
            return False
        backlog = runs.read_backlog(self._connections.get(), self._datasets)
        if backlog.ready:
            return False
        soon = backlog.next_in is not None and backlog.next_in <= _SOON_SECONDS
        if new is None or backlog.running or soon:
            self._stop.wait(_POLL_SECONDS)
            return False
        return True

    def _tick(self) -> int | None:
        """Heartbeat, rescue, schedule; returns how many runs were queued, None when others were scheduling."""
        connection = self._connections.get()
        runs.heartbeat(connection, self._id, socket.gethostname(), os.getpid(), __version__)
        rescued = runs.rescue_runs(connection)
        if rescued:
            log.warning("runs taken back because their runner went silent or their definition is gone: %d", rescued)
        self._read_settings()
        new = self._schedule()
        self._ticks += 1
        self._queued += new or 0
        self._tell()
        return new

    def _read_settings(self) -> None:
        """What the owners applied last decides from this tick on."""
        connection = self._connections.get()
        configs = {r.owner: Config.from_canonical(r.config) for r in revisions.read_last_revisions(connection)}
        providers = {owner: config.provider for owner, config in configs.items()}
        self._sources = {o: Source(p.feed, p.adjustment, p.session, p.bucket) for o, p in providers.items()}
        self._settle_after = {o: timedelta(seconds=p.settle_after_seconds) for o, p in providers.items()}
        self._queue_bound = QUEUE_MINUTES * max((p.requests_per_minute for p in providers.values()), default=0)
        bound = revisions.read_datasets(connection)
        self._datasets = [d.label for d in bound if d.host in (None, self._client.host)]

    def _schedule(self) -> int | None:
        """Queue what is missing and not queued yet; None when another runner or an apply is at it just now."""
        connection = self._connections.get()
        with transaction(connection):
            if not try_lock_schedule(connection):
                return None
            now = read_now(connection, self._options.as_of)
            groups = [g for g in definitions.read_wanted_groups(connection) if g.dataset in self._datasets]
            wants = build_wants(self._calendar, groups, now, self._settle_after)
            queued = runs.count_queued(connection)
            free = {lane: max(0, self._queue_bound - queued[lane]) for lane in Lane}
            if not wants or not any(free.values()):
                return 0
            gaps = runs.read_gaps(connection, wants, max(free.values()))
            schedule = build_schedule(self._calendar, gaps, free)
            for gap in schedule.closed:
                cover(connection, gap.timeframe, gap.dataset, gap.symbol_ids, gap.window)
            return runs.insert_runs(connection, schedule.runs)

    def _drain(self, pool: ThreadPoolExecutor) -> None:
        """Claim and execute until nothing is ready; in the modes that last, tick in between when it is time."""
        flying: dict[Future[Outcome], Run] = {}
        next_tick = time.monotonic() + self._options.interval_seconds
        while True:
            if not self._stop.is_set():
                for run in self._claim(flying):
                    flying[pool.submit(self._worker.execute, run)] = run
            if not flying:
                return
            done, _ = wait(flying, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                flying.pop(future)
                future.result()
            self._tell()
            if self._options.mode is not Mode.ONCE and time.monotonic() >= next_tick and not self._stop.is_set():
                self._tick()
                next_tick = time.monotonic() + self._options.interval_seconds

    def _claim(self, flying: dict[Future[Outcome], Run]) -> list[Run]:
        """Runs for the free workers; one is kept from the slower lanes, so that live bars never wait for them."""
        size = self._options.concurrency
        others = sum(run.lane is not Lane.LIVE for run in flying.values())
        free = size - len(flying)
        since = time.monotonic()
        claimed = runs.claim_runs(
            self._connections.get(),
            self._id,
            self._datasets,
            free=free,
            free_other=max(0, min(free, max(1, size - 1) - others)),
        )
        for run in claimed:
            self._worker.leases.hold(run, since)
        return claimed

    def _tell(self) -> None:
        self._on_progress(Progress(self._queued, Counter(self._worker.counters)))

    def _report(self) -> RunReport:
        counters = self._worker.counters
        backlog = runs.read_backlog(self._connections.get(), self._datasets)
        return RunReport(
            ticks=self._ticks,
            runs={outcome.value: counters[outcome] for outcome in Outcome},
            requests=counters["requests"],
            bars_written=counters["bars_written"],
            queued=self._queued,
            waiting=backlog.waiting,
        )

    def _say_goodbye(self) -> None:
        try:
            runs.remove_runner(self._connections.get(), self._id)
        except StoreError as error:
            log.warning("could not sign off: %s", error)
