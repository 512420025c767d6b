"""From what is missing to the runs that fetch it: wanted times, slices, and a bounded queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.jobs import Gap, Lane, NewRun, Want, WantedGroup
from reconciler.market.calendar import Calendar
from reconciler.market.grid import wanted
from reconciler.market.slices import cut_gap, live_from
from reconciler.timeframes import Timeframe


@dataclass(frozen=True)
class Schedule:
    """Runs to queue, and gaps that hold no market time and need no request."""

    runs: tuple[NewRun, ...]
    closed: tuple[Gap, ...]


@dataclass(frozen=True)
class _Candidate:
    order: int
    timeframe: Timeframe
    run: NewRun


def build_wants(
    calendar: Calendar, groups: Iterable[WantedGroup], now: datetime, settle_after: Mapping[str, timedelta]
) -> list[Want]:
    """The time each group wants as of ``now``; groups for which nothing has closed yet are left out.

    ``settle_after`` is by owner; a group whose owner is not in it is left out.
    """
    wants = []
    for group in groups:
        settle = settle_after.get(group.managed_by)
        if settle is None:
            continue
        window = wanted(calendar, group.timeframe, group.window_days, now, settle)
        if window is not None:
            wants.append(Want(group.managed_by, group.timeframe, group.dataset, group.window_days, window))
    return wants


def build_schedule(calendar: Calendar, gaps: Sequence[Gap], free: Mapping[Lane, int]) -> Schedule:
    """Cut the gaps into slices and choose which to queue: at most ``free`` in each lane.

    Gaps come most urgent first and keep that order in the queue. What does not fit stays a gap and is found again
    at the next tick, when it may have grown into fewer, longer slices.
    """
    candidates: dict[Lane, list[_Candidate]] = {lane: [] for lane in Lane}
    closed = []
    for order, gap in enumerate(gaps):
        slices = cut_gap(calendar, gap.timeframe, gap.window, len(gap.symbol_ids), live_from(calendar, gap.wanted_to))
        if not slices:
            closed.append(gap)
        for piece in slices:
            run = NewRun(gap.definition_id, piece.window, piece.lane, 0, gap.symbol_ids)
            candidates[piece.lane].append(_Candidate(order, gap.timeframe, run))
    chosen = [c for lane in Lane for c in _choose(candidates[lane], free.get(lane, 0))]
    runs = (
        NewRun(c.run.definition_id, c.run.window, c.run.lane, place, c.run.symbol_ids) for place, c in enumerate(chosen)
    )
    return Schedule(tuple(runs), tuple(closed))


def _choose(candidates: Sequence[_Candidate], free: int) -> list[_Candidate]:
    left = share(free, Counter(c.timeframe for c in candidates))
    chosen = []
    for candidate in candidates:
        if left[candidate.timeframe] > 0:
            left[candidate.timeframe] -= 1
            chosen.append(candidate)
    return chosen


def share(places: int, demand: Mapping[Timeframe, int]) -> dict[Timeframe, int]:
    """How many of ``places`` each timeframe gets; ``demand`` is in order of urgency.

    A tenth at least each, so that the shortest timeframe cannot starve the longest; the rest by urgency.
    Never more than its demand, never more than ``places`` in sum.
    """
    least = -(-places // 10)
    shares: dict[Timeframe, int] = {}
    rest = places
    for timeframe, wish in demand.items():
        shares[timeframe] = min(wish, least, rest)
        rest -= shares[timeframe]
    for timeframe, wish in demand.items():
        extra = min(wish - shares[timeframe], rest)
        shares[timeframe] += extra
        rest -= extra
    return shares
