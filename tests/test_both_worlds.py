"""From delivered files to gold, by the bundle's own job: on this machine, and in a workspace with the same assertions.

`make test-workspace TARGET=dev` runs it in the workspace that you are logged in to, where the target is deployed. All
that a run delivers carries a mark of its own, so it holds too where there are tables already. It stays there; what it
left is said at the end.
"""

import gzip
import hashlib
import os
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from getpass import getuser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from search_forecast.bundle import remote
from search_forecast.bundle.configuration import User, load
from search_forecast.errors import DataError, SearchForecastError, UsageError
from support import reference, worlds
from support.places import FIXTURES, PROJECT
from support.workspace import LocalWorkspace, Workspace, answering
from support.worlds import Here, There, World

TARGET = os.environ.get("WORKSPACE_TARGET")
DIRTY = FIXTURES / "landing" / "dirty_search_terms.csv"
CONSOLE = Console(stderr=True)
here = pytest.param("here", marks=pytest.mark.spark)
stand_in = pytest.param("stand-in", marks=pytest.mark.spark)
in_workspace = pytest.param(
    "workspace", marks=pytest.mark.skipif(TARGET is None, reason="needs a login: make test-workspace TARGET=dev")
)


@dataclass(frozen=True)
class Check:
    """A question about what a task wrote, and plain Python's answer, in any order."""

    task: str
    table: str
    question: str
    rows: Sequence[tuple[Any, ...]]


class Delivery:
    """The dirty fixture with a mark before every term; the same content once more, packed; a file without terms."""

    def __init__(self, directory: Path) -> None:
        self.mark = f"w{uuid.uuid4().hex[:11]}"
        names = ("searches.csv", "again.csv.gz", "unreadable.csv")
        self.files = [directory / f"{self.mark}_{name}" for name in names]
        searches, again, unreadable = self.files
        # The term is the fourth field; one without letters stays as it is.
        text = DIRTY.read_text(encoding="utf-8", errors="surrogateescape")
        marked = re.sub(
            r'^((?:[^,\n]*,){3} *"?)(?=[^,\n]*\w)(?!searchterm)', rf"\1{self.mark} ", text, flags=re.MULTILINE
        )
        searches.write_text(marked, encoding="utf-8", errors="surrogateescape")
        again.write_bytes(gzip.compress(searches.read_bytes()))
        shutil.copyfile(FIXTURES / "unreadable" / "no_such_column.csv", unreadable)
        self.delivery_id = hashlib.sha256(searches.read_bytes()).hexdigest()
        self.searches = reference.expected(reference.read_delivery(searches), datetime.now(timezone.utc).date())

    def checks(self) -> list[Check]:
        """What holds once the job has run, whatever else the tables hold."""
        mine, of_mark = f"where delivery_id = '{self.delivery_id}'", f"where term like '{self.mark} %'"
        days: dict[str, list[Any]] = {}
        for (day, term), _ in sorted(self.searches.daily_term_counts.items()):
            days.setdefault(term, []).append(day)
        summary = [
            (term, count, min(days[term]), max(days[term]), len(days[term]))
            for term, count in self.searches.search_count_by_term.items()
        ]
        rejected = [(list(reasons),) for reasons in self.searches.rejected_by_reasons.elements()]
        return [
            Check(
                "ingest",
                "deliveries",
                f"select status, record_count from {{bronze}}.deliveries where source_file like '%{self.mark}%'",
                [("ingested", self.searches.record_count), ("duplicate", None), ("rejected", None)],
            ),
            Check(
                "ingest",
                "raw_search_terms",
                f"select count(*) from {{bronze}}.raw_search_terms {mine}",
                [(self.searches.record_count,)],
            ),
            Check(
                "clean",
                "search_events",
                f"select event_date, term, searched_as from {{silver}}.search_events {mine}",
                [(e.event_date, e.term, e.searched_as) for e in self.searches.events.elements()],
            ),
            Check(
                "clean", "rejected_records", f"select reject_reasons from {{silver}}.rejected_records {mine}", rejected
            ),
            Check(
                "aggregate",
                "daily_term_counts",
                f"select event_date, term, search_count from {{gold}}.daily_term_counts {of_mark}",
                [(*key, count) for key, count in self.searches.daily_term_counts.items()],
            ),
            Check(
                "aggregate",
                "daily_totals",
                "select count(*) from {gold}.daily_totals t left join (select event_date, sum(search_count) as n from "
                "{gold}.daily_term_counts group by event_date) c on c.event_date = t.event_date "
                "where t.search_count <> coalesce(c.n, 0)",
                [(0,)],
            ),
            Check(
                "aggregate",
                "term_summary",
                "select term, search_count, first_seen_date, last_seen_date, active_day_count from "
                f"{{gold}}.term_summary {of_mark}",
                summary,
            ),
            Check(
                "aggregate",
                "term_variants",
                f"select term, searched_as, search_count from {{gold}}.term_variants {of_mark}",
                [(*key, count) for key, count in self.searches.variants.items()],
            ),
            *(
                Check(
                    "trends",
                    table,
                    f"select term, sum(search_count) from {{gold}}.{table} {of_mark} and {once} group by term",
                    list(self.searches.search_count_by_term.items()),
                )
                for table, once in (("term_trends", "grain = 'month'"), ("term_profile", "profile = 'weekday'"))
            ),
            Check(
                "reconcile",
                "batches",
                "select reconciled, raw_count = event_count + rejected_count, delivered_count = (select "
                "sum(record_count) from {bronze}.deliveries d where d.batch_id = b.batch_id) from {gold}.batches b "
                f"where batch_id in (select batch_id from {{bronze}}.deliveries {mine})",
                [(True, True, True)],
            ),
        ]


