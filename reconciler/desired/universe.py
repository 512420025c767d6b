"""Lists and files of symbols -> the universe, each symbol with the place that names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.desired.model import SYMBOL_PATTERN
from reconciler.desired.problems import Code, Position, Report, quote
from reconciler.desired.texts import UnreadableTextError, read_text

Listed = Iterable[tuple[str, Position]]

_SYMBOL = re.compile(SYMBOL_PATTERN)
_LABEL = re.compile(r"([A-Z]+_)?BATCH_?[0-9]+", re.IGNORECASE)


def collect_symbols(listed: Listed, report: Report) -> dict[str, Position]:
    """Symbol -> where it is listed, in order; malformed and repeated ones go to ``report``."""
    symbols: dict[str, Position] = {}
    for text, at in listed:
        if not _SYMBOL.fullmatch(text):
            report.add(at, *explain_symbol(text))
        elif text in symbols:
            first = symbols[text]
            place = f"line {first.line}, column {first.column}"
            report.add(at, Code.SYMBOL_TWICE, f"{quote(text)} is already listed at {place}")
        else:
            symbols[text] = at
    return symbols


def explain_symbol(text: str) -> tuple[Code, str]:
    """Why ``text`` is not a symbol, and what to write in its place."""
    upper = text.upper()
    dotted = upper.replace("-", ".")
    if not text:
        return Code.SYMBOL_FORM, "an empty symbol; remove it, or put a symbol there"
    if _LABEL.fullmatch(text):
        return Code.SYMBOL_LABEL, f"{quote(text)} is the label of a batch, not a symbol; list its members"
    if text.isascii() and _SYMBOL.fullmatch(upper):
        return Code.SYMBOL_CASE, f"{quote(text)} must be in upper case: `{upper}`"
    if text.isascii() and _SYMBOL.fullmatch(dotted):
        return Code.SYMBOL_DASH, f"for {quote(text)} use `{dotted}`: the provider refuses the dash form"
    if re.search(r"[\s,;]", text):
        return Code.SYMBOL_FORM, f"{quote(text)} is not one symbol; write one an item, without blanks"
    return Code.SYMBOL_FORM, f"{quote(text)} is not a symbol; only A-Z, and dots between letters, are allowed"


def read_symbol_file(name: str, base: Path, at: Position, report: Report) -> dict[str, Position]:
    """The symbols of the file ``name`` in folder ``base``; ``at`` is where the file is named.

    One symbol a line; ``#`` starts a comment; empty lines are skipped.
    """
    path = base / name
    try:
        text = read_text(path)
    except UnreadableTextError as error:
        where = error.at if error.code is Code.NOT_UTF8 else at
        hint = "; the path is relative to the folder of this file" if where is at else ""
        report.add(where, Code.SYMBOL_FILE, f"file of symbols {quote(name)}: {error.message}{hint}")
        return {}
    return collect_symbols(_symbols_of_lines(text, str(path)), report)


def _symbols_of_lines(text: str, file: str) -> Iterator[tuple[str, Position]]:
    for number, line in enumerate(text.split("\n"), start=1):
        symbol = line.partition("#")[0].strip()
        if symbol:
            yield symbol, Position(file, number, line.index(symbol) + 1)


def exclude_symbols(symbols: dict[str, Position], excluded: dict[str, Position], report: Report) -> dict[str, Position]:
    """``symbols`` less ``excluded``; an excluded symbol that is not there goes to ``report``."""
    for symbol, at in excluded.items():
        if symbol not in symbols:
            message = f"`{symbol}` is excluded, but not in the universe; remove it here"
            report.add(at, Code.EXCLUDE_UNKNOWN, message)
    return {symbol: at for symbol, at in symbols.items() if symbol not in excluded}
