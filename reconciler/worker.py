"""One run from claim to success: acquire, fetch, commit, page after page."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from reconciler.alpaca.client import Client
from reconciler.alpaca.wire import BarsQuery, PageGuard
from reconciler.bars import Page
from reconciler.errors import (
    BadRequestError,
    InvalidSymbolError,
    PolicyError,
    ProviderError,
    RateLimitedError,
    ReconcilerError,
    StoreError,
    TransientError,
)
from reconciler.jobs import Run
from reconciler.leases import Leases
from reconciler.market.calendar import Calendar
from reconciler.market.grid import count_buckets, regular_buckets, request_bounds
from reconciler.market.pages import PAGE_LIMIT
from reconciler.scheduling.retry import Verdict, decide
from reconciler.store import limits, runs
from reconciler.store.bars import BarRow
from reconciler.store.connection import Connections
from reconciler.windows import Window

log = logging.getLogger("reconciler.worker")

_LONGEST_WAIT_SECONDS = 5.0
_OTHER_HOST_DELAY = timedelta(seconds=60)
_BUG_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Source:
    """How an owner's bars are asked for, from its last applied config."""

    feed: str
    adjustment: str
    session: str
    bucket: str


class Outcome(StrEnum):
    """How this process ended with a run; the row itself may live on in the queue."""

    SUCCESS = "success"
    FAILED = "failed"
    RETRIED = "retried"
    RELEASED = "released"
    LOST = "lost"


class StoppedError(ReconcilerError):
    """This process was told to stop; the run goes back as it is."""


