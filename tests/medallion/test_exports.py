"""The exports of other systems, in every container: staged without Spark, then once through everything."""

from __future__ import annotations

import gzip
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from search_forecast.errors import DataError, UsageError
from search_forecast.medallion import landing, layouts
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.explain import explain
from search_forecast.medallion.ingest import layout_choice
from search_forecast.parameters import IngestParameters
from search_forecast.synthetic import exports, generate
from search_forecast.synthetic.exports import EXPORTS, Search
from support.flow import rows
from support.places import FIXTURES

LAYOUTS = layouts.load()
REFUSED = sorted(name for name, layout in LAYOUTS.items() if layout.refuse)
# Day, term as typed, how often; the term twice in two spellings, and what CSV, JSON and Spark could trip over.
SEARCHES = (
    (date(2024, 3, 1), "standing desk", 3),
    (date(2024, 3, 1), "Standing  Desk", 1),
    (date(2024, 3, 2), 'tv 55" oled, "4k"', 2),
    (date(2024, 3, 2), "größe 42; schuhe", 1),
    (date(2024, 3, 29), "a\\b \\\" , 'c' # tab\tlamp", 2),
    (date(2024, 12, 31), "ポータブル電源 \x1f {}[]", 1),
)
PAIRS = [(name, container) for name, export in EXPORTS.items() for container in export.containers()]


def written(name: str, container: str | None) -> tuple[bytes, Counter[str]]:
    export = EXPORTS[name]
    searches = [
        Search(export.day(day), term, str(count if export.is_counted else 1))
        for day, term, count in SEARCHES
        for _ in range(1 if export.is_counted else count)
    ]
    return exports.content(name, searches, container)


def staged(path: Path, directory: Path, name: str) -> list[dict[str, str]]:
    """The staged records of all deliveries of a file, by role."""
    records = []
    for part in landing.survey(path).parts:
        delivery = landing.stage(part, directory, Choice(path, name))
        assert delivery.layout_name == name
        rows = parquet.read_table(directory / f"{delivery.delivery_id}.parquet").to_pylist()
        assert len(rows) == delivery.record_count
        records += [row for row in rows if row["malformed_record"] is None]
    return records


@pytest.mark.parametrize(("name", "container"), PAIRS)
def test_every_layout_is_read_from_every_container(tmp_path: Path, name: str, container: str) -> None:
    content, _ = written(name, container)
    (tmp_path / f"searches{container}").write_bytes(content)

    records = staged(tmp_path / f"searches{container}", tmp_path, name)

    typed = [term for _, term, count in SEARCHES for _ in range(1 if EXPORTS[name].is_counted else count)]
    assert [record["searchterm"] for record in records if record["searchterm"]] == typed
    if EXPORTS[name].is_counted:
        counts = [record["count"] for record in records if record["searchterm"]]
        assert [count.partition(".")[0] for count in counts] == [str(count) for _, _, count in SEARCHES]


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - {"spark_csv"}))
def test_every_layout_has_a_fixture_that_fits_no_other(tmp_path: Path, name: str) -> None:
    paths = sorted((FIXTURES / "exports" / name).iterdir())
    assert paths
    for path in paths:
        part = Part(path)
        if name in REFUSED:
            with pytest.raises(DataError, match=f"{name}: .* without a day"):
                landing.stage(part, tmp_path, Choice(path))
        else:
            assert landing.stage(part, tmp_path, Choice(path)).layout_name == name


def test_the_same_searches_in_every_layout_are_the_same_in_silver(
    spark: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    """Each layout has days of its own, so that one run does for all of them."""
    expected: Counter[tuple[date, str]] = Counter()
    rejected: Counter[str] = Counter()
    records = 0
    for place, (name, export) in enumerate(EXPORTS.items()):
        shift = timedelta(days=400 * place - 4000)
        searches = [
            Search(export.day(day + shift), term, str(count if export.is_counted else 1))
            for day, term, count in SEARCHES
            for _ in range(1 if export.is_counted else count)
        ]
        container = export.containers()[place] if place % 2 else ".zip"
        content, noise = exports.content(name, searches, container)
        rejected += noise
        records += len(searches) + sum(noise.values())
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / f"searches{container}").write_bytes(content)
        for day, typed, count in SEARCHES:
            expected[day + shift, " ".join(typed.casefold().replace("größe", "grösse").split())] += count

    ingested, cleaned = run("ingest", "--source", str(tmp_path / "in")), run("clean")

    assert (ingested["ingested"], ingested["rejected"], ingested["record_count"]) == (len(EXPORTS), 0, records)
    assert (cleaned["event_count"], cleaned["rejected_count"]) == (records - rejected.total(), rejected.total())
    lake = tmp_path / "lake"
    assert len(rows(lake, "search_bronze/raw_search_terms")) == records
    counts: Counter[tuple[date, str]] = Counter()
    for row in rows(lake, "search_silver/search_events"):
        counts[row["event_date"], row["term"]] += row["search_count"]
    assert counts == expected
    assert counts.total() == sum(count for _, _, count in SEARCHES) * len(EXPORTS)
    reasons = Counter(r["reject_reasons"][0] for r in rows(lake, "search_silver/rejected_records"))
    assert reasons == rejected
    assert {r["layout"] for r in rows(lake, "search_bronze/deliveries")} == EXPORTS.keys()


