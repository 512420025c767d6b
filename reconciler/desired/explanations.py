"""Validation errors of the document's models -> a code and a sentence that says what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from reconciler.desired.document import Document, ProviderSection, TimeframeSection, UniverseSection
from reconciler.desired.durations import DURATION_ERROR
from reconciler.desired.model import StrictModel
from reconciler.desired.nodes import Path
from reconciler.desired.problems import Code, list_choices, quote
from reconciler.timeframes import Timeframe

Explanation = tuple[Code, str]

_SECTIONS: Mapping[str, type[StrictModel]] = {
    "universe": UniverseSection,
    "timeframes": TimeframeSection,
    "provider": ProviderSection,
}
_MAPPINGS: Mapping[Path, str] = {
    ("universe",): "a list of symbols, or a mapping with `symbols`, `files` and `exclude`",
    ("timeframes",): "a list of names, or a mapping of names to settings",
}
_PROVIDER_SPELLING = re.compile(r"([0-9]+) *([a-z])[a-z]*", re.IGNORECASE)
"""``15Min``, ``1Hour``, ``1Day``: how the provider's API writes a timeframe."""


@dataclass(frozen=True)
class Mistake:
    """A validation error of kind ``type`` at ``path``.

    ``found`` is what the file has there, ready to print; ``value`` is what validation saw, and
    ``context`` and ``detail`` are what it says about its rule.
    """

    type: str
    path: Path
    found: str
    value: object
    context: Mapping[str, Any]
    detail: str

    @property
    def key(self) -> str:
        """The last step of the path; for an item of a list its number."""
        return str(self.path[-1])

    @property
    def name(self) -> str:
        """The key, ready to print: it may be anything where a timeframe's name belongs."""
        return quote(self.key)


def explain(mistake: Mistake) -> Explanation:
    """Code and message for ``mistake``."""
    if mistake.path == ("provider", "adjustment"):
        return Code.ADJUSTMENT, (
            f"`adjustment` must be `raw`, not {mistake.found}: corporate actions are not handled yet, "
            "so adjusted bars would silently go out of date"
        )
    rule = _RULES.get(mistake.type, _explain_otherwise)
    return rule(mistake)


def _explain_missing(mistake: Mistake) -> Explanation:
    description = Document.model_fields[mistake.key].description
    return Code.MISSING_KEY, f"{mistake.name} is required: {description}"


def _explain_unknown(mistake: Mistake) -> Explanation:
    *parent, key = map(str, mistake.path)
    known = (_SECTIONS[parent[0]] if parent else Document).model_fields
    home = next((name for name, model in _SECTIONS.items() if key in model.model_fields), None)
    if home and not parent:
        hint = f"; it belongs under `{home}`"
    elif parent and key in Document.model_fields:
        hint = "; it belongs at the top of the file, not indented"
    else:
        hint = _suggest(key, known) or f"; known here: {list_choices(list(known))}"
    return Code.UNKNOWN_KEY, f"unknown key {mistake.found}{hint}"


def _explain_timeframe(mistake: Mistake) -> Explanation:
    respelt = _PROVIDER_SPELLING.fullmatch(mistake.key)
    guess = f"{respelt[2]}{respelt[1]}".lower() if respelt else mistake.key.lower()
    hint = _suggest(guess, Timeframe) or f"; known: {list_choices(list(Timeframe))}"
    return Code.TIMEFRAME, f"unknown timeframe {mistake.found}{hint}"


def _explain_choice(mistake: Mistake) -> Explanation:
    expected = mistake.context["expected"].replace("'", "`")
    hint = _suggest(str(mistake.value), re.findall("`([a-z]+)`", expected))
    return Code.NOT_A_CHOICE, f"{mistake.name} must be {expected}, not {mistake.found}{hint}"


def _explain_number(mistake: Mistake) -> Explanation:
    return Code.WRONG_KIND, f"{mistake.name} must be a whole number, not {mistake.found}"


def _explain_bound(mistake: Mistake) -> Explanation:
    bounds = mistake.context
    bound = f"at least {bounds['ge']}" if "ge" in bounds else f"at most {bounds['le']}"
    return Code.OUT_OF_RANGE, f"{mistake.name} must be {bound}, not {mistake.found}"


def _explain_text(mistake: Mistake) -> Explanation:
    if isinstance(mistake.path[-1], int):
        return Code.WRONG_KIND, f"an item of `{mistake.path[-2]}` must be text, not {mistake.found}"
    hint = "; put it in quotes" if isinstance(mistake.value, int) else ""
    return Code.WRONG_KIND, f"{mistake.name} must be text, not {mistake.found}{hint}"


def _explain_form(mistake: Mistake) -> Explanation:
    pattern = mistake.context["pattern"]
    respelt = re.sub(r"[^a-z0-9_-]+", "-", str(mistake.value).lower()).strip("-")
    hint = f"; did you mean `{respelt}`?" if re.fullmatch(pattern, respelt) else ""
    return Code.FORM, f"{mistake.name} must match `{pattern}`, not {mistake.found}{hint}"


def _explain_duration(mistake: Mistake) -> Explanation:
    return Code.DURATION, f"{mistake.name} {mistake.detail}, not {mistake.found}"


def _explain_list(mistake: Mistake) -> Explanation:
    return Code.WRONG_KIND, f"{mistake.name} must be a list, not {mistake.found}"


def _explain_mapping(mistake: Mistake) -> Explanation:
    expected = _MAPPINGS.get(mistake.path, "a mapping of keys to values")
    return Code.WRONG_KIND, f"{mistake.name} must be {expected}, not {mistake.found}"


def _explain_too_short(mistake: Mistake) -> Explanation:
    return Code.NO_TIMEFRAMES, f"{mistake.name} is empty; known: {list_choices(list(Timeframe))}"


def _explain_otherwise(mistake: Mistake) -> Explanation:
    return Code.WRONG_KIND, f"{mistake.name}: {mistake.detail}, not {mistake.found}"


_RULES: Mapping[str, Callable[[Mistake], Explanation]] = {
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
    "too_short": _explain_too_short,
}


def _suggest(word: str, known: Iterable[str]) -> str:
    matches = get_close_matches(word, list(known), n=1)
    return f"; did you mean `{matches[0]}`?" if matches else ""