class Worker:
    """Executes runs; one instance serves all threads. Every HTTP request costs one slot of the account's budget."""

    def __init__(
        self,
        client: Client,
        connections: Connections,
        calendar: Calendar,
        sources: Callable[[], Mapping[str, Source]],
        stop: threading.Event,
    ) -> None:
        self._client = client
        self._connections = connections
        self._calendar = calendar
        self._sources = sources
        self._stop = stop
        self._lock = threading.Lock()
        self._seen_limits: dict[str, int] = {}
        self.leases = Leases()
        self.fatal: ReconcilerError | None = None
        self.counters: Counter[str] = Counter()

    def execute(self, run: Run) -> Outcome:
        """Fetch the run's slice to its last page; whatever happens, the row says so or its lease lapses."""
        try:
            outcome = self._attempt(run)
        except StoreError as error:
            # Lost to another runner, or the database is away: nothing can be written about the run any more.
            log.warning("run %s: %s", run.id, error)
            outcome = Outcome.LOST
        finally:
            self.leases.drop(run)
        self._count(outcome)
        return outcome

    def _attempt(self, run: Run) -> Outcome:
        try:
            _Chain(self, run).fetch()
        except StoppedError:
            self._return(run, burn=False)
            return Outcome.RELEASED
        except PolicyError as error:
            log.error("run %s: %s", run.id, error)
            self._return(run, code="DATASET", message=str(error), delay=_OTHER_HOST_DELAY, burn=False)
            return Outcome.RELEASED
        except ProviderError as error:
            return self._settle(run, error)
        except StoreError:
            raise
        except Exception as error:
            log.exception("run %s: unexpected error", run.id)
            self._return(run, code="INTERNAL", message=repr(error), delay=_BUG_DELAY, burn=True)
            return Outcome.RETRIED
        return Outcome.SUCCESS

    def _settle(self, run: Run, error: ProviderError) -> Outcome:
        decision = decide(error, run.attempt, random.random())  # noqa: S311 - jitter, not a secret
        log.warning("run %s (%s %s): %s", run.id, run.timeframe, run.slice.start.date(), error)
        if decision.verdict is Verdict.FAIL:
            runs.fail_run(self._connections.get(), run, code=error.code, message=str(error))
            return Outcome.FAILED
        if decision.verdict is Verdict.STOP:
            self.fatal = error
            self._stop.set()
            self._return(run, code=error.code, message=str(error), burn=False)
            return Outcome.RELEASED
        self._return(run, code=error.code, message=str(error), delay=decision.delay, burn=True)
        return Outcome.RETRIED

    def _return(
        self,
        run: Run,
        *,
        code: str | None = None,
        message: str | None = None,
        delay: timedelta = timedelta(0),
        burn: bool,
    ) -> None:
        runs.return_run(self._connections.get(), run, code=code, message=message, delay=delay, burn=burn)

    def _count(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self.counters[name] += amount

    # What a chain of pages needs of its worker.

    def source(self, run: Run) -> Source:
        """The settings of the run's owner; an owner without a revision cannot have made the row."""
        return self._sources()[run.managed_by]

    def bounds(self, run: Run) -> tuple[datetime, datetime]:
        return request_bounds(self._calendar, run.timeframe, run.slice, run.lane)

    def most_pages(self, run: Run, asked: Window) -> int:
        """More pages than this mean that the chain does not end (PAGE_LIMIT rows a page, a short one a symbol)."""
        bars = count_buckets(self._calendar, run.timeframe, asked) + 2
        return -(-bars * len(run.symbols) // PAGE_LIMIT) + len(run.symbols) + 1

    def kept(self, run: Run, session: str, start: datetime) -> frozenset[datetime] | None:
        """The bar starts from ``start`` to the slice's end that the owner's session keeps; None keeps all."""
        if session == "extended":
            return None
        return regular_buckets(self._calendar, run.timeframe, Window(start, run.slice.end))

    def request(self, run: Run, bucket: str, query: BarsQuery, token: str | None) -> Page:
        """One page, once the account's budget allows it; a 429 makes everybody wait and costs no attempt."""
        while True:
            self._acquire(run, bucket)
            self._count("requests")
            try:
                answer = self._client.fetch_page(query, token)
            except RateLimitedError:
                log.warning("the provider answered 429; every runner of bucket %s waits", bucket)
                limits.block_bucket(self._connections.get(), bucket)
                continue
            if answer.rate_limit is not None:
                self._note_limit(bucket, answer.rate_limit)
            return answer.page

    def _acquire(self, run: Run, bucket: str) -> None:
        while True:
            if self._stop.is_set():
                raise StoppedError
            self.leases.check(run)
            asked_at = time.monotonic()
            connection = self._connections.get()
            if limits.acquire_slot(connection, bucket, run):
                if time.monotonic() - asked_at < limits.GRANT_SECONDS:
                    return
                continue
            self._wait(limits.read_wait(connection, bucket, run.lane))

    def _wait(self, seconds: float) -> None:
        """For the budget; in short steps, so that a stop or a lost lease is seen."""
        self._count("throttled")
        try:
            # Jitter, so that waiting runs do not all ask in the same millisecond.
            self._stop.wait(min(seconds, _LONGEST_WAIT_SECONDS) + 0.01 + 0.05 * random.random())  # noqa: S311
        finally:
            self._count("throttled", -1)

    def _note_limit(self, bucket: str, seen: int) -> None:
        if self._seen_limits.get(bucket) != seen:
            limits.note_limit(self._connections.get(), bucket, seen)
            self._seen_limits[bucket] = seen

    def commit(self, run: Run, page_no: int, page: runs.PageCommit) -> None:
        self.leases.check(run)
        written = runs.commit_page(self._connections.get(), run, page_no, page)
        self._count("bars_written", written)

    def restart(self, run: Run) -> None:
        runs.restart_chain(self._connections.get(), run)

    @property
    def host(self) -> str:
        return self._client.host


class _Chain:
    """The pages of one run; nothing is concluded about any symbol before the last one."""

    def __init__(self, worker: Worker, run: Run) -> None:
        self._worker = worker
        self._run = run
        self._source = worker.source(run)
        start, end = worker.bounds(run)
        self._asked = Window(start, end + timedelta(milliseconds=1))
        self._query = BarsQuery(
            symbols=run.symbols,
            timeframe=run.timeframe,
            start=start,
            end=end,
            feed=self._source.feed,
            adjustment=self._source.adjustment,
        )
        self._ids: dict[str, UUID] = dict(zip(run.symbols, run.symbol_ids, strict=True))
        self._kept = worker.kept(run, self._source.session, start)
        self._guard = PageGuard(worker.most_pages(run, self._asked))
        self._page_no = run.pages
        self._token = run.cursor_token
        self._counts: Counter[str] = Counter(run.symbol_rows)

    def fetch(self) -> None:
        """Follow the token until it is null, each page in a transaction of its own."""
        while True:
            page = self._next_page()
            self._guard.check(page.next_page_token)
            self._worker.commit(self._run, self._page_no, self._commit(page))
            self._page_no += 1
            self._token = page.next_page_token
            if self._token is None:
                return

    def _next_page(self) -> Page:
        try:
            return self._worker.request(self._run, self._source.bucket, self._query, self._token)
        except InvalidSymbolError:
            raise
        except BadRequestError as error:
            if self._token is None:
                raise
            log.warning("run %s: the provider refused the cursor (%s); starting its chain again", self._run.id, error)
            self._worker.restart(self._run)
            self._token = None
            self._counts.clear()
            return self._worker.request(self._run, self._source.bucket, self._query, None)

    def _commit(self, page: Page) -> runs.PageCommit:
        rows = [row for ticker in page.bars for row in self._rows(ticker, page)]
        self._counts.update({ticker: len(bars) for ticker, bars in page.bars.items()})
        last = page.next_page_token is None
        # A symbol without a row is an answer only now: on the last page it is written down as zero.
        counts = {t: self._counts[t] for t in self._run.symbols} if last else dict(self._counts)
        return runs.PageCommit(
            rows=rows,
            symbol_rows=counts,
            next_token=page.next_page_token,
            progress_percent=self._progress(page),
            host=self._worker.host,
            last=last,
        )

    def _rows(self, ticker: str, page: Page) -> list[BarRow]:
        symbol_id = self._ids[ticker]
        rows = []
        for bar in page.bars[ticker]:
            if not self._asked.contains(bar.ts):
                raise TransientError(f"the provider answered a bar of {ticker} at {bar.ts}, outside what was asked")
            if self._kept is not None and bar.ts not in self._kept:
                continue
            count = None if bar.trade_count is None else int(bar.trade_count)
            rows.append(
                BarRow(symbol_id, bar.ts, bar.open, bar.high, bar.low, bar.close, int(bar.volume), count, bar.vwap)
            )
        return rows

    def _progress(self, page: Page) -> int:
        """Symbols are filled in alphabetical order, so the last one on the page tells how far the chain is."""
        reached = max((self._run.symbols.index(t) for t in page.bars), default=0)
        return min(99, 100 * reached // len(self._run.symbols))
