from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plans import Rows, make_desired

from reconciler.jobs import Definition, JobKey
from reconciler.planning.plan import Reason, Source, build_plan
from reconciler.planning.state import Desired
from reconciler.timeframes import Timeframe

SYMBOLS = ["AAPL", "AMD", "BA", "BRK.B", "GE", "IBM", "KO", "MSFT", "NVDA", "ON", "PG", "XOM"]
phases = st.sampled_from([1, 2])
files = st.builds(
    make_desired,
    st.sets(st.sampled_from(SYMBOLS), min_size=1),
    phases,
    timeframes=st.sets(st.sampled_from(Timeframe), min_size=1),
    phases=st.dictionaries(st.sampled_from(Timeframe), phases, max_size=2),
    days=st.dictionaries(st.sampled_from(Timeframe), st.integers(1, 900), max_size=2),
    batch_size=st.integers(1, 6),
    dataset=st.sampled_from(["alpaca", "iex"]),
    rate=st.sampled_from([200, 1000]),
)
universes = st.sets(st.sampled_from(SYMBOLS), min_size=1)
layouts = st.fixed_dictionaries(
    {"phases": st.dictionaries(st.sampled_from(Timeframe), phases), "batch_size": st.integers(1, 6)}
)
tampering: list[dict[str, Any]] = [
    {"enabled": False},
    {"enabled": True},
    {"window_days": 1, "priority": 1, "dataset": "theirs"},
    {"batch_number": 9},
    {"symbols": ("AAPL", "ZZZ")},
]


def wanted_rows(rows: Rows) -> dict[JobKey, Definition]:
    return {key: row for key, row in rows.rows.items() if row.enabled}


def turned(items: Mapping[Any, Any]) -> dict[Any, Any]:
    return dict(reversed(list(items.items())))


def test_first_apply_creates_a_row_a_symbol_and_timeframe() -> None:
    plan = Rows().plan(make_desired(SYMBOLS))
    assert plan.summary()["create"] == 12 * 4
    assert {c.key.job_type for c in plan.changes if c.key.timeframe == "d1"} == {"fetch_historical"}
    assert {c.key.job_type for c in plan.changes if c.key.timeframe != "d1"} == {"fetch_intraday"}
    assert all(c.after.symbols is None and c.after.batch_number is None for c in plan.changes)


def test_phase_2_has_a_row_a_batch_with_its_members() -> None:
    plan = Rows().plan(make_desired(SYMBOLS, 2, batch_size=5, timeframes=[Timeframe.H1]))
    assert [(c.key.symbol, c.key.batch_version, len(c.after.symbols or ())) for c in plan.changes] == [
        ("BATCH_1", 2, 5),
        ("BATCH_2", 2, 5),
        ("BATCH_3", 2, 2),
    ]


@settings(max_examples=200)
@given(st.lists(files, min_size=1, max_size=6))
def test_every_wanted_pair_is_named_by_one_enabled_row_of_its_phase(edits: list[Desired]) -> None:
    rows = Rows()
    for desired in edits:
        rows.apply(desired)
        assert rows.plan(desired).is_empty
        named = Counter((s, key.timeframe) for key, row in rows.rows.items() if row.enabled for s in row.members)
        assert named == Counter((s, tf.value) for s in desired.symbols for tf in desired.timeframes)
        for key in rows.enabled():
            row, wish = rows.rows[key], desired.timeframes[Timeframe(key.timeframe)]
            assert (key.batch_version, row.window_days, row.priority, row.dataset) == (
                wish.phase,
                wish.history_days,
                wish.priority,
                desired.dataset,
            )
            assert len(row.members) <= desired.batch_size


@given(files, files)
def test_going_back_to_an_earlier_file_restores_its_enabled_rows(first: Desired, second: Desired) -> None:
    rows = Rows()
    rows.apply(first)
    pairs = {(s, k.timeframe, k.batch_version) for k in rows.enabled() for s in rows.rows[k].members}
    rows.apply(second)
    rows.apply(first)
    assert {(s, k.timeframe, k.batch_version) for k in rows.enabled() for s in rows.rows[k].members} == pairs


