"""Problem codes, and the list that every mistake found in a file goes into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from reconciler.errors import Problem


class Code(StrEnum):
    """A stable name for each kind of mistake; a code is never reused for another kind."""

    UNREADABLE = "RC001"
    NOT_UTF8 = "RC002"
    SYNTAX = "RC003"
    EMPTY_FILE = "RC004"
    MANY_DOCUMENTS = "RC005"
    TAG = "RC006"
    ALIASES = "RC007"
    DUPLICATE_KEY = "RC008"
    UNKNOWN_KEY = "RC009"
    MISSING_KEY = "RC010"
    WRONG_KIND = "RC011"
    OUT_OF_RANGE = "RC012"
    AMBIGUOUS_NUMBER = "RC013"
    NOT_A_CHOICE = "RC014"
    FORM = "RC015"
    DURATION = "RC016"
    ADJUSTMENT = "RC017"
    TIMEFRAME = "RC018"
    NO_TIMEFRAMES = "RC019"
    SYMBOL_FORM = "RC020"
    SYMBOL_DASH = "RC021"
    SYMBOL_CASE = "RC022"
    SYMBOL_LABEL = "RC023"
    SYMBOL_TWICE = "RC024"
    EXCLUDE_UNKNOWN = "RC025"
    EMPTY_UNIVERSE = "RC026"
    SYMBOL_FILE = "RC027"


CODES = {
    Code.UNREADABLE: "The file cannot be read: it is missing, a folder, or not permitted.",
    Code.NOT_UTF8: "The file is not UTF-8 text.",
    Code.SYNTAX: "The file is not valid YAML, or is nested beyond reason.",
    Code.EMPTY_FILE: "The file holds no settings.",
    Code.MANY_DOCUMENTS: "The file holds more than one YAML document.",
    Code.TAG: "A YAML tag (`!!str`, `!env`) is used; none is supported.",
    Code.ALIASES: "More YAML aliases (`*name`) than the cap allows.",
    Code.DUPLICATE_KEY: "A key or a timeframe is written twice; YAML alone would silently keep the last.",
    Code.UNKNOWN_KEY: "A key that does not exist, or not at this place.",
    Code.MISSING_KEY: "A required key is missing.",
    Code.WRONG_KIND: "A value of the wrong kind: text for a number, a scalar for a list, and so on.",
    Code.OUT_OF_RANGE: "A number outside its bounds.",
    Code.AMBIGUOUS_NUMBER: "A number that YAML reads otherwise than it looks: octal, base 60, hex, `1_000`.",
    Code.NOT_A_CHOICE: "A value outside a closed set.",
    Code.FORM: "A name with characters, or of a length, that is not allowed.",
    Code.DURATION: "A duration without a known unit, or outside its bounds.",
    Code.ADJUSTMENT: "An adjustment other than `raw`: corporate actions are not handled yet.",
    Code.TIMEFRAME: "An unknown timeframe.",
    Code.NO_TIMEFRAMES: "The file names no timeframe.",
    Code.SYMBOL_FORM: "Not a symbol: upper-case letters, and dots between them, are allowed.",
    Code.SYMBOL_DASH: "A share class written with a dash; the provider writes it with a dot.",
    Code.SYMBOL_CASE: "A symbol in lower case.",
    Code.SYMBOL_LABEL: "The label of a batch (`BATCH_1`) where a symbol is expected.",
    Code.SYMBOL_TWICE: "A symbol is listed twice in one list or file.",
    Code.EXCLUDE_UNKNOWN: "A symbol is excluded that no list contains.",
    Code.EMPTY_UNIVERSE: "The universe is empty.",
    Code.SYMBOL_FILE: "A file of symbols cannot be read, or is not UTF-8 text.",
}
"""What each code means, in one line; the manual's table is made from it."""


class Position(NamedTuple):
    """A place in a file; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int


@dataclass
class Report:
    """Collects problems, so that a user sees all of them at once."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, at: Position, code: Code, message: str) -> None:
        self.problems.append(Problem(*at, code, message))


def quote(text: str) -> str:
    """``text`` in backticks, on one line of at most 62 characters, safe to print on any terminal."""
    shown = text if text.isprintable() else ascii(text)
    return f"`{shown}`" if len(shown) <= 60 else f"`{shown[:57]}...`"


def list_choices(choices: Sequence[str]) -> str:
    """``a``, ``b`` or ``c``, each in backticks."""
    quoted = [f"`{choice}`" for choice in choices]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
