"""The committed schema is current, takes every file that the loader takes, and sees the plain mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.desired.document import Document, ProviderSection, TimeframeSection, UniverseSection
from reconciler.desired.loader import load_config
from reconciler.desired.schema import build_schema, render_schema

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "config" / "desired-state.schema.json"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
Rule = Callable[[Any, Any], bool]
"""Whether a value (of the kind the keyword is about) keeps to the keyword's argument."""

REMARKS = {"$schema", "$defs", "title", "description", "default", "examples"}
KINDS = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list, "object": dict}
RULES: dict[str, tuple[type, Rule]] = {
    "type": (object, lambda value, kinds: type(value) in [KINDS[kind] for kind in _as_list(kinds)]),
    "enum": (object, lambda value, choices: value in choices),
    "const": (object, lambda value, only: value == only),
    "pattern": (str, lambda value, pattern: re.search(pattern, value) is not None),
    "minimum": (int, lambda value, least: value >= least),
    "maximum": (int, lambda value, most: value <= most),
    "required": (dict, lambda value, keys: value.keys() >= set(keys)),
    "minItems": (list, lambda value, least: len(value) >= least),
    "minProperties": (dict, lambda value, least: len(value) >= least),
    "uniqueItems": (list, lambda value, _: len(set(value)) == len(value)),
}


def _as_list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def violations(value: object, schema: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """Where ``value`` breaks ``schema``, for the keywords that our schema uses; another keyword is an error."""
    yield from _violations_inside(value, schema, at)
    if "$ref" in schema:
        yield from violations(value, build_schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")], at)
    if "anyOf" in schema and all(any(violations(value, option, at)) for option in schema["anyOf"]):
        yield f"{at}: anyOf"
    for keyword in schema.keys() - REMARKS - {"$ref", "anyOf", "properties", "additionalProperties", "items"}:
        kind, rule = RULES[keyword]
        if isinstance(value, kind) and not rule(value, schema[keyword]):
            yield f"{at}: {keyword}"


def _violations_inside(value: object, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if isinstance(value, dict) and "properties" in schema:
        assert schema["additionalProperties"] is False
        if value.keys() - schema["properties"].keys():
            yield f"{at}: additionalProperties"
        for key in value.keys() & schema["properties"].keys():
            yield from violations(value[key], schema["properties"][key], f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from violations(item, schema["items"], f"{at}[{index}]")


def violations_of(text: str) -> list[str]:
    return list(violations(yaml.safe_load(text), build_schema()))


def test_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == render_schema()


def test_module_prints_the_schema() -> None:
    command = [sys.executable, "-m", "reconciler.desired.schema"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == render_schema()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_loads_and_fits_its_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert load_config(path).config
    assert violations_of(text) == []
    assert text.startswith("# yaml-language-server: $schema=../config/desired-state.schema.json\n")
    assert (path.parent / "../config/desired-state.schema.json").resolve() == COMMITTED


def _file(universe: str = "[AAPL]", timeframes: str = "[d1]", more: str = "") -> str:
    return f"version: 1\nname: us\nuniverse: {universe}\ntimeframes: {timeframes}\nactive_phase: 2\n{more}"


ACCEPTED = [
    pytest.param(_file(universe="[TRUE, 'ON', NULL, BRK.B]"), id="words-an-editor-takes-for-no-text"),
    pytest.param(_file(universe="{symbols: [A, B], files: [], exclude: [A]}"), id="universe-mapping"),
    pytest.param(
        _file(timeframes="{m15: , h1: {}, d1: {history: 2y, priority: 5, phase: 2}}"), id="timeframes-mapping"
    ),
    pytest.param(_file(timeframes="{m15: {history: , priority: , phase: }}"), id="nothing-means-default"),
    pytest.param(_file(more="provider: {feed: iex, settle_after: , dataset: a-b}\nbatch_size: 1\n"), id="provider"),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_file_that_loads_fits_the_schema(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    assert load_config(path).config
    assert violations_of(text) == []


REFUSED = [
    pytest.param(_file(universe="[brk-b]"), "$.universe: anyOf", id="symbol-form"),
    pytest.param(_file(universe="[]"), "$.universe: anyOf", id="empty-universe"),
    pytest.param(_file(timeframes="[w1]"), "$.timeframes: anyOf", id="timeframe"),
    pytest.param(_file(timeframes="{m15: {histry: 5d}}"), "$.timeframes: anyOf", id="timeframe-key"),
    pytest.param(_file(more="batch_size: 501\n"), "$.batch_size: maximum", id="batch-size"),
    pytest.param(_file(more="feed: iex\n"), "$: additionalProperties", id="unknown-key"),
    pytest.param(_file(more="provider: {adjustment: all}\n"), "$.provider.adjustment: const", id="adjustment"),
    pytest.param(_file(more="provider: {settle_after: 16min}\n"), "$.provider.settle_after: pattern", id="settle"),
    pytest.param("version: 1\n", "$: required", id="missing-keys"),
]


@pytest.mark.parametrize(("text", "violation"), REFUSED)
def test_schema_shows_plain_mistakes_while_typing(text: str, violation: str) -> None:
    assert violations_of(text) == [violation]


@pytest.mark.parametrize("model", [Document, UniverseSection, TimeframeSection, ProviderSection])
def test_every_key_is_described(model: type[Document]) -> None:
    assert all(field.description for field in model.model_fields.values())
