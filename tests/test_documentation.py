"""Every command of the README and the pages runs as it is written, pasted in order into a new clone.

A block marked `sh` holds commands that are run here; `make`, the activation of .venv and what needs a workspace stand
in blocks without that mark.
"""

import os
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

from search_forecast import cli
from support.places import PROJECT

PAGES = (
    "README.md",
    "docs/trends.md",
    "docs/models.md",
    "docs/es/index.md",
    "docs/forecasting.md",
    "docs/bring-your-own-export.md",
    "docs/report.md",
    "docs/operations.md",
    "docs/correct-and-erase.md",
    "docs/personal-data.md",
)
NEEDED = ("databricks.yml", "fixtures", "resources", "requirements.txt", "src")
FIRST = "search-forecast demo"  # what `make demo` runs


def commands(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (PROJECT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_parse(page):
    for line in commands(page):
        program, *words = shlex.split(line, comments=True)
        assert program == "search-forecast"
        assert cli.parse([word for word in words if word != "--json"]).call.command == words[0]


@pytest.mark.skipif("DOCUMENTATION" not in os.environ, reason="takes minutes: DOCUMENTATION=1 make test runs it")
def test_the_commands_of_the_documentation_run_in_order(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in NEEDED:
        Path(name).symlink_to(PROJECT / name)
    lines = [FIRST, *(line for page in PAGES for line in commands(page))]
    assert len(lines) > 20

    for line in lines:
        program, *words = shlex.split(line, comments=True)
        code = cli.main(words)
        printed = capsys.readouterr()
        assert (program, code) == ("search-forecast", 0), f"{line}: {printed.err}"
        assert printed.out, f"{line} printed nothing"


@pytest.mark.parametrize("page", sorted(path.relative_to(PROJECT) for path in PROJECT.glob("docs/**/*.md")), ids=str)
def test_links_of_a_page_lead_somewhere(page):
    text = (PROJECT / page).read_text(encoding="utf-8")

    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (PROJECT / page.parent / target).exists(), f"{page}: {target}"


def test_what_the_documentation_makes_is_nothing_to_git():
    patterns = [line.strip("/") for line in (PROJECT / ".gitignore").read_text(encoding="utf-8").split()]

    for name in (".lakehouse", "more", "infant_weight.model", "infantheight2.model"):
        assert any(fnmatch(name, pattern) for pattern in patterns)
