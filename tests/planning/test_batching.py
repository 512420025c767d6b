from __future__ import annotations

import string
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plans import Rows, make_desired

from reconciler.jobs import Definition, JobKey
from reconciler.planning.batching import Assignment, assign
from reconciler.planning.state import batch_label, batch_label_number
from reconciler.timeframes import Timeframe

SYMBOLS = ["".join(pair) for pair in islice(product(string.ascii_uppercase, repeat=2), 60)]
universes = st.sets(st.sampled_from(SYMBOLS))
caps = st.integers(1, 8)


class Counted(str):
    """A ticker whose comparisons are calls that a profiler sees."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def tickers(count: int) -> list[Counted]:
    """``count`` tickers after AAAA, in order."""
    return [Counted("".join(word)) for word in islice(product(string.ascii_uppercase, repeat=4), 1, count + 1)]


def count_calls(work: Callable[[], object]) -> int:
    """Python and C calls that ``work`` makes; unlike its time, the same on any machine."""
    calls = Counter[str]()
    previous = sys.getprofile()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    try:
        work()
    finally:
        sys.setprofile(previous)
    return calls["call"] + calls["c_call"]


class History:
    """The edits of one file, applied one after the other, with the memory that apply keeps."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.batches: Assignment = {}
        self.memory: dict[str, int] = {}

    @property
    def current(self) -> dict[str, int]:
        return {symbol: number for number, symbols in self.batches.items() for symbol in symbols}

    def edit(self, desired: set[str], reserved: frozenset[int] = frozenset()) -> Assignment:
        self.batches = assign(desired, self.current, self.memory, self.cap, reserved)
        self.memory |= self.current
        return self.batches


def changed(before: Assignment, after: Assignment) -> int:
    return sum(before.get(n) != after.get(n) for n in before.keys() | after.keys())


