"""The command line without Spark: flags anywhere, help, wrong usage, completion."""

import errno
import io
import json
import os
import shlex
import subprocess
import sys
from unittest.mock import Mock

import pytest

from search_forecast import cli
from search_forecast.cli import application
from search_forecast.cli.call import Call
from search_forecast.errors import UsageError
from search_forecast.queries import catalogue
from support import lakes
from support.places import FIXTURES

COMMANDS = list(application.ROOT.commands.values())
HEAVY = ("pyspark", "statsforecast", "mlflow", "pandas", "numpy", "duckdb")


@pytest.fixture
def wrong(capsys):
    """Run a command that fails: its exit code and its one line."""

    def run(*words: str) -> tuple[int, str]:
        code = cli.main(words)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        return code, printed.err.removeprefix("search-forecast: ").rstrip("\n")

    return run


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["quary"], "no command quary; did you mean query?; see search-forecast --help"),
        (["top_terms", "limit=3"], "no command top_terms; it is a query: query top_terms"),
        (["query", "top_term"], "query: no query top_term; did you mean top_terms or top_term_days?"),
        (["ingest"], "ingest: Missing option '--source'; see search-forecast ingest --help"),
        (["ingest", "--sorce", "x"], "ingest: No such option"),
        (["ingest", "--explain", "nowhere.csv"], "ingest: --explain nowhere.csv is no file"),
        (["ingest", "--source", ".", "--layout", "shopyfi"], "ingest: no layout shopyfi; did you mean shopify"),
        (["train", "--candidates", "thet"], "train: no candidate 'thet'; did you mean theta?"),
        (["train", "--horizon", "no"], "train: Invalid value for '--horizon': 'no' is not a valid integer"),
        (["score", "--as-of", "31.12.2025"], "score: --as-of 31.12.2025 is no day such as 2025-12-31"),
        (["score", "--version", "1", "--alias", "a"], "score: say --version or --alias, not both"),
        (["predict", "x", "--version", "0"], "predict: Invalid value for '--version': 0 is not in the range"),
        (["query", "top_terms", "limit"], "query: Invalid value for '[k=v]...': 'limit' is no k=v"),
        (["run", "medallion", "--param", "source=a", "--param", "source=b"], "run: source is given twice"),
        (["run", "medallion", "--var", "catalog=a", "--var", "catalog=b"], "run: catalog is given twice"),
        (["query", "top_terms", "limit=1", "from=2024-01-01", "limit=2"], "query: limit is given twice"),
        (["help", "scor"], "help: no command scor; did you mean score?"),
        (["help", "query", "top_term"], "query: no query top_term; did you mean top_terms or top_term_days?"),
        (["help", "train", "top_terms"], "help: train has one page; say: help train"),
        (["maintain", "--retention-days", "6"], "maintain: --retention-days is from 7 to 36,500, got 6"),
        (["maintain", "--retention-days", "9999999999"], "maintain: --retention-days is from 7 to 36,500, got 9,999"),
        (["monitor", "--cooldown-days", "9999999999"], "monitor: --cooldown-days is from 0 to 36,500, got 9,999"),
        (["train", "--horizon", "9999999999"], "train: --horizon is from 1 to 366, got 9,999,999,999"),
        (["load-spellings", "nowhere.csv"], "load-spellings: FILE nowhere.csv is no file; name a CSV file"),
        (["backup", ""], "backup: Invalid value for 'DIR': it is empty"),
        (["ingest", "--source", "fixtures/landing", "--spark", "yarn"], "--spark yarn: a cluster is spark://HOST:7077"),
        (["erase", "--why", "w", "--matching", "a{9999999999}"], "erase: --matching a{9999999999} is no regular"),
        (["promote", "m", "--force", "why"], "promote: --force needs a VERSION too"),
        (["tables", "--contracts", "--csv"], "tables: say --contracts or --csv, not both"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(wrong, words, line):
    code, said = wrong(*words)

    assert code == 2
    assert said.startswith(line)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("command", [each for each in COMMANDS if any(p.name == "csv" for p in each.params)], ids=str)
def test_two_forms_of_one_output_are_refused(command, before, wrong):
    words = shlex.split(command.example)

    code, said = wrong(*(["--json", *words, "--csv"] if before else [*words, "--csv", "--json"]))

    assert code == 2
    assert said == f"{command.name}: say --json or --csv, not both"


def test_wrong_usage_is_refused_before_anything_slow_is_imported():
    program = f"""
import sys
from search_forecast import cli
wrong = (["quary"], ["query", "top_term"], ["ingest", "--source", "nowhere"], ["run", "x"])
codes = [cli.main(words) for words in wrong]
print(codes, [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")

    assert done.stdout == "[2, 2, 2, 2] []\n"


@pytest.mark.parametrize("before", [True, False])
def test_the_flags_of_all_commands_stand_before_or_after_it(tmp_path, capsys, before):
    flags = ["--lakehouse", str(tmp_path / "none"), "--json"]

    code = cli.main([*flags, "tables"] if before else ["tables", *flags])

    assert code == 1
    assert capsys.readouterr().err.startswith(f"search-forecast: tables: no lakehouse at {tmp_path / 'none'}; ")


@pytest.mark.parametrize("command", ["clean", "aggregate", "reconcile", "trends", "maintain"])
def test_a_mistyped_lakehouse_is_not_made(tmp_path, capsys, command):
    assert cli.main([command, "--lakehouse", str(tmp_path / "typo")]) == 1
    assert f"{command}: no lakehouse at {tmp_path / 'typo'}; run demo or ingest first" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_lakehouse_and_a_flag_overrules_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEARCH_FORECAST_LAKEHOUSE", str(tmp_path / "of the environment"))

    assert cli.main(["tables"]) == 1
    assert str(tmp_path / "of the environment") in capsys.readouterr().err
    assert cli.main(["tables", "--lakehouse", str(tmp_path / "of the flag")]) == 1
    assert str(tmp_path / "of the flag") in capsys.readouterr().err


def test_json_lists_the_queries(capsys):
    assert cli.main(["query", "--json"]) == 0

    listed = json.loads(capsys.readouterr().out)
    assert {"query", "parameters", "answers"} == set(listed[0])


def test_the_help_of_a_query_says_what_its_parameters_mean(capsys):
    assert cli.main(["query", "--lakehouse", "x", "top_terms", "--help"]) == 0

    page = capsys.readouterr().out
    assert "top_terms: The most searched terms of a period." in page
    assert "[from=...]  first day; null for the first there is" in page


def test_help_shows_the_page_of_a_query_too(capsys):
    cli.main(["query", "top_terms", "--help"])
    page = capsys.readouterr().out

    assert cli.main(["help", "query", "top_terms"]) == 0
    assert capsys.readouterr().out == page


def test_the_help_of_every_query_fits_a_terminal(capsys):
    for name in catalogue.names():
        assert cli.main(["help", "query", name]) == 0
        page = capsys.readouterr().out
        assert catalogue.load(name).summary in " ".join(page.split())
        assert all(len(line) <= 80 for line in page.splitlines()), page


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_the_help_of_every_command_has_an_example_that_parses(command, capsys, monkeypatch):
    assert cli.main([command.name, "--help"]) == 0

    page = capsys.readouterr().out
    assert f"search-forecast {command.example.split()[0]}" in page
    assert all(len(line) <= 80 for line in page.splitlines())
    words = shlex.split(command.example.partition(" >> ")[0])
    command.make_context(words[0], words[1:], obj=None)


def test_flags_for_databricks_stand_apart_with_a_word_each(capsys):
    cli.main(["help", "train"])

    page = capsys.readouterr().out
    own, _, rest = page.partition("On Databricks, instead of --lakehouse:")
    assert "--catalog" not in own
    assert "--experiment PATH     MLflow experiment" in rest


def test_version_and_no_words_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("search-forecast 0.")
    assert cli.main([]) == 2
    listed = capsys.readouterr().out
    assert cli.main(["help"]) == 0
    assert capsys.readouterr().out == listed


@pytest.mark.parametrize(("ingested", "said"), [(2, "next: search-forecast clean"), (0, "")])
def test_what_comes_next_is_said_where_something_new_came(tmp_path, capsys, monkeypatch, ingested, said):
    monkeypatch.setattr("search_forecast.medallion.ingest.ingest", lambda *_: {"ingested": ingested, "known": 3})
    monkeypatch.setattr("sys.argv", ["search-forecast"])

    assert cli.main(["--lakehouse", str(tmp_path / "lake"), "ingest", "--source", str(FIXTURES)]) == 0

    assert capsys.readouterr().err.partition(" --lakehouse")[0] == said


@pytest.mark.parametrize(("shell", "line"), [("bash", "complete -o nosort"), ("zsh", "#compdef search-forecast")])
def test_completion_prints_what_the_shell_evaluates(shell, line, capsys):
    assert cli.main(["completion", shell]) == 0

    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("query top_", ["top_term_days", "top_terms"]),
        ("query daily_counts term=tv ", ["from=", "to="]),
        ("query daily_counts t", ["term=", "to="]),
        ("query no_such_query ", []),
        ("query ROW_COUNT t", []),
        ("ingest --layout shop", ["shopify", "shopify_top_searches"]),
        ("generate --layout u", ["ubi"]),
    ],
)
def test_queries_their_parameters_and_layouts_complete(capsys, monkeypatch, words, completed):
    monkeypatch.setenv("_SEARCH_FORECAST_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"search-forecast {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))

    with pytest.raises(SystemExit):
        cli.main([])

    assert capsys.readouterr().out.split() == [f"plain,{each}" for each in completed]


def test_bash_puts_no_blank_behind_a_parameter_whose_value_comes_yet(tmp_path, capsys):
    cli.main(["completion", "bash"])
    script = (
        'compopt() { echo compopt "$@"; }; _search_forecast_completion answer; echo "${COMPREPLY[@]}"\n'
        'COMPREPLY=(); _search_forecast_completion answer_2; echo "${COMPREPLY[@]}"'
    )
    for name, line in (("answer", "plain,term="), ("answer_2", "plain,query")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {line}\n")
        (tmp_path / name).chmod(0o755)

    whole = f"{capsys.readouterr().out}\n{script}"
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", whole], env=path, capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:3] == ["compopt -o nospace", "term=", "query"]


def test_a_task_is_parsed_as_the_command_line_parses_it():
    task = cli.parse(["score", "--name=n", "--as-of=", "--catalog=c", "--gold-schema=g"])

    assert task.is_task
    assert (task.call.catalog, task.call.schemas["gold"], task.call.command) == ("c", "g", "score")
    assert task.context.params["as_of"] == ""
    assert not cli.parse(["doctor"]).is_task
    with pytest.raises(UsageError, match="no command scor; did you mean score"):
        cli.parse(["scor"])
    with pytest.raises(UsageError, match="score: No such option"):
        cli.parse(["score", "--nam=n"])


def test_what_only_a_checkout_has_is_said_in_a_line(wrong, monkeypatch):
    monkeypatch.setitem(sys.modules, "search_forecast.synthetic", None)

    code, said = wrong("generate", "--rows", "1", "--seed", "1", "--out", "x")

    assert (code, said.partition(",")[0]) == (3, "generate: needs search_forecast.synthetic")


def test_a_full_disk_is_said_in_a_line(wrong, monkeypatch, tmp_path):
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))  # of what, Python doesn't say
    monkeypatch.setattr(Call, "check_there", full)

    said = wrong("--lakehouse", str(tmp_path), "check")

    place = f"{tmp_path}, or where else it writes"
    assert said == (3, f"check: No space left on device ({place}); mend that and run it again")


@pytest.mark.parametrize("words", [["tables"], ["check"], ["run", "medallion"], ["doctor"]])
def test_a_directory_that_is_gone_under_the_shell_is_said_in_a_line(wrong, monkeypatch, tmp_path, words):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert wrong(*words) == (3, "the current directory is gone: cd to one that is there, then run it again")


@pytest.mark.parametrize("words", [["tables"], ["doctor"]])
def test_an_address_is_no_lakehouse_of_this_machine(wrong, words):
    advice = "is no directory of this machine; on Databricks, use --catalog"
    assert wrong("--lakehouse", "s3a://bucket/lake", *words) == (2, f"--lakehouse s3a:/bucket/lake {advice}")


def test_text_that_is_no_utf_8_is_said_in_a_line(wrong, tmp_path):
    code, said = wrong("--lakehouse", str(tmp_path), "sql", "select 'caf\udce9' as term")

    assert (code, said.startswith("sql: a text that was given, or a file's name, holds bytes that are no UTF-8")) == (
        2,
        True,
    )


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_terminal_that_cannot_show_a_letter_is_said_in_a_line(capsys, monkeypatch, tmp_path, form):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))

    assert cli.main(["--lakehouse", str(tmp_path), "sql", "select 'žluť' as term", *form]) == 3

    said = (
        "search-forecast: sql: the output takes latin-1, which has no 'ž': set PYTHONIOENCODING=utf-8, run it again\n"
    )
    assert capsys.readouterr().err == said


def test_the_demo_leaves_a_lakehouse_of_ones_own_alone(tmp_path, wrong):
    lakes.whole(tmp_path / "lake")

    code, said = wrong("--lakehouse", str(tmp_path / "lake"), "demo", "--fixtures", str(FIXTURES / "landing"))

    assert code == 2
    assert said.startswith(f"demo: made-up searches would count among those in {tmp_path / 'lake'}, such as ")
    assert said.endswith("; say another --lakehouse")


def test_where_generated_files_have_no_place_the_directory_is_named(tmp_path, wrong, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("search_forecast.synthetic.generate", Mock(side_effect=full))

    code, said = wrong("generate", "--rows", "9", "--seed", "1", "--out", str(tmp_path / "more"))

    assert (code, said) == (
        3,
        f"generate: cannot write {tmp_path / 'more'}: No space left on device; say another --out",
    )


@pytest.mark.parametrize(
    ("words", "tail", "code", "last_line"),
    [
        (["--help"], "| true", 0, ""),
        (["query", "--json"], "| true", 0, ""),
        (["help"], "2>&1 | true", 0, ""),  # which rich prints
        ([], ">/dev/full", 3, "No space left on device"),
        (["query", "--json"], ">/dev/full", 3, "No space left on device"),
        (["query", "--csv"], ">&-", 0, ""),
    ],
)
def test_output_that_nobody_reads_is_no_error_and_output_that_is_lost_is_one(words, tail, code, last_line):
    # Python's own buffer is what it has in a shell: written when it is full, or at the end.
    call = f"{shlex.join([sys.executable, '-m', 'search_forecast', *words])} {tail}"
    environ = {**os.environ, "PYTHONUNBUFFERED": ""}
    script = f"{call}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=environ, stderr=subprocess.PIPE, text=True, check=False)

    said = [line for line in done.stderr.splitlines() if not line.startswith("query NAME")]
    assert done.returncode == code, done.stderr
    assert len(said) == (1 if last_line else 0), done.stderr
    assert last_line in "".join(said)
    assert "".join(said).count("search-forecast: ") == len(said)


def test_a_pipe_that_breaks_elsewhere_is_no_reader_that_has_enough(monkeypatch, tmp_path):
    # A socket's too is EPIPE: of Spark, of a workspace.
    monkeypatch.setattr("search_forecast.queries.catalogue.names", Mock(side_effect=BrokenPipeError(errno.EPIPE, "x")))
    with (tmp_path / "output").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(SystemExit) as raised:
            cli.main(["query"])

    assert raised.value.code == 1
