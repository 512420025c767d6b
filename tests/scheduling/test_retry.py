from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import errors
from reconciler.scheduling.retry import Verdict, decide


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (errors.AuthenticationError("401"), Verdict.STOP),
        (errors.RateLimitedError("429"), Verdict.WAIT),
        (errors.BadRequestError("400"), Verdict.FAIL),
        (errors.InvalidSymbolError("400", symbol="X-Y"), Verdict.FAIL),
        (errors.EntitlementError("403"), Verdict.RETRY),
        (errors.TransientError("503"), Verdict.RETRY),
        (errors.PagingError("loop"), Verdict.RETRY),
    ],
)
def test_each_kind_of_error_has_its_verdict(error: errors.ProviderError, verdict: Verdict) -> None:
    assert decide(error, 1, 0.5).verdict is verdict


def test_every_provider_error_is_decided() -> None:
    leaves = {
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.ProviderError) and cls is not errors.InvalidSymbolError
    }
    assert all(decide(cls("x"), 1, 0.5).verdict in Verdict for cls in leaves)


def test_quick_tries_double_and_the_slow_ones_go_from_15_minutes_to_a_day() -> None:
    delays = [decide(errors.TransientError("503"), attempt, 0.999999).delay for attempt in range(1, 20)]
    assert [round(d.total_seconds()) for d in delays[:7]] == [2, 4, 8, 16, 32, 900, 1800]
    assert delays[-1] == timedelta(hours=24)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_delay_is_never_negative_nor_above_a_day(attempt: int, chance: float) -> None:
    for error in (errors.TransientError("503"), errors.EntitlementError("403")):
        assert timedelta(0) <= decide(error, attempt, chance).delay <= timedelta(hours=24)
