"""What an error of the provider means for the run that met it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from reconciler.errors import (
    AuthenticationError,
    BadRequestError,
    EntitlementError,
    ProviderError,
    RateLimitedError,
)

_QUICK_TRIES = 5
_QUICK_CAP_SECONDS = 60.0
_SLOW_SECONDS = 15 * 60.0
_SLOW_CAP_SECONDS = 24 * 3600.0


class Verdict(Enum):
    """What becomes of the run."""

    RETRY = auto()  # back to the queue, to be claimed after the delay; the attempt counts
    WAIT = auto()  # nothing is wrong with it: the account's budget is spent
    STOP = auto()  # this process cannot fetch anything; give the run back for others
    FAIL = auto()  # repeating it cannot help


@dataclass(frozen=True)
class RetryDecision:
    """``delay`` is meant for RETRY only."""

    verdict: Verdict
    delay: timedelta = timedelta(0)


def decide(error: ProviderError, attempt: int, chance: float) -> RetryDecision:
    """The policy for ``error`` met at the ``attempt``-th start of a run (from 1).

    ``chance`` in [0, 1) spreads quick retries over the whole delay (full jitter), so that runs that failed
    together do not come back together. Five quick tries of at most a minute, then 15 minutes doubling to a day.
    """
    match error:
        case AuthenticationError():
            return RetryDecision(Verdict.STOP)
        case RateLimitedError():
            return RetryDecision(Verdict.WAIT)
        case BadRequestError():
            return RetryDecision(Verdict.FAIL)
        case EntitlementError():
            return RetryDecision(Verdict.RETRY, _slow(attempt))
        case _:
            return RetryDecision(
                Verdict.RETRY, _quick(attempt, chance) if attempt <= _QUICK_TRIES else _slow(attempt - _QUICK_TRIES)
            )


def _quick(attempt: int, chance: float) -> timedelta:
    return timedelta(seconds=min(_QUICK_CAP_SECONDS, 2.0**attempt) * chance)


def _slow(round_: int) -> timedelta:
    doublings = min(max(round_, 1) - 1, 10)
    return timedelta(seconds=min(_SLOW_CAP_SECONDS, _SLOW_SECONDS * 2.0**doublings))
