from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.desired.loader import LoadedConfig, load_config
from reconciler.desired.model import Config, Provider, TimeframeSpec
from reconciler.errors import ConfigError
from reconciler.timeframes import Timeframe

Load = Callable[[str | Mapping[str, str | None]], LoadedConfig]


def test_five_keys_are_a_whole_file(load: Load) -> None:
    config = load({"timeframes": "[d1, h4, m15, h1]"}).config
    assert config == Config(
        version=1,
        name="us",
        symbols=("AAPL", "MSFT"),
        timeframes={
            Timeframe.M15: TimeframeSpec(history_days=30, priority=300, phase=1),
            Timeframe.H1: TimeframeSpec(history_days=90, priority=200, phase=1),
            Timeframe.H4: TimeframeSpec(history_days=365, priority=200, phase=1),
            Timeframe.D1: TimeframeSpec(history_days=730, priority=100, phase=1),
        },
        batch_size=50,
        active_phase=1,
        provider=Provider(settle_after_seconds=16 * 60),
    )


def test_every_key_is_taken(load: Load) -> None:
    config = load(
        {
            "timeframes": "{d1: {phase: 2, history: 3y, priority: 0}, h1: , m15: {history: 2w}}",
            "batch_size": "7",
            "provider": "{dataset: sandbox, feed: iex, adjustment: raw, session: regular, requests_per_minute: 1000,"
            " bucket: team_a, settle_after: 90s}",
        }
    ).config
    assert config.timeframes == {
        Timeframe.M15: TimeframeSpec(history_days=14, priority=300, phase=1),
        Timeframe.H1: TimeframeSpec(history_days=90, priority=200, phase=1),
        Timeframe.D1: TimeframeSpec(history_days=1095, priority=0, phase=2),
    }
    assert config.batch_size == 7
    assert config.provider == Provider(
        dataset="sandbox",
        feed="iex",
        session="regular",
        requests_per_minute=1000,
        bucket="team_a",
        settle_after_seconds=90,
    )


@pytest.mark.parametrize(
    ("provider", "seconds"),
    [("{}", 960), ("{requests_per_minute: 201}", 120), ("{feed: iex}", 120), ("{settle_after: 0s}", 0)],
)
def test_settle_time_follows_the_feed_and_the_limit(load: Load, provider: str, seconds: int) -> None:
    assert load({"provider": provider}).config.provider.settle_after_seconds == seconds


def test_words_that_yaml_takes_for_something_else_stay_tickers(load: Load) -> None:
    universe = "[ON, NO, TRUE, Y, 'NULL', NULL.A, OFF, E, BRK.B, F]"
    assert load({"universe": universe}).config.symbols == tuple(
        sorted(["ON", "NO", "TRUE", "Y", "NULL", "NULL.A", "OFF", "E", "BRK.B", "F"])
    )
    assert load({"universe": "{symbols: [NULL]}"}).config.symbols == ("NULL",)


def test_name_that_looks_like_a_boolean_or_a_date_is_text(load: Load) -> None:
    assert load({"name": "no"}).config.name == "no"
    assert load({"name": "2026-11-24"}).config.name == "2026-11-24"


def test_universe_is_symbols_and_files_less_exclusions(load: Load, folder: Path) -> None:
    (folder / "lists").mkdir()
    Path("lists/a.txt").write_bytes(b"\xef\xbb\xbf# a comment\r\nIBM\r\n\r\nMSFT # overlap\r\n")
    Path("lists/b.txt").write_text("XOM\nIBM", encoding="utf-8")
    loaded = load({"universe": "{symbols: [AAPL, MSFT], files: [lists/a.txt, lists/b.txt], exclude: [XOM]}"})
    assert loaded.config.symbols == ("AAPL", "IBM", "MSFT")
    places = {symbol: loaded.lines["universe", symbol] for symbol in loaded.config.symbols}
    assert places == {
        "AAPL": ("f.yaml", 3, 22),
        "IBM": ("lists/a.txt", 2, 1),
        "MSFT": ("f.yaml", 3, 28),
    }
    assert loaded.lines["universe", "exclude", "XOM"] == ("f.yaml", 3, 80)
    assert ("universe", "XOM") not in loaded.lines


