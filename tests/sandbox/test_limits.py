"""Both models of the rate limit, on a clock that the test moves."""

from __future__ import annotations

import msgspec
import pytest
from support.asker import KEYS, make_asker

from reconciler.sandbox.api import Request
from reconciler.sandbox.limits import FixedWindowLimiter, RateLimiter, RefillingLimiter, build_limiter


def granted(limiter: RateLimiter, requests: int, now: float, key: str = "key") -> int:
    return sum(limiter.take(key, now) is not None for _ in range(requests))


@pytest.mark.parametrize("limiter", [RefillingLimiter(200), FixedWindowLimiter(200)], ids=["refilling", "fixed"])
def test_a_burst_is_cut_at_the_limit(limiter: RateLimiter) -> None:
    assert granted(limiter, 320, now=1_000.0) == 200


def test_the_bucket_refills_evenly() -> None:
    limiter = RefillingLimiter(200)
    granted(limiter, 200, now=0.0)

    assert granted(limiter, 100, now=10.2) == 34
    assert granted(limiter, 100, now=10.2) == 0
    assert granted(limiter, 500, now=10_000.0) == 200


def test_a_fixed_window_opens_whole_after_a_minute() -> None:
    limiter = FixedWindowLimiter(200)
    granted(limiter, 200, now=0.0)

    assert granted(limiter, 100, now=59.9) == 0
    assert granted(limiter, 320, now=60.0) == 200


@pytest.mark.parametrize("limiter", [RefillingLimiter(5), FixedWindowLimiter(5)], ids=["refilling", "fixed"])
def test_each_key_has_its_own_limit(limiter: RateLimiter) -> None:
    assert granted(limiter, 9, now=0.0) == 5
    assert granted(limiter, 9, now=0.0, key="another") == 5


def test_grants_count_down_and_say_when_the_limit_is_whole_again() -> None:
    refilling, fixed = RefillingLimiter(60), FixedWindowLimiter(60)
    for limiter in (refilling, fixed):
        granted(limiter, 9, now=0.0)
    first, second = refilling.take("key", 0.0), fixed.take("key", 20.0)

    assert first is not None
    assert (first.limit, first.remaining, first.reset_seconds) == (60, 50, 10.0)
    assert second is not None
    assert (second.limit, second.remaining, second.reset_seconds) == (60, 50, 40.0)


def test_no_limit_needs_no_limiter() -> None:
    assert build_limiter(None, "refilling") is None
    assert build_limiter(7, "refilling") == RefillingLimiter(7)
    assert build_limiter(7, "fixed") == FixedWindowLimiter(7)


def test_refused_requests_are_charged_but_not_those_without_keys_or_path() -> None:
    asker = make_asker(limiter=RefillingLimiter(3))
    free = [("/v2/nope", KEYS), ("/v2/stocks/bars", {})]
    charged = [("/v2/stocks/bars", KEYS)] * 4

    statuses = [asker.api.answer(Request(path, "", headers, 0.0)).status for path, headers in [*free, *charged]]

    assert statuses == [404, 401, 400, 400, 400, 429]


def test_the_answer_over_the_limit() -> None:
    asker = make_asker(limiter=RefillingLimiter(1))
    query = {"symbols": ",".join(["A"] * 50), "timeframe": "1Day"}
    first, second = (asker.answer(**query) for _ in range(2))

    assert (first.status, second.status) == (200, 429)
    assert second.body.rstrip() == b'{"message": "too many requests."}'
    assert msgspec.json.decode(second.body) == {"message": "too many requests."}
    assert second.grant is None
