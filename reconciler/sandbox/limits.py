"""The provider's rate limit, by key id and over all paths: two models, since staff and measurements disagree.

Callers pass the time, in seconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, Protocol

RateWindow = Literal["refilling", "fixed"]
_MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class Grant:
    """One request is allowed: the numbers of the ``X-RateLimit-*`` headers."""

    limit: int
    remaining: int
    reset_seconds: float


class RateLimiter(Protocol):
    def take(self, key_id: str, now: float) -> Grant | None:
        """Charge one request to the key; None if it is over its limit, which costs nothing."""


@dataclass
class RefillingLimiter:
    """A bucket of ``per_minute`` requests, refilled evenly at that rate: what was measured."""

    per_minute: int
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def take(self, key_id: str, now: float) -> Grant | None:
        rate = self.per_minute / _MINUTE_SECONDS
        with self._lock:
            level, since = self._levels.get(key_id, (float(self.per_minute), now))
            level = min(self.per_minute, level + (now - since) * rate)
            allowed = level >= 1
            level -= 1 if allowed else 0
            self._levels[key_id] = (level, now)
        return Grant(self.per_minute, int(level), (self.per_minute - level) / rate) if allowed else None


@dataclass
class FixedWindowLimiter:
    """``per_minute`` requests in each minute that begins with the first one: what staff describe."""

    per_minute: int
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def take(self, key_id: str, now: float) -> Grant | None:
        with self._lock:
            since, used = self._windows.get(key_id, (now, 0))
            if now - since >= _MINUTE_SECONDS:
                since, used = now, 0
            if used >= self.per_minute:
                return None
            self._windows[key_id] = (since, used + 1)
        return Grant(self.per_minute, self.per_minute - used - 1, since + _MINUTE_SECONDS - now)


def build_limiter(per_minute: int | None, window: RateWindow) -> RateLimiter | None:
    """None when ``per_minute`` is None: an account without limit."""
    if per_minute is None:
        return None
    return RefillingLimiter(per_minute) if window == "refilling" else FixedWindowLimiter(per_minute)
