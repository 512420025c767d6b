# ruff: noqa: E501 - an expected problem is one line, as users see it
from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

Written = str | Mapping[str, str | None]
VALID = "version: 1\nname: us\nuniverse: [AAPL, MSFT]\ntimeframes: [m15, d1]\nactive_phase: 1\n"

CASES = [
    pytest.param("", ["1:1: RC004 the file holds no settings; `version: 1` comes first"], id="empty-file"),
    pytest.param(
        "# nothing\n", ["1:1: RC004 the file holds no settings; `version: 1` comes first"], id="only-comments"
    ),
    pytest.param("- a\n", ["1:1: RC011 the file must be a mapping of keys, not a list"], id="root-is-a-list"),
    pytest.param("x", ["1:1: RC011 the file must be a mapping of keys, not `x`"], id="root-is-text"),
    pytest.param(
        "version: 1\nname: a\u0001\n", ["2:8: RC003 a control character; YAML allows only text"], id="control-character"
    ),
    pytest.param(
        VALID + "---\n" + VALID, ["6:1: RC005 a second document starts here; one file holds one"], id="two-documents"
    ),
    pytest.param(
        {"name": "!!str us"}, ["2:7: RC006 the tag `!!str` is not supported; write the plain value"], id="standard-tag"
    ),
    pytest.param(
        {"universe": "!include us.txt"},
        [
            "3:11: RC006 the tag `!include` is not supported; write the plain value",
            "3:11: RC011 `universe` must be a list of symbols, or a mapping with `symbols`, `files` and `exclude`, not `us.txt`",
        ],
        id="application-tag",
    ),
    pytest.param(
        {"universe": f"[&a AAPL{', *a' * 21}]"},
        ["3:101: RC007 more than 20 aliases; write the values out"],
        id="too-many-aliases",
    ),
    pytest.param(
        {"provider": "&a {feed: *a}"},
        ["6:11: RC014 `feed` must be `sip`, `iex`, `otc` or `boats`, not a mapping"],
        id="recursive-alias",
    ),
    pytest.param(VALID + "name: eu\n", ["6:1: RC008 `name` was already given at line 2, column 1"], id="key-twice"),
    pytest.param(
        {"timeframes": "[m15, d1, m15]"},
        ["4:23: RC008 `m15` was already given at line 4, column 14"],
        id="timeframe-listed-twice",
    ),
    pytest.param(
        {"timeframes": "{m15: , m15: {phase: 2}}"},
        ["4:21: RC008 `m15` was already given at line 4, column 14"],
        id="timeframe-key-twice",
    ),
    pytest.param(
        VALID + "? [a]\n: 1\n", ["6:3: RC011 a key, or the name of a timeframe, must be text"], id="key-is-a-list"
    ),
    pytest.param(
        {"batch_size": "050"},
        ["6:13: RC013 `050` is octal, base 60 or grouped in YAML; write plain decimal digits"],
        id="octal",
    ),
    pytest.param(
        {"batch_size": "0o50"},
        ["6:13: RC013 `0o50` is octal, base 60 or grouped in YAML; write plain decimal digits"],
        id="octal-0o",
    ),
    pytest.param(
        {"batch_size": "0x32"},
        ["6:13: RC013 `0x32` is octal, base 60 or grouped in YAML; write plain decimal digits"],
        id="hexadecimal",
    ),
    pytest.param(
        {"batch_size": "1:30"},
        ["6:13: RC013 `1:30` is octal, base 60 or grouped in YAML; write plain decimal digits"],
        id="base-60",
    ),
    pytest.param(
        {"batch_size": "1_0"},
        ["6:13: RC013 `1_0` is octal, base 60 or grouped in YAML; write plain decimal digits"],
        id="grouped-digits",
    ),
]


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_yaml_trap_is_reported_at_its_place(
    problems_of: Callable[[Written], list[str]], written: Written, expected: list[str]
) -> None:
    assert problems_of(written) == expected


SYNTAX = [
    pytest.param(
        "version: 1\nname: [us\nx: 1\n", "3:2: RC003 not valid YAML: while parsing a flow sequence", id="open"
    ),
    pytest.param({"universe": "*a"}, "3:11: RC003 not valid YAML: found undefined alias", id="undefined-alias"),
    pytest.param({"name": "'us"}, "6:1: RC003 not valid YAML: while scanning a quoted scalar", id="open-quote"),
]


@pytest.mark.parametrize(("written", "beginning"), SYNTAX)
def test_syntax_error_is_reported_where_the_parser_stops(
    problems_of: Callable[[Written], list[str]], written: Written, beginning: str
) -> None:
    (problem,) = problems_of(written)
    assert problem.startswith(beginning)


def test_tab_as_indentation_says_so(problems_of: Callable[[Written], list[str]]) -> None:
    (problem,) = problems_of("version: 1\nprovider:\n\tfeed: sip\n")
    assert problem.startswith("3:1: RC003 ")
    assert problem.endswith("; indent with blanks, not with a tab")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("[" * 200_000 + "]" * 200_000, "1:101:", id="lists"),
        pytest.param("{a: " * 200_000, "1:401:", id="mappings"),
        pytest.param("- " * 101, "1:201:", id="block"),
    ],
)
def test_endless_nesting_is_a_problem_and_no_crash(
    problems_of: Callable[[Written], list[str]], text: str, place: str
) -> None:
    assert problems_of(text) == [f"{place} RC003 nested beyond reason; no key lies deeper than four"]


def test_escape_beyond_unicode_is_a_problem(problems_of: Callable[[Written], list[str]]) -> None:
    (problem,) = problems_of('name: "\\U00110000"\n')
    assert " RC003 " in problem


def test_twenty_aliases_are_allowed(load: Callable[[Written], object]) -> None:
    assert load({"timeframes": "{m15: &a {history: 5d}, h1: *a, h4: *a}"})


def test_sign_that_may_begin_a_tag_is_no_tag_inside_text(load: Callable[[Written], object]) -> None:
    assert load({"name": "us # not a !tag, not an *alias"})
