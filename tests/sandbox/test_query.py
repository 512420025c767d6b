"""What is refused and with which words, and what the defaults are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from support.asker import KEYS, Asker, make_asker

from reconciler.sandbox.api import Request
from reconciler.sandbox.query import parse_query

MULTI, SINGLE = "/v2/stocks/bars", "/v2/stocks/A/bars"
NOON = datetime(2010, 8, 19, 16, tzinfo=UTC)
LAWFUL = {"symbols": "A", "timeframe": "1Day", "start": "2010-08-02", "end": "2010-08-06"}
BAD_START = (
    "Invalid format for parameter start: error parsing '{0}' as RFC3339 or 2006-01-02 time: "
    'parsing time "{0}" as "2006-01-02": cannot parse "{0}" as "2006"'
)
REFUSALS = {
    "no symbols": ({"symbols": ""}, "Invalid format for parameter symbols: query parameter 'symbols' is required"),
    "dash": ({"symbols": "A,BRK-B,MOG-A"}, "invalid symbol: BRK-B"),
    "digits": ({"symbols": "CSP1"}, "invalid symbol: CSP1"),
    "exchange": ({"symbols": "TAOP:NASDAQ"}, "invalid symbol: TAOP:NASDAQ"),
    "label": ({"symbols": "BATCH_1"}, "invalid symbol: BATCH_1"),
    "lower case": ({"symbols": "a"}, "invalid symbol: a"),
    "newline": ({"symbols": "A\n"}, "invalid symbol: A\n"),
    "hole in the list": ({"symbols": "A,,B"}, "invalid symbol: "),
    "timeframe": ({"timeframe": "3Fortnight"}, "invalid timeframe: 3Fortnight"),
    "own timeframe name": ({"timeframe": "m15"}, "invalid timeframe: m15"),
    "start": ({"start": "not-a-date"}, BAD_START.format("not-a-date")),
    "no such day": ({"start": "2010-02-30"}, BAD_START.format("2010-02-30")),
    "no zone": ({"start": "2010-08-02T00:00:00"}, BAD_START.format("2010-08-02T00:00:00")),
    "order": ({"start": "2010-08-07"}, "end should not be before start"),
    "limit 0": ({"limit": "0"}, "invalid limit: 0, must be between 1 and 10000"),
    "limit over": ({"limit": "10001"}, "invalid limit: 10001, must be between 1 and 10000"),
    "limit text": ({"limit": "ten"}, "Invalid format for parameter limit: error parsing 'ten' as integer"),
    "feed": ({"feed": "delayed_sip"}, "invalid feed: delayed_sip"),
    "adjustment": ({"adjustment": "raw,nothing"}, "invalid adjustment: raw,nothing"),
    "sort": ({"sort": "up"}, "invalid sort: up"),
    "asof": ({"asof": "2010-13-01"}, "invalid asof: 2010-13-01"),
    "currency": ({"currency": "dollar"}, "invalid currency: dollar"),
    "token text": ({"page_token": "undefined"}, "invalid page_token"),
    "token empty": ({"page_token": ""}, "invalid page_token"),
    "unknown names": ({"from": "x", "to": "y"}, "unexpected parameter(s): from, to"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSALS.values(), ids=REFUSALS)
def test_unlawful_requests_are_refused(asker: Asker, changes: dict[str, str], message: str) -> None:
    assert asker.refusal(**LAWFUL | changes) == (400, message)


def test_timeframe_is_required(asker: Asker) -> None:
    message = "Invalid format for parameter timeframe: query parameter 'timeframe' is required"

    assert asker.refusal(symbols="A") == (400, message)


def test_the_single_endpoint_takes_no_symbols(asker: Asker) -> None:
    assert asker.refusal(SINGLE, **LAWFUL) == (400, "unexpected parameter(s): symbols")
    assert asker.refusal("/v2/stocks/BRK-B/bars", timeframe="1Day") == (400, "invalid symbol: BRK-B")


@pytest.mark.parametrize(
    "changes",
    [
        {"adjustment": "split,dividend"},
        {"asof": "-"},
        {"asof": "2010-08-06"},
        {"currency": "USD"},
        {"feed": "iex"},
        {"sort": "asc"},
        {"symbols": "A,A"},
        {"start": "2010-08-02T00:00:00-04:00"},
        {"start": "2010-08-02T04:00:00.000000000Z"},
        {"start": "0001-01-01", "end": "2010-08-06T12:00:00+02:00", "sort": "asc"},
    ],
    ids=str,
)
def test_lawful_options_are_taken(asker: Asker, changes: dict[str, str]) -> None:
    assert asker.answer(**LAWFUL | changes).status == 200


@pytest.mark.parametrize(("name", "timeframe"), [("15T", "15Min"), ("1H", "1Hour"), ("4H", "4Hour"), ("1D", "1Day")])
def test_short_timeframe_names_mean_the_same(asker: Asker, name: str, timeframe: str) -> None:
    short, long = (asker.json(**LAWFUL | {"timeframe": text}) for text in (name, timeframe))

    assert short["bars"] == long["bars"] != {}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2010-08-02", "2010-08-06"),
        ("2010-08-02T04:00:00Z", "2010-08-06T04:00:00Z"),
        ("2010-08-02T00:00:00-04:00", "2010-08-06T23:59:59.999999999-04:00"),
    ],
)
def test_bounds_are_inclusive_and_dates_are_whole_new_york_days(asker: Asker, start: str, end: str) -> None:
    bars = asker.json(symbols="A", timeframe="1Day", start=start, end=end)["bars"]["A"]

    assert [bar["t"] for bar in bars] == [f"2010-08-0{day}T04:00:00Z" for day in range(2, 7)]


def test_a_date_as_end_holds_the_whole_evening(asker: Asker) -> None:
    bars = asker.json(symbols="A", timeframe="15Min", start="2010-01-05", end="2010-01-05")["bars"]["A"]

    assert (bars[0]["t"], bars[-1]["t"]) == ("2010-01-05T09:00:00Z", "2010-01-06T00:45:00Z")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2010-08-02T04:00:00.000001Z", "2010-08-03T03:59:59.999Z"),
        ("2010-08-02T04:00:00.0000001Z", "2010-08-03T03:59:59.9999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_span_between_two_bars_is_empty(asker: Asker, start: str, end: str) -> None:
    assert asker.json(symbols="A", timeframe="1Day", start=start, end=end) == {"bars": {}, "next_page_token": None}


def test_a_span_beyond_all_time_is_refused(asker: Asker) -> None:
    text = "9999-12-31T23:59:59-12:00"

    assert asker.refusal(symbols="A", timeframe="1Day", end=text)[0] == 400


@pytest.mark.parametrize(("delayed", "age"), [(True, timedelta(minutes=15)), (False, timedelta(0))])
def test_defaults(delayed: bool, age: timedelta) -> None:
    query = parse_query({"symbols": "B,A,B", "timeframe": "1Day"}, symbol=None, as_of=NOON, delayed=delayed)

    assert query.symbols == ("A", "B")
    assert query.start == datetime(2010, 8, 19, 4, tzinfo=UTC)
    assert query.end == NOON - age
    assert (query.limit, query.feed, query.descending) == (1000, "sip", False)


def test_default_start_just_after_midnight_is_as_old_as_the_delay() -> None:
    early = datetime(2010, 8, 19, 4, 5, tzinfo=UTC)

    query = parse_query({"symbols": "A", "timeframe": "1Day"}, symbol=None, as_of=early, delayed=True)

    assert query.start == query.end == early - timedelta(minutes=15)


@pytest.mark.parametrize("feed", [{"feed": "sip"}, {}])
@pytest.mark.parametrize("timeframe", ["15Min", "1Day"])
@pytest.mark.parametrize("end", ["2010-08-19T15:45:00.001Z", "2010-08-19T16:00:00Z", "2026-01-01T00:00:00Z"])
def test_the_free_plan_refuses_recent_sip_whole(feed: dict[str, str], timeframe: str, end: str) -> None:
    asker = make_asker(as_of=NOON, requests_per_minute=200)

    refusal = asker.refusal(symbols="A", timeframe=timeframe, start="2010-08-02", end=end, **feed)

    assert refusal == (403, "subscription does not permit querying recent SIP data")


@pytest.mark.parametrize(
    ("per_minute", "changes"),
    [
        (200, {"end": "2010-08-19T15:45:00Z"}),
        (200, {"feed": "iex"}),
        (201, {}),
        (None, {}),
    ],
)
def test_the_recency_rule_spares_older_ends_other_feeds_and_paid_plans(
    per_minute: int | None, changes: dict[str, str]
) -> None:
    asker = make_asker(as_of=NOON, requests_per_minute=per_minute)
    parameters = LAWFUL | {"end": "2010-08-19T16:00:00Z"} | changes

    assert asker.answer(**parameters).status == 200


@pytest.mark.parametrize(
    ("timeframe", "newest"),
    [("15Min", "2010-08-19T15:45:00Z"), ("1Hour", "2010-08-19T15:00:00Z"), ("4Hour", "2010-08-19T12:00:00Z")],
)
def test_open_buckets_are_not_served(timeframe: str, newest: str) -> None:
    asker = make_asker(as_of=NOON)

    bars = asker.json(symbols="A", timeframe=timeframe, start="2010-08-19", end="2010-08-20")["bars"]["A"]

    assert bars[-1]["t"] == newest


def test_the_daily_bar_is_served_once_its_session_is_over() -> None:
    def days(as_of: str) -> list[str]:
        asker = make_asker(as_of=datetime.fromisoformat(as_of))
        bars = asker.json(symbols="A", timeframe="1Day", start="2010-08-19", end="2010-08-20")["bars"]
        return [bar["t"] for bar in bars.get("A", [])]

    assert days("2010-08-19T19:59:00-04:00") == []
    assert days("2010-08-19T20:00:00-04:00") == ["2010-08-19T04:00:00Z"]


@pytest.mark.parametrize(
    "headers", [{}, {"apca-api-key-id": "key"}, {**KEYS, "apca-api-key-id": ""}, {**KEYS, "apca-api-secret-key": ""}]
)
def test_missing_keys_give_the_proxys_page(asker: Asker, headers: dict[str, str]) -> None:
    answer = asker.api.answer(Request(MULTI, "symbols=A&timeframe=1Day", headers, now=0.0))

    assert (answer.status, answer.content_type) == (401, "text/html")
    assert b"<title>401 Authorization Required</title>" in answer.body


@pytest.mark.parametrize("path", ["/", "/v2/stocks/bar", "/v2/stocks/A/B/bars", "/v2/stocks//bars", "/v2/stocks/bars/"])
def test_unknown_paths(asker: Asker, path: str) -> None:
    answer = asker.answer(path)

    assert (answer.status, answer.body) == (404, b"Not Found")


def test_urls_over_8_kb_are_refused_before_anything_else(asker: Asker) -> None:
    room = 8192 - len(MULTI) - 1
    lengths = {count: asker.api.answer(Request(MULTI, "x" * count, {}, now=0.0)).status for count in (room, room + 1)}

    assert lengths == {room: 401, room + 1: 414}


def test_the_first_of_a_repeated_parameter_holds(asker: Asker) -> None:
    request = Request(SINGLE, "timeframe=1Day&timeframe=nonsense&start=2010-08-06&end=2010-08-06", KEYS, now=0.0)

    assert len(msgspec.json.decode(asker.api.answer(request).body)["bars"]) == 1
