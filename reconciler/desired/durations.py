"""Durations as the file writes them: a whole number and one unit. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic_core import PydanticCustomError

from reconciler.desired.model import MAX_HISTORY_DAYS, MAX_SETTLE_SECONDS

DURATION_ERROR = "duration"
"""The ``type`` of the validation errors raised here."""

_DURATION = re.compile(r"([0-9]{1,6})([a-z])")
_DAYS = {"d": 1, "w": 7, "y": 365}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_history(text: object) -> int:
    """Days in ``30d``, ``12w`` or ``2y`` (a year is 365 days): 1 day to 20 years."""
    days = _parse(text, _DAYS)
    if days is None or not 1 <= days <= MAX_HISTORY_DAYS:
        raise PydanticCustomError(DURATION_ERROR, "must be `30d`, `12w` or `2y` alike, from 1 day to 20 years")
    return days


def parse_settle_after(text: object) -> int:
    """Seconds in ``90s``, ``16m`` or ``2h``: 0 to 24 hours."""
    seconds = _parse(text, _SECONDS)
    if seconds is None or not 0 <= seconds <= MAX_SETTLE_SECONDS:
        raise PydanticCustomError(DURATION_ERROR, "must be `90s`, `16m` or `2h` alike, from 0s to 24h")
    return seconds


def _parse(text: object, units: Mapping[str, int]) -> int | None:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[2] not in units:
        return None
    return int(found[1]) * units[found[2]]
