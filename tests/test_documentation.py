"""Everything in a page that can be tried is tried.

A block marked `sh` holds commands of ours, run here in a new directory where `make demo` was; `make`, the activation of
.venv and what needs a workspace stand in `bash` blocks. A `text` block right behind a single command is what it prints:
`...` stands for lines left out, and for the end of a line that was cut.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import redirect_stdout
from fnmatch import fnmatch
from io import StringIO

import pytest
import sqlglot
import yaml
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from search_forecast import cli
from search_forecast.lakehouse.contracts import TABLES
from support import commands_page, lakes
from support.places import PROJECT

PAGES = [str(path.relative_to(PROJECT)) for path in sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])]
NEEDED = ("databricks.yml", "fixtures", "resources", "requirements.txt", "src")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTED = re.compile(r"^```(?:sh|bash)\n([^\n]+)\n```\n+```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COLUMNS = {table.name: {c.name: c.type.simpleString() for c in table.columns} for table in TABLES}
REHEARSED = "docs/add-a-table.md"  # tests/test_worked_example.py does what it says


def text_of(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    return [body for language, body in BLOCK.findall(text_of(page)) if language == kind]


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]


def calls_in_scripts(page: str) -> list[str]:
    """The calls of our command in what a shell is to run, without where their output goes."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    return [found[1] for line in lines if (found := re.match(r"\s*(?:\S*/)?(search-forecast .*?)(?: >| \||$)", line))]


def pages_with(kind: str) -> list[str]:
    return [page for page in PAGES if blocks(page, kind)]


def printed_blocks(page: str) -> Iterator[tuple[str, str]]:
    """Commands with what the page says that they print."""
    yield from PRINTED.findall(text_of(page))


def missing_lines(shown: str, printed: str) -> list[str]:
    """The lines of a block that a command did not print."""
    lines = [line.strip() for line in printed.splitlines()]
    wanted = [line.strip() for line in shown.splitlines() if line.strip() not in ("", "...")]
    return [line for line in wanted if not any(is_shown(line, other) for other in lines)]


def is_shown(line: str, printed: str) -> bool:
    return line == printed or (line.endswith("...") and printed.startswith(line.removesuffix("...").strip()))


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_parse(page):
    for line in [*commands(page), *calls_in_scripts(page)]:
        program, *words = shlex.split(line, comments=True)
        assert program == "search-forecast"
        assert cli.parse([word for word in words if word not in ("--json", "--csv")]).call.command == words[0]


def wrong_names(statement: str) -> str:
    """What a query names that the contracts don't have."""
    query = sqlglot.parse_one(re.sub(r":[a-z_]+", "1", statement), dialect="databricks")
    defined = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if table.name not in COLUMNS.keys() | defined:
            return f"no table {table.name}"
        table.set("db", None)
    try:
        qualify(query, schema=COLUMNS, dialect="databricks")
    except sqlglot.errors.SqlglotError as error:
        return str(error)
    return ""


def test_sql_with_an_unknown_name_is_found():
    assert wrong_names("select term, rank from search_gold.term_summary where rank <= 3") == ""
    assert "no table term_sumary" in wrong_names("select term from term_sumary")
    assert "ranc" in wrong_names("select ranc from term_summary")


@pytest.mark.parametrize("page", PAGES)
def test_the_sql_of_a_page_names_tables_and_columns_that_there_are(page):
    calls = [shlex.split(line, comments=True) for line in commands(page)]
    own = [] if page == REHEARSED else blocks(page, "sql")

    for statement in [*own, *(words[2] for words in calls if words[1] == "sql")]:
        assert wrong_names(statement) == "", statement


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_can_be_read(page):
    for block in blocks(page, "python"):
        ast.parse(textwrap.dedent(block))


def test_the_python_that_reads_gold_runs(tmp_path, monkeypatch):
    lakes.whole(tmp_path / ".lakehouse")
    monkeypatch.chdir(tmp_path)
    names = {}

    for block in blocks("docs/read-gold.md", "python"):
        exec(block, names)  # each goes on from the one before, as for a reader

    assert names["top"].fetchall() == [("hat", 2), ("tv", 2)]
    assert names["by_day"].tolist() == [2, 2]


@pytest.mark.parametrize("page", [*PAGES, "fixtures/README.md"])
def test_the_files_of_code_that_a_page_names_are_there(page):
    places = [PROJECT / place for place in (".", "src/search_forecast", "src/search_forecast/demand")]
    named = set(re.findall(r"`((?:[\w-]+/)+\w+\.(?:py|js))`", text_of(page)))

    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_the_yaml_of_a_page_can_be_read(page):
    assert all(isinstance(yaml.safe_load(block), dict) for block in blocks(page, "yaml"))


def test_the_units_that_schedule_a_run_start_what_the_page_installs():
    units = {}
    for block in blocks("docs/schedule.md", "ini"):
        parser = RawConfigParser(strict=True)
        parser.optionxform = str
        parser.read_string(block)
        units |= {name: dict(parser[name]) for name in parser.sections()}

    script = units["Service"]["ExecStart"].rpartition("/")[2]
    assert f"`{script}`" in text_of("docs/schedule.md")
    assert units["Timer"]["OnCalendar"]


