from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.model import (
    MAX_HISTORY_DAYS,
    MAX_SETTLE_SECONDS,
    Config,
    Feed,
    Provider,
    TimeframeSpec,
    default_settle_seconds,
)
from reconciler.timeframes import Timeframe

LABELS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
SYMBOLS = st.from_regex(r"[A-Z]{1,5}(\.[A-Z]{1,2}){0,2}", fullmatch=True)
SPECS = st.builds(
    TimeframeSpec,
    history_days=st.integers(1, MAX_HISTORY_DAYS),
    priority=st.integers(0, 1000),
    phase=st.sampled_from([1, 2]),
)
PROVIDERS = st.builds(
    Provider,
    dataset=LABELS,
    feed=st.sampled_from(["sip", "iex", "otc", "boats"]),
    session=st.sampled_from(["extended", "regular"]),
    requests_per_minute=st.integers(1, 10_000),
    bucket=LABELS,
    settle_after_seconds=st.integers(0, MAX_SETTLE_SECONDS),
)
CONFIGS = st.builds(
    Config,
    version=st.just(1),
    name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
    symbols=st.lists(SYMBOLS, min_size=1, max_size=20, unique=True).map(tuple),
    timeframes=st.dictionaries(st.sampled_from(Timeframe), SPECS, min_size=1),
    batch_size=st.integers(1, 500),
    active_phase=st.sampled_from([1, 2]),
    provider=PROVIDERS,
)


def build_config(**changes: Any) -> Config:
    values: dict[str, Any] = {
        "version": 1,
        "name": "us",
        "symbols": ("AAPL", "MSFT"),
        "timeframes": {Timeframe.D1: TimeframeSpec(history_days=730, priority=100, phase=2)},
        "batch_size": 50,
        "active_phase": 1,
        "provider": Provider(settle_after_seconds=960),
    }
    return Config(**{**values, **changes})


@given(CONFIGS)
def test_canonical_form_round_trips_through_json(config: Config) -> None:
    stored = json.loads(json.dumps(config.canonical(), sort_keys=True))
    assert Config.from_canonical(stored) == config
    assert Config.from_canonical(stored).canonical() == config.canonical()


@given(CONFIGS, CONFIGS)
def test_digests_are_equal_exactly_when_configs_are(one: Config, other: Config) -> None:
    assert (one.config_sha256 == other.config_sha256) == (one == other)
    assert Config.from_canonical(one.canonical()).config_sha256 == one.config_sha256


@given(st.data(), CONFIGS)
def test_order_of_symbols_and_timeframes_means_nothing(data: st.DataObject, config: Config) -> None:
    symbols = tuple(data.draw(st.permutations(config.symbols)))
    timeframes = dict(data.draw(st.permutations(list(config.timeframes.items()))))
    shuffled = Config(**{**dict(config), "symbols": symbols, "timeframes": timeframes})
    assert shuffled.symbols == tuple(sorted(symbols))
    assert list(shuffled.timeframes) == [timeframe for timeframe in Timeframe if timeframe in timeframes]
    assert shuffled.config_sha256 == config.config_sha256


def test_digest_is_over_sorted_json_without_blanks() -> None:
    text = (
        '{"active_phase":1,"batch_size":50,"name":"us","provider":{"adjustment":"raw","bucket":"alpaca",'
        '"dataset":"alpaca","feed":"sip","requests_per_minute":200,"session":"extended","settle_after_seconds":960},'
        '"symbols":["AAPL","MSFT"],"timeframes":{"d1":{"history_days":730,"phase":2,"priority":100}},"version":1}'
    )
    assert build_config().config_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_phase_of_is_the_timeframes_own() -> None:
    assert build_config().phase_of(Timeframe.D1) == 2
    with pytest.raises(KeyError):
        build_config().phase_of(Timeframe.M15)


@pytest.mark.parametrize(
    "changes",
    [
        {"symbols": ("AAPL", "AAPL")},
        {"symbols": ()},
        {"symbols": ("aapl",)},
        {"symbols": ("AAPL\n",)},
        {"symbols": ["AAPL"]},
        {"timeframes": {}},
        {"name": "US"},
        {"version": 2},
        {"batch_size": 0},
        {"batch_size": 501},
        {"batch_size": "50"},
        {"active_phase": 3},
        {"shadow": "all"},
    ],
    ids=str,
)
def test_config_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        build_config(**changes)


def test_canonical_form_of_a_newer_program_is_refused() -> None:
    with pytest.raises(ValueError):
        Config.from_canonical({**build_config().canonical(), "shadow": "all"})


@pytest.mark.parametrize(
    ("feed", "requests_per_minute", "seconds"),
    [("sip", 1, 960), ("sip", 200, 960), ("sip", 201, 120), ("iex", 200, 120), ("otc", 10_000, 120)],
)
def test_settle_time_is_sixteen_minutes_only_on_the_free_plan(
    feed: Feed, requests_per_minute: int, seconds: int
) -> None:
    assert default_settle_seconds(feed, requests_per_minute) == seconds
