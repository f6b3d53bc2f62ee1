"""A SQL warehouse's answers, by a stand-in that sends all values as text, in parts, as the API does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from search_forecast.errors import DataError, EnvironmentProblem
from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.warehouse import WarehouseEngine
from support.workspace import Workspace, answering


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    with answering(Workspace()) as server:
        server.log_in(monkeypatch, tmp_path / "none")
        server.statement_steps, server.tables = ["SUCCEEDED"], ["daily_totals", "daily_term_counts", "term_summary"]
        yield server


@pytest.fixture
def engine(workspace: Workspace) -> WarehouseEngine:
    return WarehouseEngine(WorkspaceClient(), "w1", "main", "gold")


def test_values_of_all_types_come_as_pythons_own_and_in_all_parts(
    workspace: Workspace, engine: WarehouseEngine
) -> None:
    workspace.columns = [
        ("n", "LONG"), ("x", "DOUBLE"), ("d", "DATE"), ("at", "TIMESTAMP"), ("is", "BOOLEAN"), ("m", "DECIMAL"),
        ("s", "STRING"), ("a", "ARRAY"),
    ]  # fmt: skip
    full = ["7", "2.5", "2021-11-12", "2021-11-12T01:02:03.004+01:00", "false", "1.10", "7", "[1]"]
    workspace.rows = [full, [None] * 8, ["0", "NaN", *full[2:3], "2021-11-12T00:02:03.004Z", *full[4:]]]

    got = engine.run("select everything", {}, [])

    assert got.columns == ["n", "x", "d", "at", "is", "m", "s", "a"]
    at = datetime(2021, 11, 12, 0, 2, 3, 4000)
    assert got.rows[:2] == [
        (7, 2.5, date(2021, 11, 12), at, False, Decimal("1.10"), "7", [1]),
        (None,) * 8,
    ]
    assert got.rows[2][1] != got.rows[2][1]
    assert got.rows[2][3] == at


def test_values_are_bound_with_the_types_of_the_querys_header(workspace: Workspace, engine: WarehouseEngine) -> None:
    workspace.columns, workspace.rows = [("term", "STRING")], [["kettle' or 1=1 --"]]
    query = catalogue.load("daily_counts")

    answer(engine, query, {"term": "Kettle' or 1=1 --"})

    asked = [statement["asked"] for statement in workspace.statements.values()]
    assert {(each["warehouse_id"], each["catalog"], each["schema"]) for each in asked} == {("w1", "main", "gold")}
    assert asked[-1]["statement"] == query.sql
    assert {each["name"]: (each["type"], each.get("value")) for each in asked[-1]["parameters"]} == {
        "term": ("STRING", "kettle' or 1=1 --"),
        "from": ("DATE", None),
        "to": ("DATE", None),
    }


def test_what_goes_wrong_is_said_in_a_line(workspace: Workspace, engine: WarehouseEngine) -> None:
    with pytest.raises(DataError, match=r"^no search_gold.term_trends in gold; run trends first$"):
        engine.run("select 1", {}, ["search_gold.term_trends"])
    workspace.lost_rows = 1
    with pytest.raises(DataError, match=r"more than 100,000 rows"):
        engine.run("select 1", {}, [])
    workspace.refusal = "[TABLE_OR_VIEW_NOT_FOUND]\n  no such table"
    with pytest.raises(DataError, match=r"^the query failed: \[TABLE_OR_VIEW_NOT_FOUND\] no such table$"):
        engine.run("select 1", {}, [])
    workspace.statement_steps = ["CANCELED"]
    with pytest.raises(EnvironmentProblem, match=r"^no answer within 50 s; a warehouse .* ask again$"):
        engine.run("select 1", {}, [])
    workspace.token = "expired"
    with pytest.raises(EnvironmentProblem, match=r"^the warehouse refused or did not answer: Invalid access token"):
        engine.run("select 1", {}, [])


def test_tables_are_listed_once_a_minute(
    workspace: Workspace, engine: WarehouseEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [engine.has("term_summary"), engine.has("search_gold.term_summary"), engine.has("term_trends")] == [1, 1, 0]
    workspace.tables.append("term_trends")
    assert not engine.has("term_trends")
    monkeypatch.setattr("search_forecast.queries.warehouse._TABLES_SECONDS", 0)
    assert engine.has("term_trends")
    assert sum(path.endswith("unity-catalog/tables") for _, path in workspace.asked) == 2


def test_the_version_is_the_latest_of_the_history(workspace: Workspace, engine: WarehouseEngine) -> None:
    workspace.columns, workspace.rows = [("version", "LONG"), ("timestamp", "TIMESTAMP")], [["12", None]]

    assert engine.version("search_gold.term_summary") == 12
    assert [each["asked"]["statement"] for each in workspace.statements.values()] == [
        "describe history term_summary limit 1"
    ]
