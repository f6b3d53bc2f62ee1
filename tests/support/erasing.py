"""What is erased, and how one sees that nothing of it is left."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from search_forecast.medallion import erase
from support import delta, kills, reference
from support.flow import assert_gold_is, rows

HEADER = "day,month,year,searchterm,page\n"
FIRST = (
    "1,3,2024,Zebra  Lamp,x",
    "1,3,2024,hat,/zebra lamp/7",
    "2,3,2024,hat,y",
    '2,3,2024,"zebra lamp',
    "2,3,2024,,z",
)
SECOND = ("2,3,2024,ZEBRA LAMP,x", "3,3,2024,ibex boots,x", "3,3,2024,hat,y")


def holding(root: Path, words: str) -> list[str]:
    """Files below a directory that hold some text: in their bytes, in the values of Parquet, inside gzip."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        texts = [content.decode("utf-8", "replace")]
        if content[:2] == b"\x1f\x8b":
            texts.append(gzip.decompress(content).decode("utf-8", "replace"))
        if content[:4] == b"PAR1":
            texts += [str(parquet.read_table(path).to_pylist()), str(parquet.read_metadata(path).to_dict())]
        if any(words in text.casefold() for text in texts):
            found.append(str(path.relative_to(root)))
    return found


def expected_without(words: str, *records: str) -> reference.Expected:
    """Plain Python's answer for the records in which some text is not."""
    kept = [record.split(",") for record in records if words not in " ".join(record.casefold().split())]
    raw = [reference.RawRecord(day, month, year, term) for day, month, year, term, _ in kept]
    return reference.expected(raw, date(2030, 1, 1))


def seed_what_other_jobs_wrote(
    lake: Path, write: Callable[[Path, Mapping[str, delta.Rows]], Any] = delta.write, names: Sequence[str] = ()
) -> None:
    """Forecasts, scores (all tables, or those named), records of runs, a model of one cut off, files under way."""
    forecast = {
        "target_date": date(2024, 3, 4), "model_version": 1, "interval_level": 0.8, "made_on_date": date(2024, 3, 3),
        "horizon_days": 1, "forecast": 1.0, "lower": 0.0, "upper": 2.0, "mean_forecast": 1.0, "candidate": "ets",
        "model_name": "search_demand", "scored_at": datetime(2024, 3, 4, tzinfo=timezone.utc),
    }  # fmt: skip
    metric = {"model_version": 1, "candidate": "ets", "window_count": 1, "is_champion": False}
    trend = {
        "grain": "week", "period_start_date": date(2024, 2, 26), "search_count": 1, "previous_count": 0,
        "share_ratio": 0.1, "rank": 1, "index_0_100": 100, "status": "stable", "is_partial_period": True,
    }  # fmt: skip
    profile = {"profile": "weekday", "value": 5, "search_count": 1, "share_ratio": 1.0}
    score = {
        "model_name": "m",
        "model_version": 1,
        "prediction": 1.0,
        "scored_at": datetime(2024, 3, 4, tzinfo=timezone.utc),
    }
    tables: dict[str, delta.Rows] = {
        "term_forecasts": [
            forecast | {"term": term, "events": "campaign Zebra Lamp sale: x 2.41 (1.92 to 3.03)"}
            for term in ("zebra lamp", "hat", "ibex boots")
        ],
        "backtest_metrics": [metric | {"term": term} for term in ("zebra lamp", "hat", "ibex boots")],
        "term_trends": [trend | {"term": term} for term in ("zebra lamp", "hat", "ibex boots")],
        "term_profile": [profile | {"term": term} for term in ("zebra lamp", "hat", "ibex boots")],
        "calendar_events": [
            {"event_date": date(2024, 3, 4), "event": event, "kind": "campaign", "term": term}
            for event, term in (
                *(("sale", "zebra lamp"), ("sale", "hat")),
                *(("Zebra Lamp sale", None), ("zebra lamp days", None)),
            )
        ],
        "model_scores": [
            score | {"inputs": json.dumps({"term": term}), "predicted_label": label}
            for term, label in (("Zebra lamp", None), ("hat", "shop"), ("stripes", "zebra lamp"))
        ],
    }
    write(lake, {name: rows for name, rows in tables.items() if name in (names or tables)})
    for name, text in (
        ("_runs/medallion/20240304-1/task.log", "rejected: zebra  lamp"),
        ("_runs/medallion/20240304-2/run.json", '{"state": "SUCCESS"}'),
        ("_staging/scratch/tmp1/part.csv", "zebra lamp"),
        ("report.html", "the page of the command report, with zebra lamp"),
    ):
        (lake / name).parent.mkdir(parents=True, exist_ok=True)
        (lake / name).write_text(text, encoding="utf-8")
    for run in ("cut-off", "other"):
        files = lake / "_mlflow" / "artifacts" / run / "artifacts" / "model"
        files.mkdir(parents=True)
        term = "zebra lamp" if run == "cut-off" else "hat"
        parquet.write_table(pa.table({"term": [term]}), files / "part-0.parquet")


