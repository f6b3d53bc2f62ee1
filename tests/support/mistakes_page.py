"""Makes docs/bundle-checks.md: each mistake, what the Databricks CLI said of it, and what we say.

`PYTHONPATH=src:tests python -m support.mistakes_page > docs/bundle-checks.md`
"""

import tempfile
from pathlib import Path

from search_forecast import cli
from search_forecast.bundle import checks
from support import cli_answers, mistakes
from support.bundles import write

_LONGEST = 140
_INTRODUCTION = """# What is checked in the bundle

`search-forecast check-bundle`, a part of `make check`, reads databricks.yml and what it includes as CLI {version} does,
for all targets, and needs neither the CLI nor a workspace. `search-forecast run` reads them in the same way, and before
anything starts refuses what is wrong with a job or with one that it calls.

What the CLI leaves out with a warning, such as a text where a list belongs, is refused in one line. Fields are checked
by `databricks-bundles`; a kind of resource that it is not asked for yet is named. Not checked: whether a workspace has
the principals, clusters, warehouses and catalogs that are named, what `.gitignore` and `sync.exclude` keep from it, and
what is inside of notebooks and of others' SQL.

Of these {count} mistakes, each made in a bundle that is otherwise right, `databricks bundle validate --strict` sees
{seen}. `make docs` makes the table, and a test compares it. What the CLI said is kept in
tests/support/cli_answers.json; where the CLI is on the PATH, a test asks it again.

| mistake | the CLI says | we say |
|---|---|---|
"""


def said(files: dict[str, str]) -> list[str]:
    """What the checks say of a bundle."""
    with tempfile.TemporaryDirectory() as directory:
        return checks.check(write(Path(directory), dict(files)), cli.parse)


def page(ours: dict[str, list[str]]) -> str:
    """The page, from what the checks say of each mistake."""
    record = cli_answers.recorded()
    theirs = record["mistakes"]
    seen = sum(1 for answer in theirs.values() if answer)
    text = _INTRODUCTION.format(version=record["version"], count=len(ours), seen=seen)
    rows = ((what, theirs[what] or "nothing", lines[0]) for what, lines in ours.items())
    return text + "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in rows)


def _cell(text: str) -> str:
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return cut.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    print(page({mistake.what: said(mistakes.with_mistake(mistake)) for mistake in mistakes.MISTAKES}), end="")
