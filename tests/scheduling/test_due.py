from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.jobs import Gap, Lane, WantedGroup
from reconciler.market.calendar import load_calendar
from reconciler.scheduling.due import build_schedule, build_wants, share
from reconciler.timeframes import Timeframe
from reconciler.windows import Window

CALENDAR = load_calendar()
NOW = datetime(2010, 8, 19, 20, 0, tzinfo=UTC)


def uid(number: int) -> UUID:
    return UUID(int=number)


def gap(number: int, timeframe: Timeframe, window: Window, *, symbols: int = 1) -> Gap:
    return Gap(uid(number), timeframe, "alpaca", 100, window, window.end, tuple(uid(1000 + i) for i in range(symbols)))


def group(timeframe: Timeframe, days: int, owner: str = "us") -> WantedGroup:
    return WantedGroup(owner, timeframe, "alpaca", days, 100, 1)


ALL_FREE = dict.fromkeys(Lane, 400)


def test_wants_follow_the_owner_own_settle_time() -> None:
    settle = {"us": timedelta(minutes=16), "eu": timedelta(0)}
    wants = build_wants(CALENDAR, [group(Timeframe.M15, 1), group(Timeframe.M15, 1, "eu")], NOW, settle)
    assert [w.window.end for w in wants] == [NOW - timedelta(minutes=30), NOW]


def test_group_of_an_owner_without_settings_wants_nothing() -> None:
    assert build_wants(CALENDAR, [group(Timeframe.M15, 1, "gone")], NOW, {}) == []


def test_gap_of_closed_time_needs_no_run() -> None:
    weekend = Window(datetime(2010, 8, 21, 6, tzinfo=UTC), datetime(2010, 8, 22, 6, tzinfo=UTC))
    schedule = build_schedule(CALENDAR, [gap(1, Timeframe.H1, weekend)], ALL_FREE)
    assert schedule.runs == ()
    assert [g.definition_id for g in schedule.closed] == [uid(1)]


def test_new_bucket_is_live_and_history_is_not() -> None:
    new = Window(NOW - timedelta(hours=1), NOW)
    history = Window(NOW - timedelta(days=30), NOW)
    runs = build_schedule(
        CALENDAR, [gap(1, Timeframe.M15, new, symbols=50), gap(2, Timeframe.M15, history, symbols=50)], ALL_FREE
    ).runs
    assert [(r.definition_id, r.lane) for r in runs] == [(uid(1), Lane.LIVE), (uid(2), Lane.BACKFILL)]


def test_history_of_one_symbol_that_fits_a_page_is_caught_up_in_one_run() -> None:
    history = Window(NOW - timedelta(days=30), NOW)
    (run,) = build_schedule(CALENDAR, [gap(1, Timeframe.M15, history)], ALL_FREE).runs
    assert (run.lane, run.window) == (Lane.CATCH_UP, history)


def test_full_lane_takes_no_more_and_the_others_go_on() -> None:
    new = Window(NOW - timedelta(hours=1), NOW)
    history = Window(NOW - timedelta(days=30), NOW)
    gaps = [gap(1, Timeframe.M15, new), gap(2, Timeframe.M15, history)]
    runs = build_schedule(CALENDAR, gaps, {Lane.LIVE: 0, Lane.CATCH_UP: 5, Lane.BACKFILL: 5}).runs
    assert [r.definition_id for r in runs] == [uid(2)]


def test_places_in_the_queue_follow_lane_then_urgency() -> None:
    new = Window(NOW - timedelta(hours=1), NOW)
    runs = build_schedule(CALENDAR, [gap(i, Timeframe.H1, new) for i in range(5)], ALL_FREE).runs
    assert [(r.place, r.definition_id) for r in runs] == [(i, uid(i)) for i in range(5)]


@pytest.mark.parametrize(
    ("places", "demand", "expected"),
    [
        (400, {"m15": 5000, "d1": 5000}, {"m15": 360, "d1": 40}),
        (400, {"m15": 5000, "d1": 10}, {"m15": 390, "d1": 10}),
        (400, {"m15": 10, "d1": 10}, {"m15": 10, "d1": 10}),
        (1, {"m15": 5, "d1": 5}, {"m15": 1, "d1": 0}),
        (0, {"m15": 5}, {"m15": 0}),
    ],
)
def test_share_gives_a_tenth_at_least_and_the_rest_by_urgency(
    places: int, demand: dict[str, int], expected: dict[str, int]
) -> None:
    assert share(places, {Timeframe(k): v for k, v in demand.items()}) == {Timeframe(k): v for k, v in expected.items()}


@given(st.integers(0, 1000), st.dictionaries(st.sampled_from(Timeframe), st.integers(0, 5000)))
def test_share_never_gives_more_than_there_is_or_is_asked(places: int, demand: dict[Timeframe, int]) -> None:
    shares = share(places, demand)
    assert sum(shares.values()) == min(places, sum(demand.values()))
    assert all(0 <= shares[tf] <= wish for tf, wish in demand.items())


@given(
    st.lists(st.tuples(st.sampled_from(Timeframe), st.integers(1, 500), st.integers(1, 60)), max_size=8),
    st.integers(0, 6),
)
def test_schedule_never_exceeds_a_lane_and_covers_each_gap_at_most_once(
    wishes: list[tuple[Timeframe, int, int]], places: int
) -> None:
    gaps = [
        gap(i, tf, Window(NOW - timedelta(days=days), NOW), symbols=symbols)
        for i, (tf, symbols, days) in enumerate(wishes)
    ]
    runs = build_schedule(CALENDAR, gaps, dict.fromkeys(Lane, places)).runs
    for lane in Lane:
        assert sum(r.lane is lane for r in runs) <= places
    for g in gaps:
        pieces = sorted(r.window for r in runs if r.definition_id == g.definition_id)
        assert all(a.end <= b.start for a, b in pairwise(pieces))
        assert all(g.window.start <= p.start and p.end <= g.window.end for p in pieces)