WORDS = ("erase", "--term", "zebra LAMP", "--why", "case 17")


def delivered(source: Path) -> list[Path]:
    """Two deliveries that hold what is to be erased: as a term, in other columns, in a broken record."""
    source.mkdir()
    for name, records in (("a.csv", FIRST), ("b.csv", SECOND)):
        (source / name).write_text(HEADER + "\n".join(records) + "\n", encoding="utf-8")
    return [source / "a.csv", source / "b.csv"]


def assert_erased(lake: Path, erased: dict[str, Any], files: list[Path]) -> None:
    """Nothing of the term is in any byte, and all else is as plain Python says."""
    assert holding(lake, "zebra") == []
    assert_gold_is(lake, expected_without("zebra lamp", *FIRST, *SECOND))
    assert (erased["similar_terms"], erased["named_files"]) == (0, 0)
    assert erased["delivered_files"] == list(map(str, files))
    assert "search_bronze.raw_search_terms" in erased["purged"]
    batches = rows(lake, "search_gold/batches")
    assert [sum(r[name] for r in batches) for name in ("delivered_count", "raw_count")] == [4, 4]
    assert all(r["reconciled"] for r in batches)
    noted = rows(lake, "search_gold/corrections")
    assert sorted((r["what"], r["why"], r["record_count"]) for r in noted) == [
        ("erased", "case 17", 1),
        ("erased", "case 17", 3),
    ]
    forecasts = {(r["term"], r["events"]) for r in rows(lake, "search_gold/term_forecasts")}
    assert forecasts == {("hat", "erased"), ("ibex boots", "erased")}
    calendar = sorted((r["event"], r["term"]) for r in rows(lake, "search_gold/calendar_events"))
    assert calendar == [("erased campaign", None), ("sale", "hat")]


def erase_a_delivery(run: Callable[..., Any], lake: Path, source: Path) -> None:
    """Erase the second delivery after the term, killed once its records are gone, from which its terms are learned.

    It is not taken in again, and what follows works on what is left.
    """
    words = ("erase", "--delivery", "b.csv", "--why", "case 18")
    delta.write(lake, {"accepted_spellings": [{"variant": "ibex boot", "term": "ibex boots"}]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erase, "purge", lambda *_: None)  # it does the same once more, and takes its time
        assert kills.kill(run, words, ("raw_search_terms", "after"))
        run(*words)

    for table in erase.HOLDING_TEXT[1:]:  # that of deliveries knows only its file and the hash
        name = f"search_{table.layer}/{table.name}"
        assert not (lake / name).is_dir() or "ibex" not in str(rows(lake, name)), name
    assert_gold_is(lake, expected_without("zebra lamp", *FIRST))
    (source / "c.csv").write_bytes((source / "b.csv").read_bytes())
    again = run("ingest", "--source", str(source))
    assert (again["known"], again["rejected"], again["ingested"]) == (2, 1, 0)
    # What follows works on tables without a past, and other readers read them.
    assert run("aggregate")["days"] == 0
    assert DeltaTable(str(lake / "search_silver" / "search_events")).to_pyarrow_table().num_rows == 1
    assert_gold_is(lake, expected_without("zebra lamp", *FIRST))
