import shutil
from pathlib import Path

import pytest

from support.places import PROJECT


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the project's own bundle."""
    for name in ("databricks.yml", "requirements.txt"):
        shutil.copy(PROJECT / name, tmp_path / name)
    for name in ("resources", "src/dashboards"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("notebooks", "fixtures/landing", "src/search_forecast"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("fixtures/infant_growth.csv", "src/requirements.txt"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path
