from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from reconciler.desired import nodes
from reconciler.desired.loader import LoadedConfig, load_config
from reconciler.errors import ConfigError

Written = str | Mapping[str, str | None]
KEYS = {
    "version": "1",
    "name": "us",
    "universe": "[AAPL, MSFT]",
    "timeframes": "[m15, d1]",
    "active_phase": "1",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that problems name files without one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[[Written], LoadedConfig]:
    """Loads `f.yaml` holding a text, or five valid keys on a line each with some replaced (None: left out)."""

    def write_and_load(written: Written) -> LoadedConfig:
        keys = {} if isinstance(written, str) else {**KEYS, **written}
        lines = "".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None)
        Path("f.yaml").write_text(written if isinstance(written, str) else lines, encoding="utf-8")
        return load_config(Path("f.yaml"))

    return write_and_load


@pytest.fixture(params=[yaml.CSafeLoader, yaml.SafeLoader], ids=["libyaml", "python"])
def problems_of(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, load: Callable[[Written], LoadedConfig]
) -> Callable[[Written], list[str]]:
    """What loading reports, without the name `f.yaml:`; with both of PyYAML's loaders."""
    monkeypatch.setattr(nodes, "LOADER", request.param)

    def problems(written: Written) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(written)
        return [str(problem).removeprefix("f.yaml:") for problem in caught.value.problems]

    return problems
