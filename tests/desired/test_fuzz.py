"""Whatever a file holds, loading ends in a config or in problems, never in another exception."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired import nodes
from reconciler.desired.loader import LoadedConfig, load_config
from reconciler.errors import ConfigError
from reconciler.timeframes import Timeframe

VALID = """\
version: 1
name: us
universe: {symbols: [AAPL, BRK.B, ON], files: [us.txt], exclude: [ON]}
timeframes: {m15: &a {history: 30d, priority: 300}, h1: *a, d1: {history: 2y, phase: 2}}
batch_size: 50
active_phase: 1
provider: {feed: iex, requests_per_minute: 1000, settle_after: 2m, dataset: alpaca}
"""
FRAGMENTS = st.one_of(
    st.sampled_from([*"[]{},:-?&*!|>'\"%@`#\n\t ", "- ", ": ", "\n---\n", "*a", "&a ", "!!str ", "<<: ", "? "]),
    st.sampled_from(["0", "050", "1:30", "~", "null", "TRUE", "1e5", ".inf", "\u2028", "\x00", "\ud7ff", "é", "-"]),
    st.text(max_size=5),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=4))
KEYS = st.sampled_from(
    ["version", "name", "universe", "timeframes", "batch_size", "active_phase", "provider", "symbols", "files", "m15"]
)


@st.composite
def mutated_files(draw: st.DrawFn) -> str:
    """The valid file with up to five pieces replaced."""
    text = VALID
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 12))
        text = text[:start] + draw(FRAGMENTS) + text[end:]
    return text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "us.txt").write_text("IBM\n")
    return folder / "f.yaml"


def _load(path: Path, content: bytes) -> LoadedConfig | ConfigError:
    path.write_bytes(content)
    try:
        return load_config(path)
    except ConfigError as error:
        return error


def _check(path: Path, content: bytes) -> None:
    outcome = _load(path, content)
    if isinstance(outcome, ConfigError):
        assert outcome.problems
        assert all(problem.line > 0 and problem.column > 0 and problem.message for problem in outcome.problems)
        assert all(problem.message.isprintable() for problem in outcome.problems)
    else:
        assert outcome.config.symbols
        assert set(outcome.config.timeframes) <= set(Timeframe)


@given(text=mutated_files())
def test_mutated_file_is_a_config_or_problems(place: Path, text: str) -> None:
    _check(place, text.encode())


@given(text=mutated_files())
def test_pure_python_loader_never_crashes_either(place: Path, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "LOADER", yaml.SafeLoader)
        _check(place, text.encode())


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_config_or_problems(place: Path, content: bytes) -> None:
    _check(place, content)


@given(document=st.dictionaries(KEYS, VALUES))
def test_any_values_under_known_keys_are_a_config_or_problems(place: Path, document: dict[str, object]) -> None:
    written = {**yaml.safe_load(VALID), **document}
    _check(place, yaml.safe_dump(written, allow_unicode=True).encode("utf-8", "replace"))


@given(symbols=st.permutations(["AAPL", "ON", "NO", "TRUE", "BRK.B", "NULL", "Y", "F"]))
def test_order_of_the_list_means_nothing(place: Path, symbols: list[str]) -> None:
    text = f"version: 1\nname: us\nuniverse: [{', '.join(symbols)}]\ntimeframes: [d1]\nactive_phase: 1\n"
    outcome = _load(place, text.encode())
    assert isinstance(outcome, LoadedConfig)
    assert outcome.config.symbols == ("AAPL", "BRK.B", "F", "NO", "NULL", "ON", "TRUE", "Y")
    assert {symbol: outcome.lines["universe", symbol].column for symbol in symbols} == {
        symbol: text.splitlines()[2].index(f"{symbol}{end}") + 1
        for symbol, end in zip(symbols, [*"," * 7, "]"], strict=True)
    }
