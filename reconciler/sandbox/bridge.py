"""m15 bars of a day from its daily bar: a seeded walk from open to close through the day's high and low.

All arithmetic is on integers, so every platform and process gets the same bars, and the day's open, high,
low, close, volume and trade count come back exactly when the bars are aggregated.
"""

from __future__ import annotations

from functools import cache
from hashlib import shake_128
from itertools import accumulate, pairwise
from typing import NamedTuple

PRICE_UNIT = 10_000
"""Prices are whole ten-thousandths of a dollar, the finest step the provider sends."""

_SHARES_PER_TRADE = 4
_PRE_MARKET_BUCKETS = 22
_AFTER_HOURS_BUCKETS = 16


class Day(NamedTuple):
    """A daily bar: prices in ten-thousandths, low <= open, close <= high; volume in shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Quarters(NamedTuple):
    """The m15 bars of a day as columns of equal length, in time order.

    ``numbers`` says which bucket of the session each bar fills; a day with fewer shares than buckets has
    fewer bars, since the provider never sends a bar without volume.
    """

    numbers: list[int]
    opens: list[int]
    highs: list[int]
    lows: list[int]
    closes: list[int]
    volumes: list[int]
    trades: list[int]


def build_quarters(day: Day, bucket_count: int, seed: str) -> Quarters:
    """Bars that aggregate to ``day`` exactly; the same arguments always give the same bars.

    Each bar has volume >= trades >= 1 and low <= open, close <= high; each opens where the one before closed.
    A day without volume has no bars.
    """
    count = bar_count(day, bucket_count)
    if count == 0:
        return Quarters([], [], [], [], [], [], [])
    noise = shake_128(seed.encode()).digest(3 * count)
    path = _walk(day, noise[:count])
    highs, lows = _extremes(day, path, noise[count : 2 * count])
    filled = _filled_volume(day.volume - count, bucket_count, noise[2 * count :])
    volumes = [1 + after - before for before, after in pairwise(filled)]
    trades = [1 + after // _SHARES_PER_TRADE - before // _SHARES_PER_TRADE for before, after in pairwise(filled)]
    numbers = [index * bucket_count // count for index in range(count)]
    return Quarters(numbers, path[:-1], highs, lows, path[1:], volumes, trades)


def bar_count(day: Day, bucket_count: int) -> int:
    """How many m15 bars the day has: one for each bucket, or one for each share if there are fewer."""
    return min(bucket_count, day.volume)


def trade_count(day: Day, bucket_count: int) -> int:
    """The day's trades, equal to the sum over its m15 bars, without building them."""
    count = bar_count(day, bucket_count)
    return count + (day.volume - count) // _SHARES_PER_TRADE


def _walk(day: Day, noise: bytes) -> list[int]:
    """One price more than there are bars: from the day's open to its close, never outside low and high."""
    count = len(noise)
    steps = list(accumulate((2 * byte - 255 for byte in noise), initial=0))
    end = steps[-1]
    swings = [step * count - end * index for index, step in enumerate(steps)]
    scale = max(swings) - min(swings) or 1
    opening, high, low, close, _ = day
    drift, span = close - opening, high - low
    prices = [opening + drift * index // count + swing * span // scale for index, swing in enumerate(swings)]
    # No swing is wider than the range, so one reflection brings every price back into it.
    return [2 * low - price if price < low else 2 * high - price if price > high else price for price in prices]


def _extremes(day: Day, path: list[int], noise: bytes) -> tuple[list[int], list[int]]:
    """Highs and lows around each step, reaching the day's own where the path comes nearest to them."""
    span = day.high - day.low
    wicks = [span * byte // 8192 for byte in noise]
    tops, bottoms = map(max, path[:-1], path[1:]), map(min, path[:-1], path[1:])
    highs = [min(top + wick, day.high) for top, wick in zip(tops, wicks, strict=True)]
    lows = [max(bottom - wick, day.low) for bottom, wick in zip(bottoms, wicks, strict=True)]
    last = len(wicks) - 1
    highs[min(path.index(max(path)), last)] = day.high
    lows[min(path.index(min(path)), last)] = day.low
    return highs, lows


def _filled_volume(spare: int, bucket_count: int, noise: bytes) -> list[int]:
    """How many of the ``spare`` shares are traded before each bar, and after the last."""
    weights = [weight * (64 + byte) for weight, byte in zip(_profile(bucket_count), noise, strict=False)]
    total = sum(weights)
    return [spare * weight // total for weight in accumulate(weights, initial=0)]


@cache
def _profile(bucket_count: int) -> tuple[int, ...]:
    """Weights of a day's volume: thin outside the regular session, heaviest at its two ends."""
    regular = bucket_count - _PRE_MARKET_BUCKETS - _AFTER_HOURS_BUCKETS
    busy = (20 + 2 * abs(2 * index + 1 - regular) for index in range(regular))
    return (*[1] * _PRE_MARKET_BUCKETS, *busy, *[1] * _AFTER_HOURS_BUCKETS)
