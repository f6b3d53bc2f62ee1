"""The whole flow through the command line, against plain Python's answer, read back with other Delta readers."""

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

import reference
from search_forecast import cli, landing, tables

pytestmark = pytest.mark.usefixtures("spark")
REPOSITORY = Path(__file__).parent.parent
ORIGINAL = REPOSITORY.parent / "shared" / "data" / "searchterms.csv"
HEADER = "day,month,year,searchterm\n"
STEPS = ("clean", "aggregate", "reconcile")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command on the test's lakehouse; its JSON result, or (exit code, error line) where it failed."""

    def run_command(*words: str) -> Any:
        capsys.readouterr()
        code = cli.main(["--lakehouse", str(tmp_path / "lake"), *words, "--json"])
        printed = capsys.readouterr()
        return (code, printed.err) if code else json.loads(printed.out)

    return run_command


def pipeline(run: Callable[..., Any], source: Path) -> list[Any]:
    return [run("ingest", "--source", str(source)), *(run(step) for step in STEPS)]


def delivered(directory: Path) -> reference.Expected:
    """Plain Python's answer for every readable file of a directory, each content once."""
    contents = {reference.content_of(path): path for path in sorted(directory.iterdir()) if ".csv" in path.name}
    records = [record for path in contents.values() for record in reference.read_delivery(path)]
    return reference.expected(records, datetime.now(timezone.utc).date())


def rows(lake: Path, name: str) -> list[dict[str, Any]]:
    """A table's rows, read without Spark."""
    return DeltaTable(str(lake / name)).to_pyarrow_table().to_pylist()


