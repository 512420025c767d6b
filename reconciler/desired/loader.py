"""Reads a desired-state file: every default filled in, or every mistake reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.desired import nodes
from reconciler.desired.document import Document, ProviderSection, TimeframeSection, UniverseSection
from reconciler.desired.explanations import Mistake, explain
from reconciler.desired.model import TIMEFRAME_DEFAULTS, Config, Phase, Provider, TimeframeSpec
from reconciler.desired.model import default_settle_seconds as default_settle
from reconciler.desired.problems import Code, Position, Report, quote
from reconciler.desired.texts import STDIN_NAME, UnreadableTextError, read_stdin, read_text
from reconciler.desired.universe import collect_symbols, exclude_symbols, read_symbol_file
from reconciler.errors import ConfigError
from reconciler.timeframes import Timeframe

STDIN = Path("-")
_ABOUT_KEYS = frozenset({"extra_forbidden", "enum"})
"""Validation errors that speak of a key itself, not of its value."""

Lines = Mapping[tuple[str, ...], Position]


@dataclass(frozen=True)
class LoadedConfig:
    """A config and where the file says so.

    ``lines`` leads from a path of keys, such as ``("timeframes", "m15", "history")``, ``("universe",
    "AAPL")`` or ``("universe", "exclude", "AAPL")``, to its place in the file, or in the file of symbols.
    What the file leaves to a default has no entry.
    """

    config: Config
    path: Path
    lines: Lines


def load_config(path: Path) -> LoadedConfig:
    """The config in the file at ``path``; ``-`` is standard input.

    Files of symbols are read relative to the file's folder (for standard input: the current folder).
    Raises ``ConfigError`` with all problems, sorted by place.
    """
    report = Report()
    file = STDIN_NAME if path == STDIN else str(path)
    root = _compose(path, file, report)
    loading = _Loading(root, nodes.NodeReader(file, report), report, path.parent)
    document = loading.validate()
    universe = loading.read_universe()
    if document is None or report.problems:
        raise ConfigError(report.problems)
    return LoadedConfig(_resolve(document, universe.symbols), path, loading.lines(universe))


def _compose(path: Path, file: str, report: Report) -> MappingNode:
    try:
        text = read_stdin() if path == STDIN else read_text(path)
    except UnreadableTextError as error:
        report.add(error.at, error.code, error.message)
        raise ConfigError(report.problems) from error
    root = nodes.compose(text, file, report)
    if isinstance(root, MappingNode):
        return nodes.spell_out(root)
    if root is not None:
        at = nodes.NodeReader(file, report).position(root)
        report.add(at, Code.WRONG_KIND, f"the file must be a mapping of keys, not {_describe(root)}")
    raise ConfigError(report.problems)


@dataclass(frozen=True)
class _Universe:
    """Symbols, and the ones left out, each with the first place that names it."""

    symbols: Mapping[str, Position]
    excluded: Mapping[str, Position]


@dataclass(frozen=True)
class _Loading:
    """One file on its way; ``base`` is the folder that files of symbols are relative to."""

    root: MappingNode
    reader: nodes.NodeReader
    report: Report
    base: Path

    def validate(self) -> Document | None:
        """The document, or None with the reasons reported."""
        raw = self.reader.plain(self.root)
        try:
            return Document.model_validate(raw)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._add(details)
        return None

    def _add(self, error: ErrorDetails) -> None:
        path = tuple(step for step in error["loc"] if step != "[key]")
        key, value = self._locate(path)
        node = key if error["type"] in _ABOUT_KEYS else value
        at = self.reader.position(node)
        if at in self.reader.distrusted:
            return
        context = error.get("ctx", {})
        mistake = Mistake(error["type"], path, _describe(node), error["input"], context, error["msg"])
        self.report.add(at, *explain(mistake))

    def _locate(self, path: nodes.Path) -> tuple[Node, Node]:
        """The nodes of key and value at ``path``, or of its nearest parent in the file."""
        found: tuple[Node, Node] = (self.root, self.root)
        for step in path:
            child = nodes.find_child(found[1], step)
            if child is None:
                break
            found = child
        return found

    def read_universe(self) -> _Universe:
        """What is under ``universe``; problems with symbols and their files are reported."""
        before = len(self.report.problems)
        symbols = collect_symbols(self._listed("symbols"), self.report)
        for name, at in self._listed("files"):
            symbols = read_symbol_file(name, self.base, at, self.report) | symbols
        excluded = collect_symbols(self._listed("exclude"), self.report)
        symbols = exclude_symbols(symbols, excluded, self.report)
        if not symbols and len(self.report.problems) == before:
            self._add_empty_universe()
        return _Universe(symbols, excluded)

    def _add_empty_universe(self) -> None:
        """Silent where the universe is missing or malformed, which validation has reported."""
        section = self._locate(("universe",))[1]
        if section is self.root or not isinstance(section, MappingNode):
            return
        known = UniverseSection.model_fields
        if all(key.value in known and isinstance(value, SequenceNode) for key, value in section.value):
            at = self.reader.position(section)
            self.report.add(at, Code.EMPTY_UNIVERSE, "the universe is empty; list at least one symbol")

    def _listed(self, key: str) -> Iterator[tuple[str, Position]]:
        """The scalars of a list under ``universe``; validation reports whatever else is there."""
        node = self._locate(("universe", key))[1]
        if isinstance(node, SequenceNode):
            for item in node.value:
                if isinstance(item, ScalarNode):
                    yield item.value, self.reader.position(item)

    def lines(self, universe: _Universe) -> Lines:
        """Where each key, timeframe and symbol was written; for a file without problems."""
        lines: dict[tuple[str, ...], Position] = {}
        for key, value in self.root.value:
            self._add_lines((key.value,), key, value, lines)
        lines |= {("universe", symbol): at for symbol, at in universe.symbols.items()}
        lines |= {("universe", "exclude", symbol): at for symbol, at in universe.excluded.items()}
        return lines

    def _add_lines(self, path: tuple[str, ...], key: Node, value: Node, lines: dict[tuple[str, ...], Position]) -> None:
        lines[path] = self.reader.position(key)
        if isinstance(value, MappingNode):
            for name, child in value.value:
                self._add_lines((*path, name.value), name, child, lines)


def _describe(node: Node) -> str:
    match node:
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"
        case ScalarNode(value=value, style=style) if style and value.isdecimal():
            return f"{quote(value)} in quotes"
        case ScalarNode(value=value, style=style):
            return quote(value) if style or value else "nothing"
    raise AssertionError(node)


def _resolve(document: Document, symbols: Mapping[str, Position]) -> Config:
    specs = {
        timeframe: _resolve_timeframe(timeframe, section or TimeframeSection(), document.active_phase)
        for timeframe, section in document.timeframes.items()
    }
    return Config(
        version=document.version,
        name=document.name,
        symbols=tuple(symbols),
        timeframes=specs,
        batch_size=document.batch_size,
        active_phase=document.active_phase,
        provider=_resolve_provider(document.provider),
    )


def _resolve_timeframe(timeframe: Timeframe, section: TimeframeSection, active_phase: Phase) -> TimeframeSpec:
    default = TIMEFRAME_DEFAULTS[timeframe]
    return TimeframeSpec(
        history_days=default.history_days if section.history is None else section.history,
        priority=default.priority if section.priority is None else section.priority,
        phase=active_phase if section.phase is None else section.phase,
    )


def _resolve_provider(section: ProviderSection) -> Provider:
    named: dict[str, Any] = section.model_dump(exclude={"settle_after"})
    settle = section.settle_after
    if settle is None:
        settle = default_settle(section.feed, section.requests_per_minute)
    return Provider(settle_after_seconds=settle, **named)