def test_explain_says_how_a_file_would_be_read_and_writes_nothing(
    spark: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "in" / "plain" / "a.tsv.gz"
    path.parent.mkdir(parents=True)
    lines = ["shop\tdate\tQuery\tcount", "x\t2024-03-01\tRed  Shoes\t1,200", "x\t2024-02-30\t\tmany", "noise"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    before = sorted(tmp_path.rglob("*"))

    (delivery,) = run("ingest", "--source", str(tmp_path / "in"), "--explain", str(path))["deliveries"]

    assert delivery["layout"] == "plain"
    assert delivery["why"] == "it lies in a folder plain"
    assert delivery["columns"] == {"extra shop": "shop", "date": "date", "searchterm": "Query", "count": "count"}
    first = {"date": "2024-03-01", "searchterm": "Red  Shoes", "count": "1,200"}
    assert [tuple(record.values())[1:] for record in delivery["records"]] == [
        (first, "2024-03-01", "red shoes", 1200, None),
        (
            {"date": "2024-02-30", "searchterm": "", "count": "many"},
            None,
            "",
            None,
            "bad_count, empty_term, impossible_date",
        ),
        ("noise", None, None, None, "malformed_record"),
    ]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("formats: [iso]}\ntotals: {pattern: 'a{,3}'}", "layout mine: totals.pattern: Java can't read it ("),
        ("formats: [iso], zone: Factory}", "ingest: time zone Factory: Java can't read it ("),
    ],
)
def test_what_only_python_can_read_is_refused_before_anything_is_taken_in(
    spark: Any, run: Callable[..., Any], tmp_path: Path, rule: str, said: str
) -> None:
    for name, text in {
        "_layouts/mine.yml": f"description: x\nterm: q\ndate: {{column: d, {rule}\n",
        "mine/a.csv": "d,q\n2024-03-01,tv\n",
    }.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_text(text, encoding="utf-8")

    code, error = run("ingest", "--source", str(tmp_path / "in"))

    assert code == 2
    assert said in error


def test_explain_says_what_is_wrong_with_each_member_and_needs_no_spark_for_that(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n")
        archive.writestr("b.zip", "")

    explained = explain(None, tmp_path / "a.zip", Choice(tmp_path / "a.zip"), date(2024, 4, 1))  # type: ignore[arg-type]

    assert [(Path(each["file"]).name, each["problem"][:25]) for each in explained] == [
        ("a.csv", "the first line must name "),
        ("b.zip", "it is a zip file in a zip"),
    ]
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(DataError, match=r"ingest --explain: .*a\.xlsx is not read: its ending is none that is read"):
        explain(None, tmp_path / "a.xlsx", Choice(tmp_path), date(2024, 4, 1))  # type: ignore[arg-type]


def test_layouts_of_the_landing_directory_and_of_a_flag_join_those_that_come_with_the_project(tmp_path: Path) -> None:
    text = "description: x\nterm: Suche\ndate: {column: Tag, formats: [DD.MM.YYYY]}\n"
    for directory, name in ((tmp_path / "in" / "_layouts", "one"), (tmp_path / "more", "two")):
        directory.mkdir(parents=True)
        (directory / f"{name}.yml").write_text(text, encoding="utf-8")

    choice = layout_choice(IngestParameters(tmp_path / "in", layouts=tmp_path / "more", time_zone="Asia/Tokyo"))

    assert {"one", "two", "plain"} <= choice.layouts.keys()
    assert choice.layouts["one"].reading(choice.time_zone).shop_zone == "Asia/Tokyo"
    assert landing.survey(tmp_path / "in").parts == ()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"layouts": Path("nowhere")}, r"--layouts nowhere is no directory; name one with layouts \(\*\.yml\)"),
        ({"time_zone": "Mars"}, "ingest: --time-zone Mars is none, such as Pacific/Auckland or UTC"),
    ],
)
def test_flags_of_ingest_that_cannot_work_are_wrong_usage(tmp_path: Path, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        IngestParameters(tmp_path, **flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"layout": "plan"}, r"no layout plan; did you mean plain\?"),
        ({"container": ".zip"}, "--container needs --layout"),
        ({"layout": "ga4_bigquery", "container": ".csv"}, r"ga4_bigquery can't stand in \.csv"),
    ],
)
def test_what_generate_cannot_write_is_wrong_usage(tmp_path: Path, flags: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tmp_path / "out", rows=1, seed=1, **flags)  # type: ignore[arg-type]


@settings(max_examples=20)
@given(st.sampled_from(PAIRS), st.integers(0, 999), st.sampled_from([0.0, 0.2]))
def test_generated_deliveries_hold_as_many_records_and_searches_as_their_truth_says(
    pair: tuple[str, str], seed: int, dirty_ratio: float
) -> None:
    name, container = pair
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        days = (date(2024, 2, 27), date(2024, 3, 3))
        truth = generate(
            *(out,), rows=200, seed=seed, dirty_ratio=dirty_ratio, first_date=days[0], last_date=days[1],
            layout=name, container=container,
        )  # fmt: skip
        records = []
        parts = landing.survey(out).parts
        counts = [(landing.stage(part, Path(directory), Choice(out, name)).record_count) for part in parts]
        for part in parts:
            records += staged(part.path, Path(directory), name)

    assert counts == [file["record_count"] for file in truth["files"]]
    assert truth["event_count"] + truth["rejected_count"] == truth["record_count"]
    assert sum(truth["search_count_by_term"].values()) == 200 - round(200 * dirty_ratio)
    typed = Counter(record["searchterm"] for record in records)
    assert {spelling for spelled in truth["variants"].values() for spelling in spelled} <= typed.keys()
