"""What the provider answers: bars, and pages of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec


class Bar(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "ts": "t",
        "open": "o",
        "high": "h",
        "low": "l",
        "close": "c",
        "volume": "v",
        "trade_count": "n",
        "vwap": "vw",
    },
):
    """One bar as the provider sends it; ``ts`` is the start of its interval (vendor's OpenAPI: ``t``).

    Whole numbers may come as JSON ints and counts as ``100.0``, hence the unions.
    """

    ts: Annotated[datetime, msgspec.Meta(tz=True)]
    open: float
    high: float
    low: float
    close: float
    volume: int | float
    trade_count: int | float | None = None
    vwap: float | None = None


@dataclass(frozen=True)
class Page:
    """One HTTP answer: bars by ticker, in time order; the chain ends only when the token is None."""

    bars: dict[str, list[Bar]]
    next_page_token: str | None

    @property
    def bar_count(self) -> int:
        return sum(map(len, self.bars.values()))