def sliced(symbols: set[str], cap: int) -> Assignment:
    ordered = sorted(symbols)
    return {i // cap + 1: tuple(ordered[i : i + cap]) for i in range(0, len(ordered), cap)}


@given(universes, caps)
def test_from_nothing_is_slicing_of_the_sorted_list(desired: set[str], cap: int) -> None:
    assert assign(desired, {}, {}, cap) == sliced(desired, cap)


@given(st.lists(universes, max_size=8), caps, st.frozensets(st.integers(1, 5)))
def test_every_symbol_is_in_exactly_one_batch_within_the_cap(
    edits: list[set[str]], cap: int, reserved: frozenset[int]
) -> None:
    history = History(cap)
    for desired in edits:
        batches = history.edit(desired, reserved)
        assert sorted(s for symbols in batches.values() for s in symbols) == sorted(desired)
        assert all(0 < len(symbols) <= cap for symbols in batches.values())
        assert all(symbols == tuple(sorted(symbols)) for symbols in batches.values())
        assert list(batches) == sorted(batches)
        assert not reserved & batches.keys()


@given(st.lists(universes, min_size=1, max_size=8), caps)
def test_assigning_again_changes_nothing(edits: list[set[str]], cap: int) -> None:
    history = History(cap)
    for desired in edits:
        history.edit(desired)
    before = history.batches
    assert history.edit(edits[-1]) == before


@settings(max_examples=300)
@given(st.lists(universes, min_size=1, max_size=10), caps)
def test_an_edit_changes_at_most_as_many_batches_as_it_moves_symbols(edits: list[set[str]], cap: int) -> None:
    history = History(cap)
    previous: set[str] = set()
    for desired in edits:
        before = history.batches
        after = history.edit(desired)
        assert changed(before, after) <= len(desired ^ previous)
        previous = desired


@given(st.lists(universes, min_size=2, max_size=6), caps)
def test_symbol_that_stays_keeps_its_batch(edits: list[set[str]], cap: int) -> None:
    history = History(cap)
    for desired in edits:
        before = history.current
        history.edit(desired)
        assert all(history.current[s] == before[s] for s in desired & before.keys())


@given(st.lists(universes, min_size=1, max_size=5), universes, caps)
def test_adding_and_removing_the_same_is_exact(edits: list[set[str]], more: set[str], cap: int) -> None:
    history = History(cap)
    for desired in edits:
        history.edit(desired)
    before = history.batches
    history.edit(edits[-1] | more)
    assert history.edit(edits[-1]) == before


@given(universes, universes, caps)
def test_removing_and_adding_back_is_exact_when_nothing_happened_between(
    desired: set[str], less: set[str], cap: int
) -> None:
    history = History(cap)
    before = history.edit(desired)
    history.edit(desired - less)
    assert history.edit(desired) == before


@given(universes, universes, caps)
def test_order_of_the_arguments_does_not_matter(desired: set[str], earlier: set[str], cap: int) -> None:
    history = History(cap)
    history.edit(earlier)
    backwards = dict(reversed(history.current.items()))
    forwards = assign(sorted(desired), history.current, history.memory, cap)
    assert assign(sorted(desired, reverse=True), backwards, history.memory, cap) == forwards


@pytest.mark.parametrize("count", [524, 5000])
def test_one_ticker_at_the_front_changes_one_batch(count: int) -> None:
    symbols = ["".join(word) for word in islice(product(string.ascii_uppercase, repeat=4), 1, count + 1)]
    history = History(50)
    before = history.edit(set(symbols))
    assert changed(before, history.edit({"AAAA", *symbols})) == 1
    assert changed(before, sliced({"AAAA", *symbols}, 50)) > count // 50 - 1


@given(st.lists(st.tuples(universes, st.frozensets(st.integers(1, 6))), max_size=6), caps)
def test_no_batch_keeps_a_number_that_others_took(edits: list[tuple[set[str], frozenset[int]]], cap: int) -> None:
    rows = Rows()
    for desired, taken in edits:
        rows.foreign = {JobKey(batch_label(number), "h1", "run_forecast", 2): "bob" for number in taken}
        wanted = make_desired(desired, 2, batch_size=cap, timeframes=[Timeframe.H1])
        assert not rows.apply(wanted).conflicts
        assert rows.plan(wanted).is_empty
        enabled = [row for row in rows.rows.values() if row.enabled]
        assert not taken & {row.batch_number for row in enabled}
        assert sorted(symbol for row in enabled for symbol in row.members) == sorted(desired)


def test_newcomers_fill_a_batch_that_changes_anyway_before_a_clean_one() -> None:
    current = {"A": 1, "B": 1, "C": 2, "D": 2, "E": 3}
    assert assign(["A", "C", "D", "E", "X"], current, current, 2) == {1: ("A", "X"), 2: ("C", "D"), 3: ("E",)}


def test_returner_whose_place_is_taken_is_a_newcomer() -> None:
    current, memory = {"A": 1, "X": 1, "C": 2}, {"A": 1, "B": 1, "C": 2, "X": 1}
    assert assign(["A", "B", "C", "X"], current, memory, 2) == {1: ("A", "X"), 2: ("B", "C")}


def test_smaller_cap_spills_the_alphabetically_last() -> None:
    current = {"A": 1, "B": 1, "C": 1}
    assert assign("ABC", current, current, 2) == {1: ("A", "B"), 2: ("C",)}


def test_batch_number_that_somebody_else_took_is_left_to_them() -> None:
    current = {"A": 1, "B": 2}
    assert assign("AB", current, current, 1, frozenset({1})) == {2: ("B",), 3: ("A",)}


@pytest.mark.parametrize("count", [524, 5000])
def test_one_ticker_at_the_front_changes_one_row_a_timeframe(count: int) -> None:
    rows, symbols = Rows(), tickers(count)
    rows.apply(make_desired(symbols, 2))
    changes = rows.plan(make_desired(["AAAA", *symbols], 2)).changes
    assert [(change.key.timeframe, change.action) for change in changes] == [
        (timeframe, "create" if count == 5000 else "update") for timeframe in ("m15", "h1", "h4", "d1")
    ]
    assert len({change.key.symbol for change in changes}) == 1
    assert all(change.joined == ("AAAA",) for change in changes)


@pytest.mark.parametrize("batch_size", [2, 50])
@pytest.mark.parametrize("phases", [(1,), (1, 2), (2, 1), (2, 2)], ids=str)
def test_calls_of_a_plan_grow_with_its_definitions(phases: tuple[int, ...], batch_size: int) -> None:
    def plan(count: int) -> int:
        rows, symbols = Rows(), tickers(count)
        kept = [symbol for place, symbol in enumerate(symbols) if place % 10]
        for phase in phases[:-1]:
            rows.apply(make_desired(symbols, phase, batch_size=batch_size))
        desired = make_desired([Counted("AAAA"), *kept], phases[-1], batch_size=batch_size)
        return count_calls(lambda: rows.plan(desired))

    assert plan(5000) < 2.5 * plan(2500)


@pytest.mark.parametrize(
    ("current", "desired", "home"),
    [
        ({"A": 1, "B": 1, "L": 1, "C": 2}, "ABCX", 1),
        ({"A": 1, "B": 1, "C": 2}, "ABCX", 2),
        ({"A": 1, "B": 1, "K": 1, "C": 2, "L": 2, "M": 2}, "ABCX", 2),
        ({"A": 1, "B": 2}, "ABX", 1),
    ],
    ids=["one that changes anyway before an emptier one", "emptiest", "emptiest of those that change", "lowest number"],
)
def test_newcomer_joins_the(current: dict[str, int], desired: str, home: int) -> None:
    assert "X" in assign(desired, current, current, 3)[home]


def test_row_that_others_edited_moves_nobody() -> None:
    rows, desired = Rows(), make_desired("AB", 2, batch_size=1, timeframes=[Timeframe.H1, Timeframe.D1])
    rows.apply(desired)
    key = JobKey("BATCH_1", "h1", "fetch_intraday", 2)
    rows.rows[key] = replace(rows.rows[key], symbols=("B",))
    (change,) = rows.plan(desired).changes
    assert (change.key, change.after.symbols) == (key, ("A",))


def test_batches_are_known_from_sleeping_rows_where_the_memory_is_lost() -> None:
    rows = Rows()
    for symbols, phase in (("BC", 2), ("ABCD", 2), ("ABCD", 1)):
        rows.apply(make_desired(symbols, phase, batch_size=2))
    rows.memory.clear()
    plan = rows.plan(make_desired("ABCD", 2, batch_size=2))
    assert {c.after.symbols for c in plan.changes if c.action == "enable"} == {("B", "C"), ("A", "D")}


def test_lowest_number_wins_where_rows_disagree_and_nothing_is_remembered() -> None:
    rows, desired = Rows(), make_desired("AB", 2, batch_size=2, timeframes=[Timeframe.H1])
    for number in (2, 3):
        key = JobKey(batch_label(number), "h1", "fetch_intraday", 2)
        rows.rows[key] = Definition(key, True, 90, 200, "alpaca", number, ("A", "B"))
    assert [(c.key.symbol, c.action) for c in rows.plan(desired).changes] == [("BATCH_3", "disable")]


def test_memory_is_written_for_who_moved_and_batches_are_in_the_order_of_their_numbers() -> None:
    rows, symbols = Rows(), "ABCDEFGHIJKL"
    plan = rows.apply(make_desired(symbols, 2, batch_size=1, timeframes=[Timeframe.H1]))
    assert [change.after.batch_number for change in plan.changes] == list(range(1, 13))
    plan = rows.plan(make_desired([*symbols, "X"], 2, batch_size=1, timeframes=[Timeframe.H1]))
    assert plan.memory_after == {"X": 13}


@pytest.mark.parametrize(
    ("label", "number"),
    [
        ("BATCH_1", 1),
        ("BATCH_120", 120),
        ("US_BATCH_1", None),
        ("BATCH_01", None),
        ("BATCH_", None),
        ("BATCH_1\n", None),
    ],
)
def test_only_our_own_form_is_a_batch_label(label: str, number: int | None) -> None:
    assert batch_label_number(label) == number
    if number is not None:
        assert batch_label(number) == label
