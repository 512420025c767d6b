"""Laws of the derived bars: whatever the day, its m15 bars add up to it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.sandbox.bridge import Day, Quarters, bar_count, build_quarters, trade_count

PRICES = st.integers(min_value=1, max_value=10**9)
BUCKETS = st.sampled_from([52, 64])
SEEDS = st.text(max_size=12)


@st.composite
def days(draw: st.DrawFn) -> Day:
    low, *inner, high = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    opening, close = draw(st.permutations(inner))
    return Day(opening, high, low, close, draw(st.integers(0, 200) | st.integers(0, 10**10)))


def aggregate(quarters: Quarters) -> Day:
    return Day(quarters.opens[0], max(quarters.highs), min(quarters.lows), quarters.closes[-1], sum(quarters.volumes))


@given(days().filter(lambda day: day.volume > 0), BUCKETS, SEEDS)
@example(Day(100, 100, 100, 100, 1), 64, "")
@example(Day(10, 20, 5, 15, 1), 64, "one bar carries all four prices")
@example(Day(10, 20, 5, 15, 65), 64, "one share to spare")
def test_quarters_add_up_to_their_day(day: Day, buckets: int, seed: str) -> None:
    quarters = build_quarters(day, buckets, seed)

    assert aggregate(quarters) == day
    assert sum(quarters.trades) == trade_count(day, buckets)


@given(days(), BUCKETS, SEEDS)
def test_every_quarter_is_a_lawful_bar(day: Day, buckets: int, seed: str) -> None:
    for _, opening, high, low, close, volume, trades in zip(*build_quarters(day, buckets, seed), strict=True):
        assert low <= min(opening, close)
        assert high >= max(opening, close)
        assert 1 <= trades <= volume


@given(days(), BUCKETS, SEEDS)
def test_quarters_fill_all_buckets_or_as_many_as_there_are_shares(day: Day, buckets: int, seed: str) -> None:
    numbers = build_quarters(day, buckets, seed).numbers

    assert len(numbers) == bar_count(day, buckets) == min(buckets, day.volume)
    assert all(before < after for before, after in pairwise(numbers))
    assert not numbers or (numbers[0] >= 0 and numbers[-1] < buckets)


@given(days(), BUCKETS, SEEDS)
def test_each_quarter_opens_where_the_one_before_closed(day: Day, buckets: int, seed: str) -> None:
    quarters = build_quarters(day, buckets, seed)

    assert quarters.opens[1:] == quarters.closes[:-1]


def test_quarters_are_the_same_on_every_platform_and_differ_by_seed() -> None:
    day = Day(256_000, 256_100, 252_200, 255_500, 34_758)

    first = build_quarters(day, 64, "A 2009-08-21")

    assert (first.opens[1], first.highs[1], first.lows[1], first.volumes[1]) == (256_072, 256_100, 255_848, 38)
    assert (first.opens[30], first.volumes[30]) == (254_490, 1_041)
    assert first == build_quarters(day, 64, "A 2009-08-21")
    assert first != build_quarters(day, 64, "A 2009-08-22")


def test_regular_hours_carry_most_of_the_volume() -> None:
    volumes = build_quarters(Day(100, 200, 50, 150, 1_000_000), 64, "").volumes

    assert sum(volumes[22:48]) > 900_000
