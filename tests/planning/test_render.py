from __future__ import annotations

import json
import re

import pytest
from support.plans import Rows, make_desired
from syrupy.assertion import SnapshotAssertion

from reconciler.jobs import JobKey
from reconciler.planning.plan import SUMMARY_KEYS, Plan
from reconciler.planning.render import build_document, render_text
from reconciler.timeframes import Timeframe

FIVE = ["AAPL", "AMD", "BRK.B", "GE", "XOM"]
INTRADAY = [Timeframe.M15, Timeframe.H1]


def first_apply() -> Plan:
    return Rows().plan(make_desired(FIVE, timeframes=INTRADAY))


def add_symbol(phase: int = 2) -> Plan:
    rows = Rows()
    rows.apply(make_desired(FIVE, phase, batch_size=3, timeframes=INTRADAY))
    return rows.plan(make_desired(["AA", *FIVE], phase, batch_size=3, timeframes=INTRADAY))


def cutover() -> Plan:
    rows = Rows()
    rows.apply(make_desired(FIVE, timeframes=INTRADAY))
    return rows.plan(make_desired(FIVE, 2, batch_size=3, timeframes=INTRADAY))


def rollback() -> Plan:
    rows = Rows()
    for phase in (1, 2):
        rows.apply(make_desired(FIVE, phase, batch_size=3, timeframes=INTRADAY))
    return rows.plan(make_desired(FIVE, 1, batch_size=3, timeframes=INTRADAY))


def members_and_settings() -> Plan:
    rows = Rows()
    rows.apply(make_desired(FIVE, 2, timeframes=INTRADAY))
    return rows.plan(make_desired(["IBM", *FIVE[1:]], 2, timeframes=INTRADAY, days={Timeframe.H1: 60}, rate=1000))


def conflict() -> Plan:
    rows = Rows(foreign={JobKey("GE", "h1", "fetch_intraday", 1): None, JobKey("XOM", "h1", "fetch_intraday", 1): "eu"})
    return rows.plan(make_desired(FIVE, timeframes=INTRADAY))


PLANS = {p.__name__: p for p in (first_apply, add_symbol, cutover, rollback, members_and_settings, conflict)}


@pytest.mark.parametrize("name", PLANS)
def test_text(name: str, snapshot: SnapshotAssertion) -> None:
    assert render_text(PLANS[name](), color=False, full=False) == snapshot


def test_json_of_single_rows(snapshot: SnapshotAssertion) -> None:
    """One symbol and one timeframe through its life: first apply, add a symbol, cutover, rollback."""
    rows, h1 = Rows(), [Timeframe.H1]
    files = [
        make_desired(symbols, phase, timeframes=h1) for symbols, phase in (("A", 1), ("AB", 1), ("AB", 2), ("AB", 1))
    ]
    assert [json.dumps(build_document(rows.apply(file)), indent=1) for file in files] == snapshot


def test_json(snapshot: SnapshotAssertion) -> None:
    assert json.dumps(build_document(members_and_settings()), indent=2) == snapshot


@pytest.mark.parametrize("name", PLANS)
def test_every_form_says_the_same(name: str) -> None:
    plan = PLANS[name]()
    document = build_document(plan)
    assert tuple(document["summary"]) == SUMMARY_KEYS
    assert sum(document["summary"].values()) - plan.unchanged == len(document["changes"]) == len(plan.changes)
    folded = build_document(plan, folded=True)
    assert sum(group["count"] for group in folded["groups"]) == len(plan.changes)
    full = render_text(plan, color=False, full=True)
    assert len(
        [line for line in full.splitlines() if re.match(r"[+!>|] (create|update|enable|disable) ", line)]
    ) == len(plan.changes)
    assert f"{len(plan.conflicts)} CONFLICTS" in full or not plan.conflicts


def test_colour_is_only_around_the_mark() -> None:
    plain, colored = (render_text(cutover(), color=color, full=False) for color in (False, True))
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain
    assert all(line.startswith("\x1b[") for line in colored.splitlines() if "\x1b" in line)


def test_empty_plan_is_one_line() -> None:
    rows = Rows()
    rows.apply(make_desired(FIVE))
    assert render_text(rows.plan(make_desired(FIVE)), color=False, full=False) == (
        "No changes: 20 definitions of us are as the file wants them.\n"
    )


def test_long_lists_of_names_are_counted_after_two_lines() -> None:
    text = render_text(
        Rows().plan(make_desired([f"A{c}{d}" for c in "BCDEFGHIJ" for d in "KLMNOPQRS"])), color=False, full=False
    )
    assert re.search(r" \.\.\. and \d+ more\n", text)
    assert max(map(len, text.splitlines())) <= 120