@given(st.sets(st.sampled_from(SYMBOLS), min_size=1), st.integers(1, 6))
def test_cutover_and_back_is_exact_and_brings_the_same_batches_again(symbols: set[str], cap: int) -> None:
    one, two = make_desired(symbols, 1, batch_size=cap), make_desired(symbols, 2, batch_size=cap)
    rows = Rows()
    rows.apply(one)
    first = dict(rows.rows)
    rows.apply(two)
    second = {k: r for k, r in rows.rows.items() if r.enabled}
    rows.apply(one)
    assert {k: r for k, r in rows.rows.items() if k.batch_version == 1} == first
    assert not any(r.enabled for k, r in rows.rows.items() if k.batch_version == 2)
    rows.apply(two)
    assert {k: r for k, r in rows.rows.items() if r.enabled} == second


@given(files, files)
def test_plan_does_not_depend_on_the_order_of_rows(first: Desired, second: Desired) -> None:
    rows = Rows()
    rows.apply(first)
    forwards = rows.plan(second)
    rows.rows = dict(reversed(rows.rows.items()))
    rows.memory = dict(reversed(rows.memory.items()))
    assert rows.plan(second) == forwards


def test_emptied_batch_becomes_an_empty_disabled_list_and_its_number_is_used_again() -> None:
    rows = Rows()
    h1 = [Timeframe.H1]
    rows.apply(make_desired(["A", "B", "C"], 2, batch_size=1, timeframes=h1))
    plan = rows.apply(make_desired(["A", "C"], 2, batch_size=1, timeframes=h1))
    (change,) = plan.changes
    assert (change.reason, change.after.enabled, change.after.symbols) == (Reason.BATCH_EMPTIED, False, ())
    plan = rows.apply(make_desired(["A", "C", "X"], 2, batch_size=1, timeframes=h1))
    assert [(c.action, c.key.symbol, c.after.symbols) for c in plan.changes] == [("enable", "BATCH_2", ("X",))]


@pytest.mark.parametrize(
    ("before", "after", "reason", "source"),
    [
        (make_desired("A"), make_desired("AB"), Reason.NEW_SYMBOL, Source("us.yaml", 3)),
        (make_desired("AB"), make_desired("A"), Reason.SYMBOL_REMOVED, Source("us.yaml", 3)),
        (make_desired("A", 2), make_desired("AB", 2), Reason.MEMBERS_CHANGED, Source("us.yaml", 3)),
        (make_desired("A", 2, batch_size=1), make_desired("AB", 2, batch_size=1), Reason.NEW_BATCH, None),
        (
            make_desired("A", days={Timeframe.H1: 5}),
            make_desired("A", days={Timeframe.H1: 6}),
            Reason.SPEC_CHANGED,
            Source("us.yaml", 4),
        ),
        (
            make_desired("A", timeframes=[Timeframe.H1]),
            make_desired("A", timeframes=[Timeframe.H1, Timeframe.D1]),
            Reason.NEW_TIMEFRAME,
            Source("us.yaml", 4),
        ),
        (
            make_desired("A", timeframes=[Timeframe.H1, Timeframe.D1]),
            make_desired("A", timeframes=[Timeframe.H1]),
            Reason.TIMEFRAME_REMOVED,
            Source("us.yaml", 4),
        ),
    ],
)
def test_change_says_why_and_where(before: Desired, after: Desired, reason: Reason, source: Source | None) -> None:
    rows = Rows()
    rows.apply(before)
    changes = rows.plan(after).changes
    assert {c.reason for c in changes} == {reason}
    if source is not None and reason is not Reason.SPEC_CHANGED:
        assert {c.source for c in changes} == {source}


def test_cutover_gives_its_reasons_at_the_line_of_the_phase() -> None:
    rows = Rows()
    rows.apply(make_desired("AB"))
    changes = rows.plan(make_desired("AB", 2)).changes
    assert {(c.action, c.reason, c.source) for c in changes} == {
        ("create", Reason.PHASE_ACTIVATED, Source("us.yaml", 6)),
        ("disable", Reason.PHASE_INACTIVE, Source("us.yaml", 6)),
    }


