"""The desired state with every default filled in and every shorthand spelled out. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from reconciler.timeframes import Timeframe

MAX_HISTORY_DAYS = 20 * 365
MAX_SETTLE_SECONDS = 24 * 3600
FREE_PLAN_REQUESTS_PER_MINUTE = 200

OWNER_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
LABEL_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""No ``~``: it separates a dataset from its suffix, as in ``alpaca~shadow``."""
SYMBOL_PATTERN = r"^[A-Z]+(\.[A-Z]+)*$"
"""The form outside which the provider answers 400 for the whole request (seen: ``BRK-B``, ``CSP1``)."""

Feed = Literal["sip", "iex", "otc", "boats"]
Session = Literal["extended", "regular"]
Phase = Literal[1, 2]
Owner = Annotated[str, StringConstraints(pattern=OWNER_PATTERN)]
Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]
BatchSize = Annotated[int, Field(ge=1, le=500)]
Priority = Annotated[int, Field(ge=0, le=1000)]
RequestsPerMinute = Annotated[int, Field(ge=1, le=10_000)]


class TimeframeDefault(NamedTuple):
    """What a timeframe gets that the file only names; the history is in days."""

    history_days: int
    priority: int


TIMEFRAME_DEFAULTS = {
    Timeframe.M15: TimeframeDefault(30, 300),
    Timeframe.H1: TimeframeDefault(90, 200),
    Timeframe.H4: TimeframeDefault(365, 200),
    Timeframe.D1: TimeframeDefault(730, 100),
}


def default_settle_seconds(feed: Feed, requests_per_minute: int) -> int:
    """How long after its end a bucket is first asked for, when the file does not say.

    The provider's free plan (200 requests a minute) answers 403 for SIP bars of the last 15 minutes.
    """
    free_plan = feed == "sip" and requests_per_minute <= FREE_PLAN_REQUESTS_PER_MINUTE
    return 16 * 60 if free_plan else 2 * 60


class StrictModel(BaseModel):
    """No coercion, no unknown fields, no assignment."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Provider(StrictModel):
    """Where bars come from. ``bucket`` names the account whose request limit is shared."""

    dataset: Label = "alpaca"
    feed: Feed = "sip"
    adjustment: Literal["raw"] = "raw"
    session: Session = "extended"
    requests_per_minute: RequestsPerMinute = FREE_PLAN_REQUESTS_PER_MINUTE
    bucket: Label = "alpaca"
    settle_after_seconds: Annotated[int, Field(ge=0, le=MAX_SETTLE_SECONDS)]


class TimeframeSpec(StrictModel):
    """What is wanted of one timeframe, for every symbol."""

    history_days: Annotated[int, Field(ge=1, le=MAX_HISTORY_DAYS)]
    priority: Priority
    phase: Phase


def _sorted_unique(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(symbols)) < len(symbols):
        raise ValueError("a symbol occurs twice")
    return tuple(sorted(symbols))


def _in_enum_order(specs: dict[Timeframe, TimeframeSpec]) -> dict[Timeframe, TimeframeSpec]:
    return {timeframe: specs[timeframe] for timeframe in Timeframe if timeframe in specs}


class Config(StrictModel):
    """One owner's desired state.

    ``symbols`` are sorted and unique, ``timeframes`` in enum order: two files that mean the same give
    equal configs. Unsorted input is sorted; anything else that breaks a bound is a ``ValueError``.
    """

    version: Literal[1]
    name: Owner
    symbols: Annotated[tuple[Symbol, ...], Field(min_length=1), AfterValidator(_sorted_unique)]
    timeframes: Annotated[dict[Timeframe, TimeframeSpec], Field(min_length=1), AfterValidator(_in_enum_order)]
    batch_size: BatchSize
    active_phase: Phase
    provider: Provider

    @classmethod
    def from_canonical(cls, canonical: Mapping[str, Any]) -> Self:
        """The config that ``canonical()`` was called on; a ``ValueError`` if it does not fit this program."""
        return cls.model_validate_json(json.dumps(canonical))

    def canonical(self) -> dict[str, Any]:
        """JSON objects, lists, text and whole numbers only; what a revision stores and a plan hashes."""
        return self.model_dump(mode="json")

    def phase_of(self, timeframe: Timeframe) -> Phase:
        """The phase that ingests ``timeframe``; ``KeyError`` if it is not wanted at all."""
        return self.timeframes[timeframe].phase

    @property
    def config_sha256(self) -> str:
        """Hex digest over the canonical form, keys sorted, no blanks; equal configs give equal digests."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
