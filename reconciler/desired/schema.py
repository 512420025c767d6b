"""The JSON Schema of the desired-state file, for editors; generated from the document's models.

It is weaker than the loader: a schema cannot see a repeated symbol, a file of symbols or a position.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import TypeAdapter

from reconciler.desired.document import Document, SymbolText, UniverseSection
from reconciler.desired.model import TIMEFRAME_DEFAULTS
from reconciler.timeframes import Timeframe

JsonObject = dict[str, Any]


def build_schema() -> JsonObject:
    """JSON Schema, draft 2020-12, of the file with its shorthands; equal on every call."""
    generated = Document.model_json_schema()
    sections: JsonObject = generated["$defs"]
    properties: JsonObject = generated["properties"]
    properties["universe"] = _universe(properties["universe"]["description"])
    properties["timeframes"] = _timeframes(properties["timeframes"]["description"], sections["TimeframeSection"])
    properties["provider"].pop("default")  # the section's own defaults say the same
    _settle_after(sections["ProviderSection"]["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Desired state of market-data ingestion",
        **{key: value for key, value in generated.items() if key not in {"$defs", "title"}},
        "$defs": {name: sections[name] for name in ("UniverseSection", "ProviderSection")},
    }


def render_schema() -> str:
    """The text of ``config/desired-state.schema.json``."""
    return json.dumps(build_schema(), indent=2) + "\n"


def _universe(description: str) -> JsonObject:
    listed = TypeAdapter(list[SymbolText]).json_schema()
    section = {"$ref": f"#/$defs/{UniverseSection.__name__}"}
    return {"description": description, "anyOf": [{**listed, "minItems": 1, "uniqueItems": True}, section]}


def _timeframes(description: str, section: JsonObject) -> JsonObject:
    names = [timeframe.value for timeframe in Timeframe]
    listed = {"type": "array", "items": {"enum": names}, "minItems": 1, "uniqueItems": True}
    mapping = {
        "type": "object",
        "properties": {timeframe.value: _timeframe(timeframe, section) for timeframe in Timeframe},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"description": description, "anyOf": [listed, mapping]}


def _timeframe(timeframe: Timeframe, section: JsonObject) -> JsonObject:
    days, priority = TIMEFRAME_DEFAULTS[timeframe]
    properties = {name: _flatten(settings) for name, settings in section["properties"].items()}
    properties["history"]["default"] = f"{days}d"
    properties["priority"]["default"] = priority
    return {**section, "title": timeframe.value, "type": ["object", "null"], "properties": properties}


def _settle_after(properties: JsonObject) -> None:
    properties["settle_after"] = _flatten(properties["settle_after"])


def _flatten(setting: JsonObject) -> JsonObject:
    """``setting`` without ``anyOf`` and ``default: null``, of which editors would offer null first."""
    (wanted,) = (kind for kind in setting["anyOf"] if kind != {"type": "null"})
    flat = {**wanted, "title": setting["title"], "description": setting["description"]}
    flat["type"] = [wanted["type"], "null"]
    if "enum" in wanted:
        flat["enum"] = [*wanted["enum"], None]
    return flat


if __name__ == "__main__":
    sys.stdout.write(render_schema())
