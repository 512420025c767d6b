# ruff: noqa: E501 - an expected problem is one line, as users see it
from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

Written = str | Mapping[str, str | None]

CASES = [
    pytest.param(
        {"bach_size": "5"}, ["6:1: RC009 unknown key `bach_size`; did you mean `batch_size`?"], id="unknown-near-miss"
    ),
    pytest.param(
        {"zzz": "5"},
        [
            "6:1: RC009 unknown key `zzz`; known here: `version`, `name`, `universe`, `timeframes`, `batch_size`, `active_phase` or `provider`"
        ],
        id="unknown",
    ),
    pytest.param(
        {"feed": "iex"}, ["6:1: RC009 unknown key `feed`; it belongs under `provider`"], id="provider-key-at-top"
    ),
    pytest.param(
        {"provider": "{batch_size: 5}"},
        ["6:12: RC009 unknown key `batch_size`; it belongs at the top of the file, not indented"],
        id="top-key-under-provider",
    ),
    pytest.param(
        {"<<": "{}"},
        [
            "6:1: RC009 unknown key `<<`; known here: `version`, `name`, `universe`, `timeframes`, `batch_size`, `active_phase` or `provider`"
        ],
        id="merge-key",
    ),
    pytest.param(
        {"name": None, "active_phase": None},
        [
            "1:1: RC010 `active_phase` is required: Phase 1 asks for one symbol a request, phase 2 for a batch of symbols.",
            "1:1: RC010 `name` is required: The owner of the rows this file makes (`job_definitions.managed_by`).",
        ],
        id="two-missing",
    ),
    pytest.param(
        "batch_size: 5\n",
        [
            "1:1: RC010 `active_phase` is required: Phase 1 asks for one symbol a request, phase 2 for a batch of symbols.",
            "1:1: RC010 `name` is required: The owner of the rows this file makes (`job_definitions.managed_by`).",
            "1:1: RC010 `timeframes` is required: The bar lengths: a list of names, or a mapping of names to settings.",
            "1:1: RC010 `universe` is required: The symbols: a list, or lists, files and exclusions.",
            "1:1: RC010 `version` is required: The version of this format.",
        ],
        id="all-missing",
    ),
    pytest.param({"version": "2"}, ["1:10: RC014 `version` must be 1, not `2`"], id="version-2"),
    pytest.param({"version": '"1"'}, ["1:10: RC014 `version` must be 1, not `1` in quotes"], id="version-in-quotes"),
    pytest.param({"version": "true"}, ["1:10: RC014 `version` must be 1, not `true`"], id="version-true"),
    pytest.param({"name": "5"}, ["2:7: RC011 `name` must be text, not `5`; put it in quotes"], id="name-number"),
    pytest.param({"name": ""}, ["2:6: RC011 `name` must be text, not nothing"], id="name-nothing"),
    pytest.param(
        {"name": "US Equities"},
        ["2:7: RC015 `name` must match `^[a-z0-9][a-z0-9._-]{0,62}$`, not `US Equities`; did you mean `us-equities`?"],
        id="name-form",
    ),
    pytest.param(
        {"name": "a" * 64},
        [
            "2:7: RC015 `name` must match `^[a-z0-9][a-z0-9._-]{0,62}$`, not `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...`"
        ],
        id="name-too-long",
    ),
    pytest.param({"name": "[a]"}, ["2:7: RC011 `name` must be text, not a list"], id="name-list"),
    pytest.param(
        {"batch_size": "5.0"}, ["6:13: RC011 `batch_size` must be a whole number, not `5.0`"], id="batch-size-float"
    ),
    pytest.param(
        {"batch_size": "1e2"}, ["6:13: RC011 `batch_size` must be a whole number, not `1e2`"], id="batch-size-exponent"
    ),
    pytest.param({"batch_size": "0"}, ["6:13: RC012 `batch_size` must be at least 1, not `0`"], id="batch-size-0"),
    pytest.param(
        {"batch_size": "501"}, ["6:13: RC012 `batch_size` must be at most 500, not `501`"], id="batch-size-501"
    ),
    pytest.param(
        {"batch_size": "9" * 30},
        ["6:13: RC012 `batch_size` must be at most 500, not `999999999999999999999999999999`"],
        id="batch-size-huge",
    ),
    pytest.param(
        {"batch_size": '"50"'},
        ["6:13: RC011 `batch_size` must be a whole number, not `50` in quotes"],
        id="batch-size-in-quotes",
    ),
    pytest.param(
        {"batch_size": "yes"}, ["6:13: RC011 `batch_size` must be a whole number, not `yes`"], id="batch-size-yes"
    ),
    pytest.param(
        {"batch_size": ""}, ["6:12: RC011 `batch_size` must be a whole number, not nothing"], id="batch-size-nothing"
    ),
    pytest.param({"active_phase": "3"}, ["5:15: RC014 `active_phase` must be 1 or 2, not `3`"], id="phase-3"),
    pytest.param({"active_phase": "true"}, ["5:15: RC014 `active_phase` must be 1 or 2, not `true`"], id="phase-true"),
    pytest.param(
        {"timeframes": "[15Min, 1Day, w1]"},
        [
            "4:14: RC018 unknown timeframe `15Min`; did you mean `m15`?",
            "4:21: RC018 unknown timeframe `1Day`; did you mean `d1`?",
            "4:27: RC018 unknown timeframe `w1`; known: `m15`, `h1`, `h4` or `d1`",
        ],
        id="timeframe-in-the-providers-spelling",
    ),
    pytest.param(
        {"timeframes": "[]"},
        ["4:13: RC019 `timeframes` is empty; known: `m15`, `h1`, `h4` or `d1`"],
        id="no-timeframes",
    ),
    pytest.param(
        {"timeframes": "m15"},
        ["4:13: RC011 `timeframes` must be a list of names, or a mapping of names to settings, not `m15`"],
        id="timeframes-text",
    ),
    pytest.param(
        {"timeframes": "{m15: 5, H1: }"},
        [
            "4:19: RC011 `m15` must be a mapping of keys to values, not `5`",
            "4:22: RC018 unknown timeframe `H1`; did you mean `h1`?",
        ],
        id="timeframe-settings-number",
    ),
    pytest.param(
        {"timeframes": "[[m15]]"},
        [
            "4:13: RC019 `timeframes` is empty; known: `m15`, `h1`, `h4` or `d1`",
            "4:14: RC011 a key, or the name of a timeframe, must be text",
        ],
        id="timeframe-nested",
    ),
    pytest.param(
        {"timeframes": "{m15: {history: 6mo, priority: 1001, phase: 0, window: 3}}"},
        [
            "4:29: RC016 `history` must be `30d`, `12w` or `2y` alike, from 1 day to 20 years, not `6mo`",
            "4:44: RC012 `priority` must be at most 1000, not `1001`",
            "4:57: RC014 `phase` must be 1 or 2, not `0`",
            "4:60: RC009 unknown key `window`; known here: `history`, `priority` or `phase`",
        ],
        id="timeframe-settings",
    ),
    pytest.param(
        {"timeframes": "{m15: {history: 0d}, h1: {history: 21y}, h4: {history: 30}, d1: {history: [2y]}}"},
        [
            "4:29: RC016 `history` must be `30d`, `12w` or `2y` alike, from 1 day to 20 years, not `0d`",
            "4:48: RC016 `history` must be `30d`, `12w` or `2y` alike, from 1 day to 20 years, not `21y`",
            "4:68: RC016 `history` must be `30d`, `12w` or `2y` alike, from 1 day to 20 years, not `30`",
            "4:87: RC016 `history` must be `30d`, `12w` or `2y` alike, from 1 day to 20 years, not a list",
        ],
        id="histories",
    ),
    pytest.param(
        {
            "provider": "{feed: sipp, adjustment: all, session: rth, requests_per_minute: 0, bucket: a~b, dataset: a~shadow, settle_after: 25h}"
        },
        [
            "6:18: RC014 `feed` must be `sip`, `iex`, `otc` or `boats`, not `sipp`; did you mean `sip`?",
            "6:36: RC017 `adjustment` must be `raw`, not `all`: corporate actions are not handled yet, so adjusted bars would silently go out of date",
            "6:50: RC014 `session` must be `extended` or `regular`, not `rth`",
            "6:76: RC012 `requests_per_minute` must be at least 1, not `0`",
            "6:87: RC015 `bucket` must match `^[a-z0-9][a-z0-9_-]{0,62}$`, not `a~b`; did you mean `a-b`?",
            "6:101: RC015 `dataset` must match `^[a-z0-9][a-z0-9_-]{0,62}$`, not `a~shadow`; did you mean `a-shadow`?",
            "6:125: RC016 `settle_after` must be `90s`, `16m` or `2h` alike, from 0s to 24h, not `25h`",
        ],
        id="provider-settings",
    ),
    pytest.param(
        {"provider": "alpaca"},
        ["6:11: RC011 `provider` must be a mapping of keys to values, not `alpaca`"],
        id="provider-text",
    ),
    pytest.param(
        {"provider": "{settle_after: 90}"},
        ["6:26: RC016 `settle_after` must be `90s`, `16m` or `2h` alike, from 0s to 24h, not `90`"],
        id="settle-after-without-unit",
    ),
]


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_wrong_key_or_value_is_reported_at_its_place(
    problems_of: Callable[[Written], list[str]], written: Written, expected: list[str]
) -> None:
    assert problems_of(written) == expected
