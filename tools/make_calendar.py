#!/usr/bin/env python3
"""Write reconciler/market/nyse_sessions.csv from exchange_calendars (a development dependency).

Run it to lengthen the table, then review the diff: each row is one day that is not a full session.
"""

from __future__ import annotations

import csv
from datetime import date, time, timedelta
from importlib.metadata import version
from pathlib import Path

import exchange_calendars

FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2028, 12, 31)
TABLE = Path(__file__).parents[1] / "reconciler" / "market" / "nyse_sessions.csv"
NEW_YORK = "America/New_York"


def read_closes() -> dict[date, time]:
    """New York closing time by session day, within the table's bounds."""
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
    closes = calendar.schedule["close"].dt.tz_convert(NEW_YORK)
    return {day.date(): close.time() for day, close in closes.items()}


def check_expressible(closes: dict[date, time]) -> None:
    """Raises ValueError for what the table cannot say: weekend sessions and other closing times."""
    odd = [day for day, close in closes.items() if day.weekday() > 4 or close not in (time(16), time(13))]
    if odd:
        raise ValueError(f"the table cannot express these sessions: {', '.join(map(str, odd))}")


def build_rows(closes: dict[date, time]) -> list[tuple[str, str]]:
    """``(date, closed | early)`` of every weekday that is not a full session, oldest first."""
    days = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
    weekdays = [day for day in days if day.weekday() <= 4]
    closed = [(day.isoformat(), "closed") for day in weekdays if day not in closes]
    early = [(day.isoformat(), "early") for day, close in closes.items() if close == time(13)]
    return sorted(closed + early)


def main() -> None:
    closes = read_closes()
    check_expressible(closes)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        file.write("# Weekdays on which the New York Stock Exchange is closed, or closes early at 13:00.\n")
        file.write("# Every other weekday is a full session. Made by tools/make_calendar.py, not by hand.\n")
        file.write(f"# source: exchange_calendars {version('exchange_calendars')} XNYS\n")
        file.write(f"# first_day: {FIRST_DAY}\n")
        file.write(f"# last_day: {LAST_DAY}\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("date", "kind"))
        rows.writerows(build_rows(closes))


if __name__ == "__main__":
    main()
