from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.plans import Rows, make_desired

from reconciler.jobs import Definition, JobKey
from reconciler.planning.plan import Plan, build_plan
from reconciler.planning.state import Actual


def edited(**columns: Any) -> Callable[[Actual], Actual]:
    """The first row with other columns."""

    def edit(actual: Actual) -> Actual:
        first, *others = actual.owned
        return replace(actual, owned=(replace(first, definition=replace(first.definition, **columns)), *others))

    return edit


MATTERS: dict[str, Callable[[Actual], Actual]] = {
    "database": lambda actual: replace(actual, identity="another"),
    "enabled": edited(enabled=False),
    "window": edited(window_days=1),
    "priority": edited(priority=1),
    "dataset": edited(dataset="theirs"),
    "batch number": edited(batch_number=9),
    "members": edited(symbols=("A",)),
    "a row gone": lambda actual: replace(actual, owned=actual.owned[1:]),
    "reserved number": lambda actual: replace(actual, reserved_batches=frozenset({9})),
    "memory": lambda actual: replace(actual, memory={**actual.memory, "Z": 7}),
    "last settings": lambda actual: replace(actual, settings={"requests_per_minute": 1}),
    "settings of no revision": lambda actual: replace(actual, settings={}),
}


def plan_of_an_edit(change: Callable[[Actual], Actual]) -> Plan:
    rows = Rows()
    rows.apply(make_desired("AB", 2))
    return build_plan(make_desired("ABC", 2), change(rows.actual))


def test_plan_id_differs_for_each_thing_an_apply_depends_on() -> None:
    ids = {name: plan_of_an_edit(change).plan_id for name, change in MATTERS.items()}
    ids["nothing"] = plan_of_an_edit(lambda actual: actual).plan_id
    assert len(set(ids.values())) == len(ids), ids


@pytest.mark.parametrize(
    "change",
    [
        lambda actual: replace(actual, owned=tuple(replace(row, row_id="other") for row in actual.owned)),
        lambda actual: replace(actual, owned=actual.owned[::-1]),
        lambda actual: replace(actual, foreign_keys={JobKey("ZZZ", "h1", "fetch_intraday", 1): "bob"}),
    ],
    ids=["row ids", "order of rows", "rows of others that nobody wants"],
)
def test_plan_id_is_the_same_for_what_does_not_matter(change: Callable[[Actual], Actual]) -> None:
    assert plan_of_an_edit(change).plan_id == plan_of_an_edit(lambda actual: actual).plan_id


def test_plan_id_tells_files_owners_and_holders_of_conflicts_apart_and_no_lines() -> None:
    desired, actual, key = make_desired("AB"), Rows().actual, JobKey("A", "h1", "fetch_intraday", 1)
    plans = [
        build_plan(desired, actual),
        build_plan(replace(desired, owner="eu"), actual),
        build_plan(replace(desired, canonical={**desired.canonical, "note": 1}), actual),
        build_plan(desired, replace(actual, foreign_keys={key: None})),
        build_plan(desired, replace(actual, foreign_keys={key: "bob"})),
    ]
    assert len({plan.plan_id for plan in plans}) == len(plans)
    assert build_plan(replace(desired, lines={}), actual).plan_id == plans[0].plan_id


def test_rows_that_differ_in_their_job_type_alone_have_an_order() -> None:
    keys = [JobKey("X", "d1", job_type, 1) for job_type in ("fetch_older", "fetch_old")]
    plans = [
        Rows({key: Definition(key, enabled=True, window_days=1, priority=1, dataset="a") for key in order}).plan(
            make_desired("A")
        )
        for order in (keys, keys[::-1])
    ]
    assert plans[0] == plans[1]