def test_row_that_somebody_switched_off_is_wanted_again() -> None:
    rows = Rows()
    rows.apply(make_desired("AB", timeframes=[Timeframe.H1]))
    key = next(iter(rows.rows))
    rows.switch(key, enabled=False)
    (change,) = rows.plan(make_desired("AB", timeframes=[Timeframe.H1])).changes
    assert (change.key, change.action, change.reason) == (key, "enable", Reason.WANTED_AGAIN)


def test_row_that_somebody_switched_on_is_disabled_again() -> None:
    rows = Rows()
    rows.apply(make_desired("AB"))
    rows.apply(make_desired("AB", 2))
    key = next(key for key in rows.rows if key.batch_version == 1)
    rows.switch(key, enabled=True)
    (change,) = rows.plan(make_desired("AB", 2)).changes
    assert (change.key, change.action) == (key, "disable")


def test_disabled_rows_nobody_wants_are_left_as_they_are() -> None:
    rows = Rows()
    rows.apply(make_desired("AB"))
    rows.apply(make_desired("AB", 2))
    before = {k: r for k, r in rows.rows.items() if k.batch_version == 1}
    rows.apply(make_desired("ABC", 2, days={Timeframe.H1: 5}, dataset="other"))
    assert {k: r for k, r in rows.rows.items() if k.batch_version == 1} == before


def test_wanted_key_of_somebody_else_is_a_conflict_and_nothing_else() -> None:
    rows = Rows(foreign={JobKey("A", "h1", "fetch_intraday", 1): None, JobKey("A", "h1", "run_forecast", 1): "bob"})
    plan = rows.plan(make_desired("AB", timeframes=[Timeframe.H1]))
    assert [(c.key.symbol, c.managed_by) for c in plan.conflicts] == [("A", None)]
    assert [c.key.symbol for c in plan.changes] == ["B"]


def test_batch_numbers_of_others_are_passed_over() -> None:
    rows = Rows(foreign={JobKey("BATCH_1", "d1", "fetch_historical", 2): "bob"})
    plan = rows.plan(make_desired("ABC", 2, batch_size=2, timeframes=[Timeframe.H1]))
    assert [c.key.symbol for c in plan.changes] == ["BATCH_2", "BATCH_3"]
    assert not plan.conflicts


def test_settings_are_shown_once_there_is_something_to_compare_with() -> None:
    rows = Rows()
    assert rows.apply(make_desired("A", rate=200)).settings_changes == ()
    plan = rows.plan(make_desired("A", rate=1000))
    assert (plan.changes, plan.settings_changes) == ((), (("requests_per_minute", 200, 1000),))
    assert not plan.is_empty


def test_plan_id_changes_with_what_matters_and_with_nothing_else() -> None:
    rows = Rows()
    rows.apply(make_desired("AB", 2))
    ids = {rows.plan(make_desired("ABC", 2)).plan_id}
    rows.foreign = {JobKey("ZZZ", "h1", "fetch_intraday", 1): "bob"}
    assert rows.plan(make_desired("ABC", 2)).plan_id in ids
    key = next(iter(rows.rows))
    rows.switch(key, enabled=False)
    ids.add(rows.plan(make_desired("ABC", 2)).plan_id)
    rows.switch(key, enabled=True)
    rows.memory["Z"] = 7
    ids.add(rows.plan(make_desired("ABC", 2)).plan_id)
    ids.add(rows.plan(make_desired("AB", 2)).plan_id)
    assert len(ids) == 4
    assert all(plan_id.startswith("sha256:") and len(plan_id) == 71 for plan_id in ids)


@given(st.lists(files, max_size=4), st.lists(universes, min_size=2, max_size=5), layouts)
def test_edit_of_symbols_changes_a_batch_row_a_symbol_at_most(
    earlier: list[Desired], edits: list[set[str]], layout: dict[str, Any]
) -> None:
    rows = Rows()
    for desired in [*earlier, make_desired(edits[0], **layout)]:
        rows.apply(desired)
    for before, after in pairwise(edits):
        plan = rows.apply(make_desired(after, **layout))
        changed = Counter(change.key.timeframe for change in plan.changes)
        assert all(count <= len(before ^ after) for count in changed.values())