def gold(lake: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All gold tables but for the times of batches, as sorted rows."""
    found = {}
    for path in sorted((lake / "search_gold").iterdir()):
        listed = rows(lake, f"search_gold/{path.name}")
        kept = [tuple(v for k, v in row.items() if not k.endswith("_at")) for row in listed]
        found[path.name] = sorted(kept, key=repr)
    return found


def assert_gold_is(lake: Path, expected: reference.Expected) -> None:
    counts = {(r["event_date"], r["term"]): r["search_count"] for r in rows(lake, "search_gold/daily_term_counts")}
    assert counts == expected.daily_term_counts
    totals = {r["event_date"]: r["search_count"] for r in rows(lake, "search_gold/daily_totals") if r["search_count"]}
    assert totals == expected.search_count_by_date
    summary = {r["term"]: r["search_count"] for r in rows(lake, "search_gold/term_summary")}
    assert summary == expected.search_count_by_term
    variants = {(r["term"], r["searched_as"]): r["search_count"] for r in rows(lake, "search_gold/term_variants")}
    assert variants == expected.variants
    reasons = Counter(tuple(r["reject_reasons"]) for r in rows(lake, "search_silver/rejected_records"))
    assert reasons == expected.rejected_by_reasons


def test_generated_deliveries_with_dirt_come_out_as_their_truth_says(run: Callable[..., Any], tmp_path: Path) -> None:
    run("generate", "--rows", "20000", "--seed", "7", "--dirty", "0.05", "--out", str(tmp_path / "in"))
    truth = json.loads((tmp_path / "in" / "truth.json").read_text(encoding="utf-8"))

    ingested, cleaned, _, checked = pipeline(run, tmp_path / "in")

    assert ingested["record_count"] == truth["record_count"] == 20000
    assert (cleaned["event_count"], cleaned["rejected_count"]) == (truth["event_count"], truth["rejected_count"])
    assert checked["search_count"] == checked["event_count"] == truth["event_count"]
    lake = tmp_path / "lake"
    reasons = Counter(reason for r in rows(lake, "search_silver/rejected_records") for reason in r["reject_reasons"])
    assert reasons == truth["rejected_by_reason"]
    daily: dict[str, dict[str, int]] = {}
    for row in rows(lake, "search_gold/daily_term_counts"):
        daily.setdefault(row["event_date"].isoformat(), {})[row["term"]] = row["search_count"]
    assert daily == truth["daily_term_counts"]
    variants: dict[str, dict[str, int]] = {}
    for row in rows(lake, "search_gold/term_variants"):
        variants.setdefault(row["term"], {})[row["searched_as"]] = row["search_count"]
    assert variants == truth["variants"]
    # The oracle written for the Spark code agrees with the generator's own count.
    assert_gold_is(lake, delivered(tmp_path / "in"))


def test_late_repeated_and_deleted_records_rebuild_their_days_to_what_a_full_rebuild_gives(
    run: Callable[..., Any], tmp_path: Path, spark: Any
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,red shoes\n5,3,2024,Red  Shoes\n5,3,2024,\n", encoding="utf-8")
    pipeline(run, source)
    (source / "late.csv").write_text(
        "Search Term;DAY;month;Year;shop\nRED SHOES;5;3;2024;x\nblue hat;2;3;2024;y\n", encoding="utf-8"
    )
    (source / "again.csv").write_bytes((source / "a.csv").read_bytes())
    (source / "packed.csv.gz").write_bytes(gzip.compress((source / "a.csv").read_bytes()))

    ingested, cleaned, aggregated, _ = pipeline(run, source)

    assert (ingested["ingested"], ingested["duplicate"], ingested["known"]) == (1, 2, 1)
    assert cleaned["batches"] == ["batch-000002"]
    assert (aggregated["is_full"], aggregated["days"]) == (False, 2)
    assert_gold_is(lake, delivered(source))

    versions = {table["table"]: table["version"] for table in run("tables")}
    again = pipeline(run, source)

    assert [again[0]["batch_id"], again[1]["batches"], again[2]["days"]] == [None, [], 0]
    assert {table["table"]: table["version"] for table in run("tables")} == versions

    spark.sql(f"delete from delta.`{lake}/search_silver/search_events` where term = 'blue hat'")

    assert run("aggregate")["days"] == 1
    assert {r["term"]: r["search_count"] for r in rows(lake, "search_gold/term_summary")} == {"red shoes": 3}
    assert {r["searched_as"] for r in rows(lake, "search_gold/term_variants")} == {
        "red shoes",
        "Red  Shoes",
        "RED SHOES",
    }
    before = gold(lake)
    assert run("aggregate", "--full")["is_full"]
    assert gold(lake) == before


def test_unreadable_files_are_rejected_until_mended_and_the_others_go_on(
    run: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    shutil.copytree(REPOSITORY / "fixtures" / "unreadable", source)
    (source / "grown.csv").write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")

    first = run("ingest", "--source", str(source))
    strict = run("ingest", "--source", str(source), "--strict")

    assert (first["ingested"], first["rejected"]) == (1, 7)
    deliveries = {Path(r["source_file"]).name: r for r in rows(lake, "search_bronze/deliveries")}
    bad = {name for name, row in deliveries.items() if row["status"] == "rejected"}
    assert bad == {path.name for path in (REPOSITORY / "fixtures" / "unreadable").iterdir()}
    assert all(deliveries[name]["reason"] for name in bad)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert all(any(name in message for message in warned) for name in bad)
    assert strict[0] == 1
    assert "binary.csv" in strict[1]

    (source / "binary.csv").write_text(HEADER + "1,3,2024,shoes\n", encoding="utf-8")
    (source / "grown.csv").write_text(HEADER + "1,3,2024,hat\n1,3,2024,hat\n", encoding="utf-8")
    second = pipeline(run, source)

    assert (second[0]["ingested"], second[0]["rejected"]) == (1, 1)
    counts = {r["term"]: r["search_count"] for r in rows(lake, "search_gold/term_summary")}
    assert counts == {"hat": 1, "shoes": 1}


class Killed(BaseException):
    """Ends a run at a chosen point, as a kill would."""


# What each command does, in order: every commit, and every step of staging; killed before or after it.
CRASH_POINTS = {
    "ingest": [("seal", "before"), ("seal", "after"), ("raw_search_terms", "after"), ("deliveries", "after")],
    "clean": [("rejected_records", "after"), ("search_events", "after")],
    "aggregate": [(name, "after") for name in ("daily_term_counts", "daily_totals", "term_summary", "term_variants")],
    "reconcile": [("batches", "after")],
}


def killing(work: Callable[..., Any], point: str, when: str) -> Callable[..., Any]:
    """`work`, but the process dies before or after it where it does what `point` says."""

    def killed(*args: Any, **options: Any) -> Any:
        name = getattr(args[2], "name", None) if work is WRITE else work.__name__
        if name == point and when == "before":
            raise Killed
        result = work(*args, **options)
        if name == point:
            raise Killed
        return result

    return killed


WRITE, SEAL = tables.Lakehouse.write, landing.seal


def test_a_run_killed_at_every_point_in_turn_and_run_again_gives_the_same_tables(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n3,3,2024,hat\n1,3,2024,\n", encoding="utf-8")
    pipeline(run, source)
    # The second delivery repeats a term and a day of the first, so that anything counted twice or lost shows.
    (source / "b.csv").write_text(HEADER + "1,3,2024,Hat\n2,3,2024,shoes\n2,3,2024,\n", encoding="utf-8")

    for command, points in CRASH_POINTS.items():
        words = [command, *(["--source", str(source)] if command == "ingest" else [])]
        for point, when in points:
            with monkeypatch.context() as patch:
                patch.setattr(tables.Lakehouse, "write", killing(WRITE, point, when))
                patch.setattr(landing, "seal", killing(SEAL, point, when))
                try:
                    run(*words)
                except Killed:
                    continue
            # Only a commit that the run before was killed right after is not made again.
            assert point in {"search_events", "term_variants", "batches"}, f"{command} never came to {point}"
        run(*words)

    assert_gold_is(lake, delivered(source))
    assert [(r["raw_count"], r["reconciled"]) for r in rows(lake, "search_gold/batches")] == [(3, True), (3, True)]
    assert not list((lake / "_staging").iterdir())
    before = gold(lake)
    run("aggregate", "--full")
    assert gold(lake) == before


def test_lost_records_fail_reconcile_which_names_batch_and_layer(
    run: Callable[..., Any], tmp_path: Path, spark: Any
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n2,3,2024,shoes\n", encoding="utf-8")
    pipeline(run, source)
    losses = {
        "gold": "search_gold/daily_term_counts` where term = 'hat'",
        "silver": "search_silver/search_events` where term = 'hat'",
        "bronze": "search_bronze/raw_search_terms` where searchterm = 'hat'",
    }

    for layer, loss in losses.items():
        spark.sql(f"delete from delta.`{lake}/{loss}")
        code, line = run("reconcile")

        assert code == 1
        assert f"batch-000001: {layer} holds 1 of its records, expected 2" in line
        assert [r["reconciled"] for r in rows(lake, "search_gold/batches")] == [False]


def test_the_fixtures_give_the_answers_of_the_readme(run: Callable[..., Any], tmp_path: Path) -> None:
    answers = run("demo", "--fixtures", str(REPOSITORY / "fixtures" / "landing"))

    assert [(f["record_count"], f["column_count"]) for f in answers["files"]] == [(10000, 4), (40, 5)]
    assert (answers["term"], answers["term_count"]) == ("gaming laptop", 499)
    assert [row["search_count"] for row in answers["top_terms"]] == [2312, 2301, 1327, 935, 896]
    assert len(answers["first_rows"]) == 5
    expected = delivered(REPOSITORY / "fixtures" / "landing")
    assert answers["rejected_by_reason"] == expected.rejected_by_reason
    assert_gold_is(tmp_path / "lake", expected)
    flagged = [r for r in rows(tmp_path / "lake", "search_gold/daily_totals") if not r["is_complete_day"]]
    assert sorted(r["event_date"] for r in flagged) == [date(2021, 11, 12), date(2021, 12, 25)]
    files = DeltaTable(str(tmp_path / "lake" / "search_gold" / "term_summary")).file_uris()
    with duckdb.connect() as connection:
        counted = connection.execute("select sum(search_count), max(search_count) from read_parquet(?)", [files])
        assert counted.fetchone() == (10016, 2312)


@pytest.mark.skipif(not ORIGINAL.exists(), reason="../shared/data/searchterms.csv is not on this machine")
def test_the_original_file_gives_its_known_counts(run: Callable[..., Any], tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(ORIGINAL, source)

    pipeline(run, source)

    assert run("query", "term_count", "term=gaming laptop") == [{"term": "gaming laptop", "search_count": 499}]
    top = run("query", "top_terms", "limit=5")
    assert [tuple(row.values()) for row in top] == [
        ("mobile 6 inch", 2312),
        ("mobile 5g", 2301),
        ("mobile latest", 1327),
        ("laptop", 935),
        ("tablet wifi", 896),
    ]
    assert_gold_is(tmp_path / "lake", delivered(source))
