"""The stand-in over real connections."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.asker import KEYS

from reconciler.errors import ReconcilerError
from reconciler.sandbox.history import SyntheticHistory
from reconciler.sandbox.server import Sandbox

DAY = {"symbols": "A,ZZZZ", "timeframe": "1Day", "start": "2010-08-19", "end": "2010-08-19"}
RATE_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


def test_both_endpoints_answer(http: httpx.Client) -> None:
    multi = http.get("/v2/stocks/bars", params=DAY)
    single = http.get("/v2/stocks/A/bars", params={name: text for name, text in DAY.items() if name != "symbols"})

    assert (multi.status_code, single.status_code) == (200, 200)
    assert multi.json()["bars"]["A"] == single.json()["bars"]
    assert multi.headers["content-type"] == "application/json; charset=UTF-8"


def test_success_has_rate_headers_and_a_refusal_has_none(http: httpx.Client) -> None:
    before = datetime.now(UTC).timestamp()
    good, bad = http.get("/v2/stocks/bars", params=DAY), http.get("/v2/stocks/bars", params={"symbols": "BRK-B"})

    assert (good.headers["x-ratelimit-limit"], good.headers["x-ratelimit-remaining"]) == ("200", "199")
    assert before - 1 <= int(good.headers["x-ratelimit-reset"]) <= before + 60
    assert (bad.status_code, bad.json()) == (400, {"message": "invalid symbol: BRK-B"})
    assert RATE_HEADERS.isdisjoint(bad.headers.keys())


@pytest.mark.parametrize("window", ["refilling", "fixed"])
def test_requests_over_the_limit_get_429(window: str) -> None:
    # Ten a minute refill one in six seconds, so a slow machine may let a few more through.
    with (
        Sandbox(requests_per_minute=10, window="fixed" if window == "fixed" else "refilling") as sandbox,
        httpx.Client(base_url=sandbox.url, headers=KEYS) as client,
    ):
        answers = [client.get("/v2/stocks/bars", params=DAY) for _ in range(30)]
        counts = Counter(record.status for record in sandbox.requests)

    assert 10 <= counts[200] < 20
    assert counts[200] + counts[429] == 30
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.text.rstrip() == '{"message": "too many requests."}'
    assert not (RATE_HEADERS | {"retry-after"}) & set(refused.headers.keys())


def test_without_a_limit_nothing_is_counted() -> None:
    with (
        Sandbox(requests_per_minute=None) as sandbox,
        httpx.Client(base_url=sandbox.url, headers=KEYS) as client,
    ):
        answers = [client.get("/v2/stocks/bars", params=DAY) for _ in range(250)]

    assert {answer.status_code for answer in answers} == {200}
    assert RATE_HEADERS.isdisjoint(answers[0].headers.keys())


def test_gzip_only_when_asked_for(http: httpx.Client) -> None:
    packed, plain = (
        http.get("/v2/stocks/bars", params=DAY, headers={"accept-encoding": text}) for text in ("gzip", "identity")
    )

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


def test_errors_outside_the_api(sandbox: Sandbox, http: httpx.Client) -> None:
    unknown, long = http.get("/v2/nope"), http.get("/v2/stocks/bars", params={"symbols": "A," * 5_000})
    stranger = httpx.get(f"{sandbox.url}/v2/stocks/bars", params=DAY)

    assert (unknown.status_code, unknown.text) == (404, "Not Found")
    assert (long.status_code, long.headers["content-type"]) == (414, "text/html")
    assert (stranger.status_code, stranger.headers["content-type"]) == (401, "text/html")


def test_each_request_is_recorded_whatever_its_answer(sandbox: Sandbox, http: httpx.Client) -> None:
    http.get("/v2/stocks/bars", params=DAY | {"start": "2010-08-16", "limit": 1})
    http.get("/v2/stocks/A/bars", params={"timeframe": "never"})
    http.get("/v2/nope")
    first, second, third = sandbox.requests

    assert (first.path, first.symbols, first.status, first.bars, first.token) == (
        "/v2/stocks/bars",
        ("A", "ZZZZ"),
        200,
        1,
        True,
    )
    assert first.query == "symbols=A%2CZZZZ&timeframe=1Day&start=2010-08-16&end=2010-08-19&limit=1"
    assert (second.symbols, second.status, second.bars, second.token) == (("A",), 400, 0, False)
    assert (third.path, third.query, third.symbols, third.status) == ("/v2/nope", "", (), 404)


def test_log_lines_are_whole_before_the_answer_comes(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text("{}\n")
    with Sandbox(log=log) as sandbox, httpx.Client(base_url=sandbox.url, headers=KEYS) as client:
        client.get("/v2/stocks/bars", params=DAY)
        old, line = log.read_text().splitlines()

    record = json.loads(line)
    assert old == "{}"
    assert list(record) == ["time", "path", "query", "symbols", "status", "bars", "token"]
    assert (record["symbols"], record["status"], record["bars"], record["token"]) == (["A", "ZZZZ"], 200, 1, False)
    assert datetime.fromisoformat(record["time"]).utcoffset() == datetime.now(UTC).utcoffset()


def test_many_clients_at_once(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    history = SyntheticHistory([f"A{letter}" for letter in "ABCDEFGH"])
    query = {"timeframe": "15Min", "start": "2010-08-16", "end": "2010-08-20"}
    with Sandbox(history=history, requests_per_minute=None, log=log) as sandbox:

        def fetch(symbol: str) -> int:
            with httpx.Client(base_url=sandbox.url, headers=KEYS) as client:
                pages = [client.get("/v2/stocks/bars", params=query | {"symbols": symbol}).json() for _ in range(5)]
            return len({json.dumps(page, sort_keys=True) for page in pages})

        with ThreadPoolExecutor(8) as pool:
            variants = list(pool.map(fetch, history.symbols()))
        records = sandbox.requests

    assert variants == [1] * 8
    assert [record.bars for record in records] == [4 * 64] * 40
    assert len([json.loads(line) for line in log.read_text().splitlines()]) == 40


def test_connections_are_kept_alive(sandbox: Sandbox) -> None:
    lines = b"GET /v2/nope HTTP/1.1\r\nHost: x\r\n\r\n"
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection, connection.makefile("rb") as answers:
        for _ in range(2):
            connection.sendall(lines)
            head = [answers.readline() for _ in range(6)]
            assert head[0] == b"HTTP/1.1 404 Not Found\r\n"
            assert answers.read(9) == b"Not Found"


def test_stop_ends_kept_alive_connections_and_frees_the_port(capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox().start()
    port = int(sandbox.url.rpartition(":")[2])
    with httpx.Client(base_url=sandbox.url, headers=KEYS) as client:
        client.get("/v2/stocks/bars", params=DAY)
        sandbox.stop()
        with pytest.raises(httpx.TransportError):
            client.get("/v2/stocks/bars", params=DAY)
    sandbox.stop()

    with Sandbox(port=port) as again:
        assert again.url.endswith(f":{port}")
    assert len(sandbox.requests) == 1
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    port = int(sandbox.url.rpartition(":")[2])

    with pytest.raises(ReconcilerError, match=f"port {port}"):
        Sandbox(port=port, log=tmp_path / "log").start()


def test_an_unwritable_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="No such file"):
        Sandbox(log=tmp_path / "missing" / "log").start()


def test_a_sandbox_that_is_not_running_has_no_url() -> None:
    with pytest.raises(ReconcilerError, match="not running"):
        _ = Sandbox().url


SERVE = """
import sys
from functools import partial
from pathlib import Path
from reconciler.sandbox.server import END_OF_DATA, serve
serve(port=0, log=Path(sys.argv[1]), requests_per_minute=200, as_of=END_OF_DATA, announce=partial(print, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_announces_its_url_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", SERVE, str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.get(f"{url}/v2/stocks/bars", params=DAY, headers=KEYS)
        process.send_signal(number)
        code = process.wait(timeout=20)

    assert (answer.status_code, code) == (200, 0)
    assert len(log.read_text().splitlines()) == 1
