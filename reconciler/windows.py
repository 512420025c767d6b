"""Half-open intervals of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, order=True)
class Window:
    """``[start, end)``: start in, end out; both aware instants, start before end."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware instants")
        if self.start >= self.end:
            raise ValueError(f"empty window: {self.start} .. {self.end}")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def contains(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def subtract(window: Window, covered: Iterable[Window]) -> list[Window]:
    """The parts of ``window`` that ``covered`` leaves out, oldest first.

    ``covered`` may overlap and come in any order; an empty list means fully covered.
    """
    gaps: list[Window] = []
    at = window.start
    for part in sorted(covered):
        if part.end <= at:
            continue
        if part.start >= window.end:
            break
        if part.start > at:
            gaps.append(Window(at, part.start))
        at = part.end
    if at < window.end:
        gaps.append(Window(at, window.end))
    return gaps
