from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.clusters import open_folder

from reconciler.store.embedded import open_embedded
from reconciler.store.postgres_binaries import Binaries, find_binaries


@pytest.fixture
def project() -> Iterator[Path]:
    """A short path that every account can reach, unlike pytest's own 0700 folders."""
    with open_folder() as path:
        yield path


@pytest.fixture(scope="session")
def closed_binaries(tmp_path_factory: pytest.TempPathFactory) -> Binaries:
    """The wheel's programs as in a virtual environment below root's 0700 home."""
    found = find_binaries()
    package = found.folder.parents[1]
    site = tmp_path_factory.mktemp("site")
    site.chmod(0o700)
    folder = site / package.name / found.folder.parent.name
    shutil.copytree(found.folder.parent, folder, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), site / f"{package.name}.libs")
    return Binaries(folder / "bin", found.major)


@pytest.fixture(scope="session")
def place_cluster() -> Iterator[Callable[[Path], Path]]:
    """Puts a cluster that was made before and does not run into a folder; far faster than making one."""
    with open_folder() as seed:
        with open_embedded(seed / ".reconciler", create=True):
            pass

        def place(folder: Path) -> Path:
            folder.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", seed / ".reconciler", folder], check=True)
            return folder / ".reconciler"

        yield place