def templates() -> list[str]:
    """Every text in the package; what is filled in when it is said is an ellipsis."""
    found = []
    for path in (PROJECT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_the_messages_that_are_explained_are_the_codes_own():
    rows = re.findall(r"^\| `(.+?)` \|", text_of("docs/troubleshooting.md"), re.MULTILINE)
    said = templates()

    assert len(rows) > 20
    assert [row for row in rows if not any(row in template for template in said)] == []


def test_the_rule_that_the_tutorial_breaks_is_one_whose_tests_are_known_to_notice():
    page, mutations = text_of("docs/tutorial.md"), text_of("benchmarks/mutation_check.py")
    step = r"in `src/search_forecast/(.+?)` change `(.+?)` to `(.+?)`.*?ARGS=tests/(\S+)"
    [(file, old, new, tests)] = re.findall(step, page, re.DOTALL)
    lines = (f'"{file}"', f'"{old}"', f'"{new}"', f'("{tests}",)')
    failing = re.findall(r"^FAILED \S+::(\w+)$", page, re.MULTILINE)

    assert re.search(r",\s+".join(map(re.escape, lines)), mutations)
    assert len(failing) == 3
    assert all(f"def {name}(" in text_of(f"tests/{tests}") for name in failing)


def test_the_page_of_commands_is_what_the_commands_say():
    assert text_of("docs/commands.md") == commands_page.page(), "make docs makes it anew"


def test_the_page_of_tables_is_what_the_contracts_say(capsys):
    assert cli.main(["tables", "--contracts"]) == 0
    assert text_of("docs/tables.md") == capsys.readouterr().out, "make docs makes it anew"


def test_a_broken_link_or_anchor_fails_the_site(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Home\n[a](nowhere.md) [b](#no-such-part) [c](#home)\n", encoding="utf-8")

    flags = ["-c", PROJECT / "docs", "-W", "--keep-going", "-q"]
    build = [sys.executable, "-m", "sphinx", *flags, tmp_path, tmp_path / "site"]
    done = subprocess.run(build, capture_output=True, text=True, check=False)

    said = done.stderr
    assert done.returncode != 0
    assert "nowhere.md" in said
    assert "no-such-part" in said
    assert "#home" not in said
    html = (tmp_path / "site/docs/index.html").read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"(?:https?:)?//", html) == []  # nothing from elsewhere
    styles = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", styles) == []


def test_what_the_documentation_makes_is_nothing_to_git():
    patterns = [line.strip("/") for line in (PROJECT / ".gitignore").read_text(encoding="utf-8").split()]

    shell = "\n".join(block for page in PAGES for kind in ("sh", "bash") for block in blocks(page, kind))
    made = re.findall(r"(?:--out|--plot|export-model \w+| >) (\w[\w.]*)", shell)
    made += re.findall(r"to '([\w.]+)'", "\n".join(blocks("docs/read-gold.md", "python")))
    assert {"more", "laptop.svg", "infant_weight.model", "top_terms.csv", "daily_term_counts.parquet"} <= set(made)
    for name in (".lakehouse", "build", *made):
        assert any(fnmatch(name, pattern) for pattern in patterns), name


needs_minutes = pytest.mark.skipif(
    "DOCUMENTATION" not in os.environ, reason="takes minutes: DOCUMENTATION=1 make test runs it"
)


@pytest.fixture(scope="module")
def demo(spark, tmp_path_factory):
    """A directory in which `make demo` was, a copy of it to begin anew with, and what the demo printed."""
    place = tmp_path_factory.mktemp("demo") / "clone"
    place.mkdir()
    for name in NEEDED:
        (place / name).symlink_to(PROJECT / name)
    with pytest.MonkeyPatch.context() as patch:
        # Else a connection stays open, to a database that is no more once a page begins anew.
        patch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
        with pytest.MonkeyPatch.context() as inner, redirect_stdout(StringIO()) as printed:
            inner.chdir(place)
            assert cli.main(["demo"]) == 0
        yield place, shutil.copytree(place, place.parent / "copy", symlinks=True), printed.getvalue()


@needs_minutes
@pytest.mark.parametrize("page", [page for page in PAGES if "```bash\nmake demo\n```" in text_of(page)])
def test_what_a_page_shows_of_the_demo_is_what_it_prints(demo, page):
    [shown] = [output for command, output in printed_blocks(page) if command == "make demo"]

    assert missing_lines(shown, demo[2]) == []


@needs_minutes
@pytest.mark.parametrize("page", pages_with("sh"))
def test_the_commands_of_a_page_run_after_the_demo_and_print_what_it_says(demo, page, monkeypatch, capsys):
    place, copy, _ = demo
    shutil.rmtree(place)
    shutil.copytree(copy, place, symlinks=True)
    monkeypatch.chdir(place)
    shown = dict(printed_blocks(page))
    failures = []

    for line in commands(page):
        code = cli.main(shlex.split(line, comments=True)[1:])
        out, err = capsys.readouterr()
        if code or not out:
            failures.append(f"{line}: exit {code}, {err[-300:]}")
        failures += [f"{line} does not print: {lost}" for lost in missing_lines(shown.get(line, ""), out + err)]

    assert not failures, "\n".join(failures)
