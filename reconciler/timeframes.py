"""The closed set of timeframes: their names, lengths and defaults."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Timeframe(StrEnum):
    """A bar length. Declared shortest first; an unknown name is an error, never a default."""

    M15 = "m15"
    H1 = "h1"
    H4 = "h4"
    D1 = "d1"

    @property
    def duration(self) -> timedelta:
        """Nominal length of a bucket; a d1 bucket is 23 or 25 hours long on two days of the year."""
        return _DURATIONS[self]


_DURATIONS = {
    Timeframe.M15: timedelta(minutes=15),
    Timeframe.H1: timedelta(hours=1),
    Timeframe.H4: timedelta(hours=4),
    Timeframe.D1: timedelta(days=1),
}