@given(st.lists(files, max_size=4), universes, universes, layouts)
def test_symbols_added_and_removed_or_removed_and_added_leave_the_same_rows(
    earlier: list[Desired], symbols: set[str], others: set[str], layout: dict[str, Any]
) -> None:
    rows = Rows()
    for desired in [*earlier, make_desired(symbols, **layout)]:
        rows.apply(desired)
    first = wanted_rows(rows)
    for detour in (symbols | others, (symbols - others) or symbols):
        rows.apply(make_desired(detour, **layout))
        rows.apply(make_desired(symbols, **layout))
        assert wanted_rows(rows) == first


@given(st.lists(files, min_size=1, max_size=4), st.lists(st.tuples(st.integers(0), st.sampled_from(tampering))))
def test_one_apply_repairs_whatever_others_did_to_the_rows(
    edits: list[Desired], done: list[tuple[int, dict[str, Any]]]
) -> None:
    rows = Rows()
    for desired in edits:
        rows.apply(desired)
    first = wanted_rows(rows)
    for place, columns in done:
        key = list(rows.rows)[place % len(rows.rows)]
        if key.batch_version == 2 or not columns.keys() & {"symbols", "batch_number"}:
            rows.rows[key] = replace(rows.rows[key], **columns)
    rows.apply(edits[-1])
    assert wanted_rows(rows) == first
    assert rows.plan(edits[-1]).is_empty


@given(files, st.sets(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(Timeframe))))
def test_conflicts_are_the_wanted_keys_of_others_and_are_counted_nowhere_else(
    desired: Desired, held: set[tuple[str, Timeframe]]
) -> None:
    wanted = {change.key for change in Rows().plan(desired).changes}
    keys = {JobKey(s, tf.value, "fetch_historical" if tf is Timeframe.D1 else "fetch_intraday", 1) for s, tf in held}
    plan = Rows(foreign=dict.fromkeys(keys, "bob")).plan(desired)
    assert {conflict.key for conflict in plan.conflicts} == wanted & keys
    assert {change.key for change in plan.changes} == wanted - keys
    assert plan.unchanged == 0


@given(files, files, st.frozensets(st.integers(1, 4)))
def test_plan_does_not_depend_on_the_order_of_any_input(first: Desired, second: Desired, taken: frozenset[int]) -> None:
    rows = Rows(foreign={JobKey("ON", tf, "fetch_intraday", 1): None for tf in ("h4", "m15", "h1")})
    rows.apply(first)
    actual = replace(rows.actual, reserved_batches=taken)
    foreign, memory = turned(actual.foreign_keys), turned(actual.memory)
    backwards = replace(actual, owned=actual.owned[::-1], foreign_keys=foreign, memory=memory)
    file = replace(second, timeframes=turned(second.timeframes), canonical=turned(second.canonical))
    assert build_plan(file, backwards) == build_plan(second, actual)


def test_timeframe_that_returns_is_explained_by_the_timeframes_and_not_by_the_phase() -> None:
    rows = Rows()
    both, one = [Timeframe.H1, Timeframe.D1], [Timeframe.H1]
    for timeframes in (both, one):
        rows.apply(make_desired("A", timeframes=timeframes))
    (change,) = rows.plan(make_desired("A", timeframes=both)).changes
    assert (change.action, change.reason, change.source) == ("enable", Reason.NEW_TIMEFRAME, Source("us.yaml", 4))


def test_rows_all_switched_off_are_wanted_again() -> None:
    rows = Rows()
    rows.apply(make_desired("AB"))
    for key in rows.rows:
        rows.switch(key, enabled=False)
    assert {c.reason for c in rows.plan(make_desired("AB")).changes} == {Reason.WANTED_AGAIN}


def test_change_points_at_the_line_of_what_differs() -> None:
    rows = Rows()
    rows.apply(make_desired("AC", 2, timeframes=[Timeframe.H1]))
    paths = [("universe", "A"), ("universe", "B"), ("timeframes", "h1", "history"), ("timeframes", "h1")]
    lines = {path: ("us.yaml", number, 1) for number, path in enumerate(paths, 1)}
    for symbols, days, line in (("ABC", 90, 2), ("AC", 80, 3)):
        desired = make_desired(symbols, 2, timeframes=[Timeframe.H1], days={Timeframe.H1: days})
        (change,) = rows.plan(replace(desired, lines=lines)).changes
        assert change.source == Source("us.yaml", line)