def test_files_of_symbols_are_found_beside_the_file_and_not_in_the_current_folder(load: Load, folder: Path) -> None:
    load({"universe": "[AAPL]"})
    (folder / "conf").mkdir()
    text = Path("f.yaml").read_text().replace("[AAPL]", "{files: [us.txt]}")
    Path("conf/f.yaml").write_text(text)
    Path("conf/us.txt").write_text("IBM\n")
    loaded = load_config(Path("conf/f.yaml"))
    assert loaded.config.symbols == ("IBM",)
    assert loaded.lines["universe", "IBM"] == ("conf/us.txt", 1, 1)


def test_lines_lead_to_what_the_file_says_and_not_to_defaults(load: Load) -> None:
    lines = load({"timeframes": "{m15: {history: 5d}, d1: }", "provider": "{feed: iex}"}).lines
    assert lines["active_phase",] == ("f.yaml", 5, 1)
    assert lines["timeframes",] == ("f.yaml", 4, 1)
    assert lines["timeframes", "m15"] == ("f.yaml", 4, 14)
    assert lines["timeframes", "m15", "history"] == ("f.yaml", 4, 20)
    assert lines["timeframes", "d1"] == ("f.yaml", 4, 34)
    assert lines["provider", "feed"] == ("f.yaml", 6, 12)
    assert lines["universe", "MSFT"] == ("f.yaml", 3, 18)
    assert ("batch_size",) not in lines


def test_lines_of_a_list_of_timeframes_lead_to_its_items(load: Load) -> None:
    assert load({"timeframes": "[m15, d1]"}).lines["timeframes", "d1"] == ("f.yaml", 4, 19)


def test_standard_input_is_read_for_a_dash(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load({}).config
    content = Path("f.yaml").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    loaded = load_config(Path("-"))
    assert loaded.config == expected
    assert loaded.lines["name",] == ("<stdin>", 2, 1)


def _problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


def test_missing_file_and_folder_are_problems(folder: Path) -> None:
    assert _problem(Path("f.yaml")) == "f.yaml:1:1: RC001 no such file; check the path"
    assert _problem(Path()) == ".:1:1: RC001 is a folder; name a file in it"
    Path("f.yaml").touch()
    assert _problem(Path("f.yaml/g.yaml")) == "f.yaml/g.yaml:1:1: RC001 cannot be read: Not a directory"


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root reads every file, so a test of refusal steps down for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_file_that_may_not_be_read_is_a_problem(folder: Path, request: pytest.FixtureRequest) -> None:
    Path("f.yaml").touch(mode=0o000)
    request.getfixturevalue("unprivileged")
    assert _problem(Path("f.yaml")) == "f.yaml:1:1: RC001 permission denied; let this account read the file"


def test_byte_that_is_not_utf8_is_named_by_its_place(folder: Path) -> None:
    Path("f.yaml").write_bytes(b"\xef\xbb\xbfversion: 1\nname: caf\xc3\xa9\xe9\n")
    assert _problem(Path("f.yaml")) == "f.yaml:2:11: RC002 not UTF-8 text; save the file as UTF-8"


def test_problems_come_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"universe": "[b, a]", "name": "US", "batch_size": "0\nzz: 1\nactive_phase: 9"})
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == [(2, 7), (3, 12), (3, 15), (6, 13), (7, 1), (8, 1)]


def test_loading_needs_neither_database_nor_network_nor_templates() -> None:
    script = (
        "import sys; from pathlib import Path; from reconciler.desired.loader import load_config;"
        "load_config(Path('examples/universe.yaml'));"
        "print(sorted({'psycopg', 'httpx', 'jinja2', 'click', 'rich', 'yaml'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "['yaml']\n"
