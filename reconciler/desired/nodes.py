"""YAML text -> nodes that know their line and column -> plain values, without YAML's surprises.

PyYAML reads YAML 1.1, where ``ON`` is a boolean, ``050`` is 40 and ``1:30`` is 90. So the tags it
resolves are ignored, and a plain scalar is what it looks like: nothing, a decimal number, or text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.desired.problems import Code, Position, Report, quote

Plain = str | int | None | list["Plain"] | dict[str, "Plain"]
Path = tuple[str | int, ...]
"""Keys and list indexes from the root of the file to a value."""

LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one on libyaml where PyYAML was built with it: ten times as fast, the same nodes."""
MAX_ALIASES = 20
MAX_NESTING = 100
_MAX_DEPTH = 4
"""No key lies deeper; what is written there is reported by its parent, so it is never visited."""

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})")  # int() itself refuses 4,300 digits
_AMBIGUOUS = re.compile(
    r"[-+]?(?:0[0-9_]+|0[xob][0-9a-f_]+|[0-9]+_[0-9_]*|[0-9][0-9_]*(?::[0-5]?[0-9])+)(?:\.[0-9_]*)?",
    re.IGNORECASE,
)


def compose(text: str, file: str, report: Report) -> Node | None:
    """The root node of the only document, or None with the reason in ``report``."""
    try:
        if _is_safe_to_compose(text, file, report):
            return _root(yaml.compose(text, LOADER), file, report)
    except yaml.reader.ReaderError:
        report.add(_unprintable(text, file), Code.SYNTAX, "a control character; YAML allows only text")
    except yaml.MarkedYAMLError as error:
        _add_syntax_problem(error, text, file, report)
    except ValueError:  # the loader without libyaml lets chr() fail on "\U00110000"
        report.add(Position(file, 1, 1), Code.SYNTAX, "an escape that is no character")
    return None


def _root(node: Node | None, file: str, report: Report) -> Node | None:
    if node is None:
        report.add(Position(file, 1, 1), Code.EMPTY_FILE, "the file holds no settings; `version: 1` comes first")
    return node


def _is_safe_to_compose(text: str, file: str, report: Report) -> bool:
    """Reports tags, too many aliases and endless nesting, on which libyaml's composer ends the process."""
    aliases = depth = 0
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = quote(tag.replace("tag:yaml.org,2002:", "!!"))
            at = _position(event.start_mark, file)
            report.add(at, Code.TAG, f"the tag {shown} is not supported; write the plain value")
        if aliases > MAX_ALIASES or depth > MAX_NESTING:
            report.add(_position(event.start_mark, file), *_too_much(aliases))
            return False
    return True


def _too_much(aliases: int) -> tuple[Code, str]:
    if aliases > MAX_ALIASES:
        return Code.ALIASES, f"more than {MAX_ALIASES} aliases; write the values out"
    return Code.SYNTAX, "nested beyond reason; no key lies deeper than four"


def _add_syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str, report: Report) -> None:
    at = _position(error.problem_mark or error.context_mark, file)
    if error.context == "expected a single document in the stream":
        report.add(at, Code.MANY_DOCUMENTS, "a second document starts here; one file holds one")
        return
    parts = [error.context, error.problem]
    lines = text.split("\n")
    if at.line <= len(lines) and lines[at.line - 1][at.column - 1 : at.column] == "\t":
        parts.append("indent with blanks, not with a tab")
    report.add(at, Code.SYNTAX, "not valid YAML: " + "; ".join(filter(None, parts)))


def _unprintable(text: str, file: str) -> Position:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _position(mark: yaml.Mark | yaml._yaml.Mark | None, file: str) -> Position:
    # The type stubs let a mark be absent; composed nodes and parsed events always have one.
    return Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1)


@dataclass
class NodeReader:
    """Turns nodes into values; ``distrusted`` are places whose value was already reported."""

    file: str
    report: Report
    distrusted: set[Position] = field(default_factory=set)

    def position(self, node: Node) -> Position:
        return _position(node.start_mark, self.file)

    def plain(self, node: Node, depth: int = 0) -> Plain:
        """Lists of text, mappings with text for keys, numbers and text.

        Scalars in a list stay text whatever they look like: every list of the file holds names.
        """
        if isinstance(node, MappingNode):
            pairs = self.entries(node) if depth < _MAX_DEPTH else {}
            return {key: self.plain(value, depth + 1) for key, (_, value) in pairs.items()}
        if isinstance(node, SequenceNode):
            items = node.value if depth < _MAX_DEPTH else []
            return [item.value if isinstance(item, ScalarNode) else self.plain(item, depth + 1) for item in items]
        return self._scalar(node)

    def entries(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """Key -> (key's node, value's node), in file order; a key written twice keeps its first value."""
        entries: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._add(key, Code.WRONG_KIND, "a key, or the name of a timeframe, must be text")
            elif key.value in entries:
                first = self.position(entries[key.value][0])
                self._add(
                    key,
                    Code.DUPLICATE_KEY,
                    f"{quote(key.value)} was already given at line {first.line}, column {first.column}",
                )
            else:
                entries[key.value] = (key, value)
        return entries

    def _scalar(self, node: Node) -> str | int | None:
        text = str(node.value)
        if getattr(node, "style", None):
            return text
        if text in _NOTHING:
            return None
        if _DECIMAL.fullmatch(text):
            return int(text)
        if _AMBIGUOUS.fullmatch(text):
            self._add(
                node,
                Code.AMBIGUOUS_NUMBER,
                f"{quote(text)} is octal, base 60 or grouped in YAML; write plain decimal digits",
            )
        return text

    def _add(self, node: Node, code: Code, message: str) -> None:
        at = self.position(node)
        self.distrusted.add(at)
        self.report.add(at, code, message)


def spell_out(root: MappingNode) -> MappingNode:
    """``root`` with the two shorthands as the mappings they stand for; positions stay the items' own."""
    longhand = {"universe": _symbols_mapping, "timeframes": _names_mapping}
    pairs = [
        (key, longhand[key.value](value))
        if isinstance(value, SequenceNode) and isinstance(key, ScalarNode) and key.value in longhand
        else (key, value)
        for key, value in root.value
    ]
    return MappingNode(root.tag, pairs, root.start_mark, root.end_mark)


def _symbols_mapping(listed: SequenceNode) -> MappingNode:
    key = ScalarNode("", "symbols", listed.start_mark, listed.start_mark)
    return MappingNode("", [(key, listed)], listed.start_mark, listed.end_mark)


def _names_mapping(listed: SequenceNode) -> MappingNode:
    pairs = [(item, ScalarNode("", "", item.start_mark, item.end_mark)) for item in listed.value]
    return MappingNode("", pairs, listed.start_mark, listed.end_mark)


def find_child(node: Node, key: str | int) -> tuple[Node, Node] | None:
    """(Key's node, value's node) of a mapping's key, or a list's item twice; None if absent."""
    if isinstance(node, SequenceNode) and isinstance(key, int):
        return (node.value[key], node.value[key])
    if not isinstance(node, MappingNode):
        return None
    return next(((name, value) for name, value in node.value if name.value == key), None)
