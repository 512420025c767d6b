# ruff: noqa: E501 - an expected problem is one line, as users see it
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from reconciler.desired.problems import CODES, Code

Written = str | Mapping[str, str | None]

CASES = [
    pytest.param(
        {"universe": "AAPL"},
        [
            "3:11: RC011 `universe` must be a list of symbols, or a mapping with `symbols`, `files` and `exclude`, not `AAPL`"
        ],
        id="text",
    ),
    pytest.param({"universe": "[]"}, ["3:11: RC026 the universe is empty; list at least one symbol"], id="empty-list"),
    pytest.param(
        {"universe": ""},
        [
            "3:10: RC011 `universe` must be a list of symbols, or a mapping with `symbols`, `files` and `exclude`, not nothing"
        ],
        id="nothing",
    ),
    pytest.param(
        {"universe": "{}"}, ["3:11: RC026 the universe is empty; list at least one symbol"], id="empty-mapping"
    ),
    pytest.param(
        {"universe": "{symbol: [AAPL]}"},
        ["3:12: RC009 unknown key `symbol`; did you mean `symbols`?"],
        id="unknown-key",
    ),
    pytest.param(
        {"universe": "{symbols: [A], exclude: [A]}"},
        ["3:11: RC026 the universe is empty; list at least one symbol"],
        id="all-excluded",
    ),
    pytest.param(
        {"universe": "{symbols: [A, B], exclude: [C, A, A]}"},
        [
            "3:39: RC025 `C` is excluded, but not in the universe; remove it here",
            "3:45: RC024 `A` is already listed at line 3, column 42",
        ],
        id="exclusions",
    ),
    pytest.param(
        {"universe": "{symbols: A, files: 5, exclude: {}}"},
        [
            "3:21: RC011 `symbols` must be a list, not `A`",
            "3:31: RC011 `files` must be a list, not `5`",
            "3:43: RC011 `exclude` must be a list, not a mapping",
        ],
        id="wrong-kinds",
    ),
    pytest.param(
        {
            "universe": "[BRK-B, aapl, brk-b, BATCH_1, US_BATCH_2, 'A B', \"A,B\", 1E5, CSP1, 'TAOP:NASDAQ', A., '', ~, [A], {B: C}, AAPL, AAPL, É]"
        },
        [
            "3:12: RC021 for `BRK-B` use `BRK.B`: the provider refuses the dash form",
            "3:19: RC022 `aapl` must be in upper case: `AAPL`",
            "3:25: RC021 for `brk-b` use `BRK.B`: the provider refuses the dash form",
            "3:32: RC023 `BATCH_1` is the label of a batch, not a symbol; list its members",
            "3:41: RC023 `US_BATCH_2` is the label of a batch, not a symbol; list its members",
            "3:53: RC020 `A B` is not one symbol; write one an item, without blanks",
            "3:60: RC020 `A,B` is not one symbol; write one an item, without blanks",
            "3:67: RC020 `1E5` is not a symbol; only A-Z, and dots between letters, are allowed",
            "3:72: RC020 `CSP1` is not a symbol; only A-Z, and dots between letters, are allowed",
            "3:78: RC020 `TAOP:NASDAQ` is not a symbol; only A-Z, and dots between letters, are allowed",
            "3:93: RC020 `A.` is not a symbol; only A-Z, and dots between letters, are allowed",
            "3:97: RC020 an empty symbol; remove it, or put a symbol there",
            "3:101: RC020 `~` is not a symbol; only A-Z, and dots between letters, are allowed",
            "3:104: RC011 an item of `symbols` must be text, not a list",
            "3:109: RC011 an item of `symbols` must be text, not a mapping",
            "3:123: RC024 `AAPL` is already listed at line 3, column 117",
            "3:129: RC020 `É` is not a symbol; only A-Z, and dots between letters, are allowed",
        ],
        id="symbols",
    ),
    pytest.param(
        {"universe": '{files: [nope.txt, ., "a\\0b"]}'},
        [
            "3:20: RC027 file of symbols `nope.txt`: no such file; check the path; the path is relative to the folder of this file",
            "3:30: RC027 file of symbols `.`: is a folder; name a file in it; the path is relative to the folder of this file",
            "3:33: RC027 file of symbols `'a\\x00b'`: not a lawful file name; the path is relative to the folder of this file",
        ],
        id="files-that-cannot-be-read",
    ),
]


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_wrong_universe_is_reported_at_its_place(
    problems_of: Callable[[Written], list[str]], written: Written, expected: list[str]
) -> None:
    assert problems_of(written) == expected


def test_problem_in_a_file_of_symbols_names_that_file(
    problems_of: Callable[[Written], list[str]], folder: Path
) -> None:
    Path("us.txt").write_text("# list\nAAPL\nMSFT  # two\n\n  brk-b\nMSFT\nAA BB\r\nIBM\r\n")
    assert problems_of({"universe": "{symbols: [AAPL], files: [us.txt]}"}) == [
        "us.txt:5:3: RC021 for `brk-b` use `BRK.B`: the provider refuses the dash form",
        "us.txt:6:1: RC024 `MSFT` is already listed at line 3, column 1",
        "us.txt:7:1: RC020 `AA BB` is not one symbol; write one an item, without blanks",
    ]


def test_file_of_symbols_in_another_encoding_names_the_byte(
    problems_of: Callable[[Written], list[str]], folder: Path
) -> None:
    Path("latin.txt").write_bytes(b"AAPL\nM\xe9\n")
    assert problems_of({"universe": "{files: [latin.txt]}"}) == [
        "latin.txt:2:2: RC027 file of symbols `latin.txt`: not UTF-8 text; save the file as UTF-8"
    ]


def test_unprintable_symbol_is_shown_escaped_and_short(problems_of: Callable[[Written], list[str]]) -> None:
    (problem,) = problems_of({"universe": '["\\e[31m' + "A" * 80 + '"]'})
    assert (
        problem
        == f"3:12: RC020 `'\\x1b[31m{'A' * 48}...` is not a symbol; only A-Z, and dots between letters, are allowed"
    )


def test_every_code_is_unique_and_explained() -> None:
    assert set(CODES) == set(Code)
    assert len(set(CODES.values())) == len(Code)
