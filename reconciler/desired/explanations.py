"""Validation errors of the document's models -> a code and a sentence that says what to write. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reconciler.desired.document import Document, ProviderSection, TimeframeSection, UniverseSection
from reconciler.desired.durations import DURATION_ERROR
from reconciler.desired.model import StrictModel
from reconciler.desired.nodes import Path
from reconciler.desired.problems import Code, list_choices
from reconciler.timeframes import Timeframe

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Explanation = tuple[Code, str]

_SECTIONS: dict[str, type[StrictModel]] = {
    "universe": UniverseSection,
    "timeframes": TimeframeSection,
    "provider": ProviderSection,
}
_MAPPINGS = {
    ("universe",): "a list of symbols, or a mapping with `symbols`, `files` and `exclude`",
    ("timeframes",): "a list of names, or a mapping of names to settings",
}
_PROVIDER_SPELLING = re.compile(r"([0-9]+) *([a-z])[a-z]*", re.IGNORECASE)


def explain(error: ErrorDetails, path: Path, found: str) -> Explanation:
    """Code and message for ``error`` at ``path``; ``found`` is what the file has there, ready to print."""
    if path[-1] == "adjustment":
        return Code.ADJUSTMENT, (
            f"`adjustment` must be `raw`, not {found}: corporate actions are not handled yet, "
            "so adjusted bars would silently go out of date"
        )
    rule = _RULES.get(error["type"], _explain_otherwise)
    return rule(error, path, found)


def _explain_missing(error: ErrorDetails, path: Path, found: str) -> Explanation:
    key = str(path[-1])
    description = Document.model_fields[key].description
    return Code.MISSING_KEY, f"`{key}` is required: {description}"


def _explain_unknown(error: ErrorDetails, path: Path, found: str) -> Explanation:
    key = str(path[-1])
    known = _model_at(path[:-1]).model_fields
    home = next((name for name, model in _SECTIONS.items() if key in model.model_fields), None)
    if home and len(path) == 1:
        hint = f"; it belongs under `{home}`"
    elif key in Document.model_fields:
        hint = "; it belongs at the top of the file, not indented"
    else:
        hint = _suggest(key, known) or f"; known here: {list_choices(list(known))}"
    return Code.UNKNOWN_KEY, f"unknown key {found}{hint}"


def _explain_timeframe(error: ErrorDetails, path: Path, found: str) -> Explanation:
    key = str(path[-1])
    respelt = _PROVIDER_SPELLING.fullmatch(key)
    guess = f"{respelt[2]}{respelt[1]}".lower() if respelt else key.lower()
    hint = _suggest(guess, Timeframe) or f"; known: {list_choices(list(Timeframe))}"
    return Code.TIMEFRAME, f"unknown timeframe {found}{hint}"


def _explain_choice(error: ErrorDetails, path: Path, found: str) -> Explanation:
    expected = error.get("ctx", {})["expected"].replace("'", "`")
    hint = _suggest(found.strip("`"), re.findall("`([a-z]+)`", expected))
    return Code.NOT_A_CHOICE, f"`{path[-1]}` must be {expected}, not {found}{hint}"


def _explain_number(error: ErrorDetails, path: Path, found: str) -> Explanation:
    return Code.WRONG_KIND, f"`{path[-1]}` must be a whole number, not {found}"


def _explain_bound(error: ErrorDetails, path: Path, found: str) -> Explanation:
    context: dict[str, Any] = error.get("ctx", {})
    bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
    return Code.OUT_OF_RANGE, f"`{path[-1]}` must be {bound}, not {found}"


def _explain_text(error: ErrorDetails, path: Path, found: str) -> Explanation:
    if isinstance(path[-1], int):
        return Code.WRONG_KIND, f"an item of `{path[-2]}` must be text, not {found}"
    hint = "; put it in quotes" if isinstance(error["input"], int) else ""
    return Code.WRONG_KIND, f"`{path[-1]}` must be text, not {found}{hint}"


def _explain_form(error: ErrorDetails, path: Path, found: str) -> Explanation:
    pattern = error.get("ctx", {})["pattern"]
    respelt = re.sub(r"[^a-z0-9_-]+", "-", str(error["input"]).lower()).strip("-")
    hint = f"; did you mean `{respelt}`?" if re.fullmatch(pattern, respelt) else ""
    return Code.FORM, f"`{path[-1]}` must match `{pattern}`, not {found}{hint}"


def _explain_duration(error: ErrorDetails, path: Path, found: str) -> Explanation:
    return Code.DURATION, f"`{path[-1]}` {error['msg']}, not {found}"


def _explain_list(error: ErrorDetails, path: Path, found: str) -> Explanation:
    return Code.WRONG_KIND, f"`{path[-1]}` must be a list, not {found}"


def _explain_mapping(error: ErrorDetails, path: Path, found: str) -> Explanation:
    expected = _MAPPINGS.get(tuple(map(str, path)), "a mapping of keys to values")
    return Code.WRONG_KIND, f"`{path[-1]}` must be {expected}, not {found}"


def _explain_none(error: ErrorDetails, path: Path, found: str) -> Explanation:
    return Code.NO_TIMEFRAMES, f"name at least one timeframe: {list_choices(list(Timeframe))}"


def _explain_otherwise(error: ErrorDetails, path: Path, found: str) -> Explanation:
    return Code.WRONG_KIND, f"`{path[-1]}`: {error['msg']}, not {found}"


_RULES: dict[str, Callable[[ErrorDetails, Path, str], Explanation]] = {
    "missing": _explain_missing,
    "extra_forbidden": _explain_unknown,
    "enum": _explain_timeframe,
    "literal_error": _explain_choice,
    "int_type": _explain_number,
    "greater_than_equal": _explain_bound,
    "less_than_equal": _explain_bound,
    "string_type": _explain_text,
    "string_pattern_mismatch": _explain_form,
    DURATION_ERROR: _explain_duration,
    "list_type": _explain_list,
    "dict_type": _explain_mapping,
    "model_type": _explain_mapping,
    "too_short": _explain_none,
}


def _model_at(path: Path) -> type[StrictModel]:
    return _SECTIONS[str(path[0])] if path else Document


def _suggest(word: str, known: Iterable[str]) -> str:
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{matches[0]}`?" if matches else ""
