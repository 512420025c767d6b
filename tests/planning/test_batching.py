from __future__ import annotations

import string
from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.planning.batching import Assignment, assign

SYMBOLS = ["".join(pair) for pair in islice(product(string.ascii_uppercase, repeat=2), 60)]
universes = st.sets(st.sampled_from(SYMBOLS))
caps = st.integers(1, 8)


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
