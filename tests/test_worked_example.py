"""docs/add-a-table.md is followed to the letter in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import PROJECT

STEP = re.compile(
    r"(?:At the end of\s+`(?P<end>[^`]+)`|[Ii]n\s+`(?P<changed>[^`]+)`[^`]*?in place of `(?P<old>[^`]+)`"
    r"|and (?:where [^`]*, )?in place of `(?P<again>[^`]+)`|A new file `(?P<new>[^`]+)`)[^`]*:\n"
    r"```\w+\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
ASKS = """
from datetime import date
from pathlib import Path
import sys
from support.delta import write
from search_forecast.lakehouse.contracts import MONTHLY_TOTALS, documentation
from search_forecast.medallion.aggregate import AGGREGATED
from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.local import LocalEngine

assert MONTHLY_TOTALS in AGGREGATED
assert "## search_gold.monthly_totals" in documentation()
rows = [{"month_start_date": date(2024, m, 1), "search_count": m, "distinct_term_count": 1} for m in (1, 2)]
lake = write(Path(sys.argv[1]), {"monthly_totals": rows})
print(answer(LocalEngine(lake, None), catalogue.load("monthly_activity"), {"limit": "1"}).rows)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's changes."""
    place = tmp_path_factory.mktemp("project")
    for name in ("src", "tests", "layouts", "resources", "fixtures"):
        shutil.copytree(PROJECT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "databricks.yml"):
        shutil.copy(PROJECT / name, place)
    changed = None
    for step in STEP.finditer((PROJECT / "docs/add-a-table.md").read_text(encoding="utf-8")):
        changed = step["end"] or step["new"] or step["changed"] or changed
        assert changed is not None
        path = place / changed
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        old = step["old"] or step["again"]
        if old:
            assert text.count(f"{old}\n") == 1, f"{changed}: {old}"
            text = text.replace(f"{old}\n", step["body"])
        else:
            assert bool(text) != bool(step["new"])
            text += step["body"]
        path.write_text(text, encoding="utf-8")
    return place


def in_copy(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = f"{project / 'src'}{os.pathsep}{project / 'tests'}"
    environment = {**os.environ, "PYTHONPATH": paths, "MYPYPATH": str(project / "src")}
    return subprocess.run(
        [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def test_the_new_table_is_declared_filled_documented_and_asked(project, tmp_path):
    done = in_copy(project, "-c", ASKS, str(tmp_path))

    assert done.stdout.strip() == "[(datetime.date(2024, 2, 1), 2, 1)]", done.stderr


def test_the_code_of_the_page_is_formatted_and_clean(project):
    done = in_copy(project, "-m", "ruff", "check", "src", "tests/medallion/test_gold.py")
    assert done.returncode == 0, done.stdout
    done = in_copy(project, "-m", "ruff", "format", "--check", "src", "tests/medallion/test_gold.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif("DOCUMENTATION" not in os.environ, reason="takes a JVM: DOCUMENTATION=1 make test runs it")
@pytest.mark.spark
def test_the_tests_pass_with_the_new_table(project):
    tests = ("tests/medallion/test_gold.py", "tests/lakehouse/test_contracts.py", "tests/queries/test_queries.py")
    done = in_copy(project, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *tests)

    assert done.returncode == 0, done.stdout