def assert_holds(world: World, job: str, checks: Sequence[Check]) -> None:
    """Ask all questions; the error names every table that is wrong, its task, and where to look."""
    wrong = []
    for check in checks:
        rows = Counter(map(repr, world.rows(check.question)))
        expected = Counter(map(repr, check.rows))
        for word, difference in (("lacks", expected - rows), ("should not have", rows - expected)):
            if difference:
                shown = "; ".join(sorted(difference)[:3])
                wrong.append(f"task {check.task}: {check.table} {word} {difference.total()}: {shown}")
    if wrong:
        raise AssertionError("\n  ".join([f"{world.name}: job {job}:", *wrong, f"see {world.latest_run}"]))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for both, as both run the jobs by the same runner: what one was given is known to the other."""
    return tmp_path_factory.mktemp("worlds") / "lake"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return Delivery(tmp_path_factory.mktemp("delivery"))


@pytest.fixture(params=[stand_in, here, in_workspace])
def world(
    request: pytest.FixtureRequest, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    if request.param == "workspace":
        try:
            yield There(str(TARGET), CONSOLE)
        except SearchForecastError as error:
            raise pytest.fail.Exception(f"test-workspace: {error}", pytrace=False) from None
        return
    request.getfixturevalue("spark")
    if request.param == "here":
        yield Here(lake, "dev")
        return
    bundle = load(PROJECT, user=User(f"{getuser()}@example.com"), target="dev")
    with answering(LocalWorkspace(lake, bundle)) as server:
        log_in(server, monkeypatch, tmp_path)
        yield There("dev", CONSOLE)


def log_in(server: Workspace, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    server.log_in(monkeypatch, directory / "none.cfg")
    monkeypatch.setattr(remote, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(worlds, "POLL_SECONDS", 0.01)


def test_what_is_delivered_comes_out_as_plain_python_says(world: World, delivery: Delivery) -> None:
    world.deliver(delivery.files)
    world.run("medallion")

    assert_holds(world, "medallion", delivery.checks())


# --- what is said where something goes wrong, in a workspace that does what a test tells it to


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    with answering(Workspace()) as server:
        log_in(server, monkeypatch, tmp_path)
        yield server


def test_wrong_tables_are_all_named_with_their_task_and_the_run(delivery: Delivery) -> None:
    right = {check.question: list(check.rows) for check in delivery.checks()}
    totals, batches = (question for question in right if "daily_totals" in question or "gold}.batches" in question)
    world = SimpleNamespace(name="dev", latest_run="http://run/70", rows=right.__getitem__)
    assert_holds(world, "medallion", delivery.checks())
    right[totals], right[batches] = [(2,)], []

    with pytest.raises(AssertionError) as raised:
        assert_holds(world, "medallion", delivery.checks())

    assert str(raised.value).splitlines() == [
        "dev: job medallion:",
        "  task aggregate: daily_totals lacks 1: (0,)",
        "  task aggregate: daily_totals should not have 1: (2,)",
        "  task reconcile: batches lacks 1: (True, True, True)",
        "  see http://run/70",
    ]


def test_a_delivery_has_searches_and_every_kind_of_rejected_record(delivery: Delivery) -> None:
    assert delivery.searches.rejected_by_reason.keys() == set(reference.REASONS)
    assert len(delivery.searches.search_count_by_term) > 5
    assert all(term.startswith(f"{delivery.mark} ") for term in delivery.searches.search_count_by_term)


def test_a_failed_job_is_said_with_its_task_error_and_link(server: Workspace) -> None:
    server.steps = [("TERMINATED", "FAILED", "clean")]

    with pytest.raises(AssertionError, match=r"job medallion: task clean FAILED: DataError: .*; see http.*/runs/70"):
        There("dev", CONSOLE).run("medallion")


def test_a_statement_is_followed_through_waiting_and_all_of_its_parts(server: Workspace) -> None:
    server.columns = [("n", "LONG"), ("d", "DATE"), ("b", "BOOLEAN"), ("l", "ARRAY"), ("r", "DOUBLE"), ("t", "STRING")]
    server.rows = [[str(n), "2024-02-29", "true", '["a"]', "0.5", None] for n in range(5)]

    rows = There("dev", CONSOLE).rows("select * from {gold}.term_summary")

    assert rows == [(n, date(2024, 2, 29), True, ["a"], 0.5, None) for n in range(5)]
    asked = server.statements["s1"]["asked"]
    assert asked["statement"] == "select * from dev_ann_search_gold.term_summary"
    assert (asked["warehouse_id"], asked["catalog"]) == ("w1", "main")
    assert [path.rpartition("s1")[2] for _, path in server.asked if "/statements/s1" in path] == [
        "",
        "",
        "/result/chunks/1",
        "/result/chunks/2",
    ]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"refusal": "[TABLE_OR_VIEW_NOT_FOUND] no table"},
            r"s1 FAILED: \[TABLE_OR_VIEW_NOT_FOUND\] no table: select 1",
        ),
        ({"statement_steps": ["RUNNING", "CANCELED"]}, "s1 CANCELED: no message"),
        ({"statement_steps": ["CLOSED"]}, "s1 CLOSED"),
        ({"lost_rows": 2}, "s1 gave 1 of 3 rows"),
    ],
)
def test_a_statement_that_ends_otherwise_is_an_error(server: Workspace, state: dict[str, Any], message: str) -> None:
    vars(server).update(state)

    with pytest.raises(DataError, match=message):
        There("dev", CONSOLE).rows("select 1")


def test_a_statement_that_never_ends_is_cancelled(server: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    server.statement_steps = ["PENDING"]
    monkeypatch.setattr(worlds, "STATEMENT_SECONDS", 0)

    with pytest.raises(DataError, match="s1 took longer than 0 s, cancelled"):
        There("dev", CONSOLE).rows("select 1")

    assert server.asked[-1] == ("POST", "/api/2.0/sql/statements/s1/cancel")


def test_the_warehouse_is_the_bundles_own(server: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    server.warehouses = {"Other": "w2"}

    with pytest.raises(DataError, match="no SQL warehouse 'Serverless Starter Warehouse'; set BUNDLE_VAR_warehouse_id"):
        There("dev", CONSOLE)
    monkeypatch.setenv("BUNDLE_VAR_warehouse_id", "w2")
    There("dev", CONSOLE).rows("select 1")

    assert server.statements["s1"]["asked"]["warehouse_id"] == "w2"


def test_only_a_target_in_development_mode_is_delivered_to(server: Workspace) -> None:
    with pytest.raises(UsageError, match="staging is not in development mode: what this delivers would stay"):
        There("staging", CONSOLE)
