"""The stand-in as an HTTP server on the loopback address, on a thread or as a whole process."""

from __future__ import annotations

import gzip
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from reconciler.errors import ReconcilerError
from reconciler.sandbox.api import Answer, BarsApi, Request
from reconciler.sandbox.history import History, recorded_history
from reconciler.sandbox.limits import RateWindow, build_limiter
from reconciler.sandbox.requestlog import RequestLog, RequestRecord

END_OF_DATA = datetime(2010, 8, 20, 23, 59, tzinfo=ZoneInfo("America/New_York"))
"""The time at which the stand-in stands still unless told otherwise: the last session is over."""

_HOST = "127.0.0.1"
_Connection = socket.socket | tuple[bytes, socket.socket]
"""What ``socketserver`` passes on; over TCP it is always the socket."""


class Sandbox:
    """The stand-in provider; as a context manager it runs on a thread from entry to exit.

    It listens on 127.0.0.1, on a free port if ``port`` is 0. Each request becomes a record in ``requests`` and
    a line appended to ``log``, before its answer is sent. ``requests_per_minute`` of None means no limit;
    above 200 the account is a paid one, with the last 15 minutes of SIP. ``as_of`` is the server's unmoving
    "now": buckets not closed by then are not served. Without ``history`` it serves the recorded data.

    Raises:
        ReconcilerError: on entry, when the port or the log cannot be opened or the data is not installed.

    """

    def __init__(
        self,
        *,
        history: History | None = None,
        port: int = 0,
        log: Path | None = None,
        requests_per_minute: int | None = 200,
        as_of: datetime = END_OF_DATA,
        window: RateWindow = "refilling",
    ) -> None:
        self._history = history
        self._port = port
        self._log_path = log
        self._requests_per_minute = requests_per_minute
        self._as_of = as_of.astimezone(UTC)
        self._window = window
        self._log = RequestLog(None)
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> Self:
        """Listens when this returns; requests are served on threads."""
        history = recorded_history() if self._history is None else self._history
        limiter = build_limiter(self._requests_per_minute, self._window)
        api = BarsApi(history, self._as_of, limiter, self._requests_per_minute)
        try:
            self._log = RequestLog(self._log_path)
            self._server = _Server(self._port, api, self._log)
        except OSError as error:
            self._log.close()
            raise ReconcilerError(f"the sandbox cannot start on port {self._port}: {error}") from error
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Closes the port and every open connection; stopping twice does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()
        self._log.close()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        if self._server is None:
            raise ReconcilerError("the sandbox is not running")
        return f"http://{_HOST}:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests answered so far (the latest 100,000), in the order of their answers."""
        return self._log.records()


def serve(
    *,
    port: int,
    log: Path | None,
    requests_per_minute: int | None,
    as_of: datetime,
    announce: Callable[[str], object],
) -> None:
    """Serve until SIGINT or SIGTERM; ``announce`` gets the base URL once requests are answered.

    Call it on the main thread.

    Raises:
        ReconcilerError: see ``Sandbox``.

    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(port=port, log=log, requests_per_minute=requests_per_minute, as_of=as_of) as sandbox:
        announce(sandbox.url)
        stop.wait()


class _Server(ThreadingMixIn, TCPServer):
    """Not ``http.server``'s own class: that one looks its host name up, which can take seconds."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, api: BarsApi, log: RequestLog) -> None:
        self.api = api
        self.log = log
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__((_HOST, port), _Handler)

    def process_request(self, request: _Connection, client_address: Any) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Connection) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for a next request on a kept-alive connection; each then ends."""
        with self._lock:
            for connection in self._connections:
                # The client may have closed its end already.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: _Connection, client_address: Any) -> None:
        """A client that went away is no error of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        arrival = datetime.now(UTC)
        path, _, query = self.path.partition("?")
        headers = {name.lower(): text for name, text in self.headers.items()}
        request = Request(path, query, headers, time.monotonic())
        answer = self.server.api.answer(request)
        self.server.log.append(
            RequestRecord(arrival, path, query, request.symbols, answer.status, answer.bar_count, answer.has_next)
        )
        self._send(answer, accepts_gzip="gzip" in headers.get("accept-encoding", ""))

    def _send(self, answer: Answer, *, accepts_gzip: bool) -> None:
        body = gzip.compress(answer.body, compresslevel=1) if accepts_gzip else answer.body
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if accepts_gzip:
            self.send_header("Content-Encoding", "gzip")
        if answer.grant is not None:
            self.send_header("X-RateLimit-Limit", str(answer.grant.limit))
            self.send_header("X-RateLimit-Remaining", str(answer.grant.remaining))
            self.send_header("X-RateLimit-Reset", str(int(time.time() + answer.grant.reset_seconds)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr: the request log has it."""
