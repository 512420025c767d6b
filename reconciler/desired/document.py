"""The desired-state file as written: the one source of its keys, bounds, defaults and descriptions.

The loader validates against these models once the shorthands are spelled out, and the JSON Schema that
editors use is generated from them. Pure.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from reconciler.desired.durations import parse_history, parse_settle_after
from reconciler.desired.model import (
    FREE_PLAN_REQUESTS_PER_MINUTE,
    SYMBOL_PATTERN,
    BatchSize,
    Feed,
    Label,
    Owner,
    Phase,
    Priority,
    RequestsPerMinute,
    Session,
    StrictModel,
)
from reconciler.timeframes import Timeframe

# YAML 1.2 editors read a bare TRUE or NULL as no text, yet both may be tickers, and the loader takes them so.
SymbolText = Annotated[str, WithJsonSchema({"type": ["string", "boolean", "null"], "pattern": SYMBOL_PATTERN})]
TimeframeName = Annotated[Timeframe, Field(strict=False)]
"""Strict validation would want the enum's member, and a file holds its text."""

History = Annotated[
    int,
    BeforeValidator(parse_history),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[dwy]$", "examples": ["30d", "12w", "2y"]}),
]
SettleAfter = Annotated[
    int,
    BeforeValidator(parse_settle_after),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[smh]$", "examples": ["90s", "16m", "2h"]}),
]


class UniverseSection(StrictModel):
    """The symbols: those of `symbols` and `files` together, less those of `exclude`."""

    symbols: list[SymbolText] = Field(default=[], description="Tickers, class shares with a dot: `BRK.B`.")
    files: list[str] = Field(
        default=[],
        description="Text files, one ticker a line, `#` starts a comment; relative to this file's folder.",
    )
    exclude: list[SymbolText] = Field(default=[], description="Tickers to leave out; each must be listed above.")


class TimeframeSection(StrictModel):
    """Settings of one timeframe; what is left out has the timeframe's default."""

    history: History | None = Field(
        default=None, description="How far back to ingest: days `d`, weeks `w` or years `y` of 365 days."
    )
    priority: Priority | None = Field(default=None, description="Greater numbers are fetched first.")
    phase: Phase | None = Field(
        default=None, description="The phase of this timeframe, where it differs from `active_phase`."
    )


class ProviderSection(StrictModel):
    """Where bars come from, and how fast it may be asked."""

    dataset: Label = Field(default="alpaca", description="The label that the stored bars bear.")
    feed: Feed = Field(default="sip", description="The provider's feed.")
    adjustment: Literal["raw"] = Field(default="raw", description="Only `raw`: corporate actions are not handled yet.")
    session: Session = Field(default="extended", description="Keep pre-market and after-hours bars, or not.")
    requests_per_minute: RequestsPerMinute = Field(
        default=FREE_PLAN_REQUESTS_PER_MINUTE, description="The account's limit."
    )
    bucket: Label = Field(
        default="alpaca",
        description="The account whose limit is shared; files with one account name one bucket.",
    )
    settle_after: SettleAfter | None = Field(
        default=None,
        description="How long after its end a bar is first asked for. Default: `16m` on the sip feed at 200 "
        "requests a minute or fewer, else `2m`.",
    )


class Document(StrictModel):
    """What is ingested. Every key is required but `batch_size` and `provider`."""

    version: Literal[1] = Field(description="The version of this format.")
    name: Owner = Field(description="The owner of the rows this file makes (`job_definitions.managed_by`).")
    universe: UniverseSection = Field(description="The symbols: a list, or lists, files and exclusions.")
    timeframes: dict[TimeframeName, TimeframeSection | None] = Field(
        min_length=1, description="The bar lengths: a list of names, or a mapping of names to settings."
    )
    batch_size: BatchSize = Field(default=50, description="Phase 2: symbols in one request, at most.")
    active_phase: Phase = Field(description="Phase 1 asks for one symbol a request, phase 2 for a batch of symbols.")
    provider: ProviderSection = Field(
        default=ProviderSection(), description="Where bars come from; every key has a default."
    )
