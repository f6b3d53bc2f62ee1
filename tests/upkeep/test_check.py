"""A small lakehouse that is whole, broken in one way each: `check` names the break and what mends it. No Spark."""

from __future__ import annotations

import binascii
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from search_forecast import cli
from search_forecast.cli.call import reader
from search_forecast.errors import DataError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches
from search_forecast.models.registry import Registry, Version, record
from search_forecast.upkeep import check as task
from search_forecast.upkeep import delta_files
from support import lakes

EVENTS, COUNTS, RAW = "search_silver/search_events", "search_gold/daily_term_counts", "search_bronze/raw_search_terms"
VARIANTS = "search_gold/term_variants"
Break = Callable[[Path], object]


def house(lake: Path) -> Lakehouse:
    def none() -> NoReturn:
        raise DataError("check starts no Spark")

    return Lakehouse(none, lake, lake / "_staging", is_writable=False, reader=reader(lake))


def entry(lake: Path, table: str, version: int) -> Path:
    return lake / table / "_delta_log" / f"{version:020d}.json"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file's first page: its size, footer and counts stay as they are."""
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def scramble(path: Path) -> None:
    """Put other bytes in place of the first page and its header."""
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 40 + content[44:])


def rename(path: Path, name: bytes) -> None:
    """Likewise in the name of a column, of which no checksum tells."""
    path.write_bytes(path.read_bytes().replace(b"searchterm", name))


def swap(lake: Path) -> None:
    """A file with other rows, of which the log knows the size but not the number."""
    other = lakes.append(lake / "other", "daily_term_counts", lakes.batch(3, ("hat",))["daily_term_counts"])
    file, size = lake / COUNTS / "part-00002.parquet", (other / "part-00001.parquet").stat().st_size
    edit(entry(lake, COUNTS, 2), f'"size": {file.stat().st_size}', f'"size": {size}')
    shutil.copyfile(other / "part-00001.parquet", file)
    shutil.rmtree(lake / "other")


def empty_log(lake: Path) -> None:
    (lake / "search_gold/batches/_delta_log").rename(lake / "kept")
    (lake / "search_gold/batches/_delta_log").mkdir()


def staged(lake: Path) -> None:
    directory = batches.new_directory(lake / "_staging", "batch-000003")
    batches.seal(batches.Batch("batch-000003", datetime(2024, 3, 3, tzinfo=timezone.utc), (), directory))


def forecasts(lake: Path) -> None:
    row: dict[str, Any] = dict.fromkeys(("interval_level", "forecast", "lower", "upper", "mean_forecast"), 0.5)
    row |= {"term": "hat", "target_date": date(2024, 3, 9), "made_on_date": date(2024, 3, 8), "horizon_days": 1}
    row |= {"model_name": "search_demand", "model_version": 7}
    lakes.append(lake, "term_forecasts", [row])


BREAKS: dict[str, tuple[Break, str, str, str]] = {
    "an entry of the log is missing": (
        lambda lake: entry(lake, EVENTS, 1).unlink(),
        "search_silver.search_events", "1 entries of its log are missing, the first 00000000000000000001.json",
        "search_events away, then run clean and aggregate --full",
    ),
    "an entry of the log is cut short": (
        lambda lake: cut(entry(lake, RAW, 2)),
        "search_bronze.raw_search_terms", "_delta_log/00000000000000000002.json is cut short", "from a backup",
    ),
    "the log begins nowhere": (
        lambda lake: entry(lake, COUNTS, 0).unlink(),
        "search_gold.daily_term_counts", "no checkpoint says what was before", "away, then run aggregate --full",
    ),
    "a checkpoint is no Parquet": (
        lambda lake: (lake / COUNTS / "_delta_log/00000000000000000001.checkpoint.parquet").write_text("no"),
        "search_gold.daily_term_counts", "1.checkpoint.parquet is no Parquet file", "run aggregate --full",
    ),
    "an entry of the log is not what its checksum says": (
        lambda lake: entry(lake, EVENTS, 1).with_name(f".{entry(lake, EVENTS, 1).name}.crc").write_bytes(
            b"crc\0" + struct.pack(">II", 1 << 20, binascii.crc32(b"before it was edited"))
        ),
        "search_silver.search_events", "00000000000000000001.json is not what .00000000000000000001.json.crc says",
        "search_events away, then run clean and aggregate --full",
    ),
    "the log lost a line that Delta had counted": (
        lambda lake: (lake / COUNTS / "_delta_log/00000000000000000002.crc").write_text(
            '{"numFiles": 3, "tableSizeBytes": 9}'
        ),
        "search_gold.daily_term_counts", "an entry of the log lost lines", "run aggregate --full",
    ),
    "all entries of the log are gone": (
        empty_log, "search_gold.batches", "_delta_log holds no entry", "batches away, then run reconcile",
    ),
    "the log is gone": (
        lambda lake: shutil.rmtree(lake / EVENTS / "_delta_log"),
        "search_silver.search_events", "has data files and no log", "away, then run clean and aggregate --full",
    ),
    "a data file is gone": (
        lambda lake: (lake / COUNTS / "part-00001.parquet").unlink(),
        "search_gold.daily_term_counts", "data file part-00001.parquet is gone", "run aggregate --full",
    ),
    "a data file has another size": (
        lambda lake: cut(lake / EVENTS / "part-00001.parquet"),
        "search_silver.search_events", "bytes, its log says", "then run clean and aggregate --full",
    ),
    "a data file has other rows": (swap, "search_gold.daily_term_counts", "has 1 row, its log says 2", "aggregate"),
    "a bit is flipped in a column's name": (
        lambda lake: rename(lake / RAW / "part-00001.parquet", b"rearchterm"),
        "search_bronze.raw_search_terms", "part-00001.parquet has a column rearchterm, which its table lacks", "bring",
    ),
    "a column's name is no text any more": (
        lambda lake: rename(lake / RAW / "part-00001.parquet", b"\xf3earchterm"),
        "search_bronze.raw_search_terms", "part-00001.parquet is no Parquet file any more", "bring",
    ),
    "a bit is flipped": (
        lambda lake: flip(lake / RAW / "part-00001.parquet"),
        "search_bronze.raw_search_terms", "part-00001.parquet is damaged", "bring",
    ),
    "a constraint is gone": (
        lambda lake: edit(entry(lake, COUNTS, 0), '"delta.constraints.counted"', '"other"'),
        "search_gold.daily_term_counts", "delta.constraints.counted is not set", "run maintain",
    ),
    "a column has another type": (
        lambda lake: edit(entry(lake, COUNTS, 0), '\\"type\\": \\"long\\"', '\\"type\\": \\"integer\\"'),
        "search_gold.daily_term_counts", "column search_count is int, expected bigint", "away, then run aggregate",
    ),
    "another program made the table": (
        lambda lake: (
            edit(entry(lake, COUNTS, 0), '"search_forecast.contract"', '"x"'),
            edit(entry(lake, COUNTS, 0), "One row per", "Rows of"),
        ),
        "search_gold.daily_term_counts", "another program made it", "away, then run aggregate --full",
    ),
    "a row breaks a constraint": (
        lambda lake: lakes.append(
            lake, "term_summary",
            [{"term": "tv", "search_count": 0, "share_ratio": 0.5, "rank": 1, "first_seen_date": lakes.DAY,
              "last_seen_date": lakes.DAY, "active_day_count": 1}],
        ),
        "search_gold.term_summary", "1 row: not", "run aggregate --full",
    ),
    "a null where none may be": (
        lambda lake: lakes.append(lake, "term_variants", [{"term": None, "rule": "exact"}], "search_events@2"),
        "search_gold.term_variants", "1 row: null in term", "run aggregate --full",
    ),
    "records are missing in silver": (
        lambda lake: lakes.add(lake, {
            "raw_search_terms": lakes.batch(1)["raw_search_terms"][:1],
            "deliveries": [lakes.batch(1)["deliveries"][0] | {"delivery_id": "f", "record_count": 1}],
        }),
        "reconciliation", "batch-000001: silver holds 3 of its records, expected 4",
        "run reconcile --all, clean, then aggregate",
    ),
    "another program wrote silver": (
        lambda lake: lakes.append(lake, "search_events", lakes.batch(3)["search_events"]),
        "reconciliation", "batch-000003: silver holds 2 of its records, expected 0",
        "no delivery has that batch: run ingest, which finishes it if it is staged, or restore the table",
    ),
    "gold counts a day that silver lacks": (
        lambda lake: lakes.append(lake, "daily_term_counts", lakes.batch(9)["daily_term_counts"]),
        "search_gold.daily_term_counts", "6 searches, expected 4", "run aggregate --full",
    ),
    "a day of the totals counts twice": (
        lambda lake: lakes.append(lake, "daily_totals", lakes.totals({(lakes.DAY, "tv"): 1})),
        "search_gold.daily_totals", "5 searches, expected 4", "run aggregate --full",
    ),
    "a term is counted that nobody searched for": (
        lambda lake: lakes.append(lake, "term_summary", lakes.summaries({(lakes.DAY, "cap"): 7}), "search_events@2"),
        "search_gold.term_summary", "11 searches, expected 4", "run aggregate --full",
    ),
    "a table of gold is gone": (
        lambda lake: shutil.rmtree(lake / "search_gold/term_summary"),
        "search_gold.term_summary", "0 searches, expected 4", "run aggregate --full",
    ),
    "the batches say something else": (
        lambda lake: shutil.rmtree(lake / "search_gold/batches"),
        "search_gold.batches", "batch-000001 is missing or has other counts", "run reconcile",
    ),
    "gold lags behind": (
        lambda lake: lakes.append(lake, "search_events", []),
        "search_gold.term_variants", "shows search_events@2, and search_silver.search_events has", "run aggregate",
    ),
    "gold was counted by another list": (
        lambda lake: lakes.append(lake, "accepted_spellings", [{"variant": "hatt", "term": "hat"}]),
        "search_gold.term_variants", "was not counted by search_gold.accepted_spellings as it is", "run aggregate",
    ),
    "gold does not say what it shows": (
        lambda lake: lakes.append(lake, "term_variants", []),
        "search_gold.term_variants", "does not say which version of search_silver.search_events", "run aggregate",
    ),
    "another program wrote gold, with a word of its own": (
        lambda lake: lakes.append(lake, "term_variants", [], "by hand"),
        "search_gold.term_variants", "does not say which version of search_silver.search_events", "run aggregate",
    ),
    "a batch is staged and not finished": (staged, "_staging/batches", "batch-000003 is staged whole", "run ingest"),
    "a manifest is cut short": (
        lambda lake: (staged(lake), [cut(path) for path in lake.glob("_staging/batches/*/manifest.json")]),
        "_staging/batches", "manifest.json can't be read", "remove its directory, then ingest",
    ),
    "pages of a file are no Parquet any more": (
        lambda lake: scramble(lake / COUNTS / "part-00001.parquet"),
        "reconciliation", "not all rows can be read", "run check --full, which names a file",
    ),
    "a version that the registry lacks": (
        forecasts, "search_gold.term_forecasts", "rows of search_demand version 7", "bring _mlflow back",
    ),
}  # fmt: skip
NEED_FULL = ("a bit is flipped", "a row breaks a constraint", "a null where none may be")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lakes.whole(tmp_path_factory.mktemp("whole") / "lake")


@pytest.fixture
def lake(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "shop [old]"))


@pytest.fixture
def check(lake: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = cli.main(["check", "--json", "--lakehouse", str(lake), *words])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("words", [[], ["--full"]])
def test_a_whole_lakehouse_is_called_whole_and_stays_as_it_is(lake, check, words):
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}

    code, said = check(*words)

    assert (code, said["is_whole"], said["findings"]) == (0, True, [])
    assert (said["tables"], said["files"], said["batches_reconciled"]) == (9, 15, 2)
    after = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file() and ".lock" not in path.name}
    assert after == before


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_named_with_its_place_and_what_mends_it(lake, check, name):
    break_it, where, what, mend = BREAKS[name]
    break_it(lake)

    code, said = check(*(["--full"] if name in NEED_FULL else []))

    assert (code, said["is_whole"]) == (1, False)
    harmful = [finding for finding in said["findings"] if not finding["is_harmless"]]
    assert any(where in f["where"] and what in f["what"] and mend in f["mend"] for f in harmful), harmful


def test_rows_that_only_spark_can_read_are_said_beside_what_else_is_found(lake, check):
    (lake / RAW / "part-00001.parquet").unlink()
    features = '"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"], "writerFeatures": '
    edit(entry(lake, VARIANTS, 0), '"minReaderVersion": 1, "minWriterVersion": 4', f'{features}["deletionVectors"]')

    code, said = check("--full")

    assert code == 1
    [own] = [f for f in said["findings"] if f["where"] == "search_gold.term_variants"]
    assert own["what"] == "has deletionVectors: its rows were not looked at"
    assert own["mend"] == "run reconcile --all, which counts by Spark"
    assert any("part-00001.parquet is gone" in finding["what"] for finding in said["findings"])


@pytest.mark.parametrize("name", NEED_FULL)
def test_what_only_reading_all_rows_finds_is_not_looked_for_without(lake, check, name):
    BREAKS[name][0](lake)

    assert check()[0] == 0


def test_what_killed_runs_left_is_told_and_harms_nothing(lake, check):
    shutil.copyfile(lake / COUNTS / "part-00001.parquet", lake / COUNTS / "part-lone.parquet")
    what = f"1 file ({(lake / COUNTS / 'part-lone.parquet').stat().st_size} bytes) that no version refers to"
    left = batches.new_directory(lake / "_staging", "batch-000009")
    fresh = batches.new_directory(lake / "_staging", "batch-000010")
    os.utime(left, (0, 0))

    code, said = check()

    assert (code, said["is_whole"]) == (0, True)
    assert [(f["where"], f["what"]) for f in said["findings"]] == [
        (
            "search_gold.daily_term_counts",
            f"{what}, as a killed run leaves them",
        ),
        (str(left), "a killed run left it"),
    ]
    assert fresh.exists()


@pytest.mark.parametrize(
    ("table", "batch_count", "more"),
    [
        (COUNTS, 0, ["the batches were not counted, as search_gold.daily_term_counts can't be read as it is"]),
        (VARIANTS, 2, []),
    ],
)
def test_a_table_of_an_earlier_release_is_said_to_be_one(lake, check, table, batch_count, more):
    edit(entry(lake, table, 0), '"search_forecast.contract": "', '"search_forecast.contract": "old')

    code, said = check()

    assert (code, said["batches_reconciled"]) == (0, batch_count)
    assert [f["what"] for f in said["findings"]] == ["another release made it", *more]


def test_a_text_that_a_log_bounds_a_file_by_may_hold_what_python_takes_for_the_end_of_a_line(lake, check):
    edit(entry(lake, VARIANTS, 1), '\\"tv\\"', '\\"tv\u2028\\"')

    assert check()[1]["findings"] == []


def test_a_lakehouse_below_a_directory_that_no_url_can_name_as_it_is_is_whole(lake):
    below = lake.rename(lake.with_name("shop #1"))

    assert task.check(house(below), below, None, is_full=False).findings == []


def test_gold_that_was_never_made_from_deliveries_is_whole(tmp_path):
    lake = lakes.append(tmp_path, "daily_term_counts", lakes.batch(1)["daily_term_counts"]).parents[1]

    assert task.check(house(lake), lake, None, is_full=True).findings == []


def test_of_silver_that_lost_records_gold_is_not_said_to_be_wrong(lake, check):
    shutil.rmtree(lake / EVENTS)

    findings = check()[1]["findings"]

    assert [f["where"] for f in findings] == ["reconciliation"] * 2


def test_rows_of_a_version_that_erase_removed_are_no_break(lake, check):
    forecasts(lake)
    row = {"delivery_id": "d", "what": "erased", "why": "w", "record_count": 1, "corrected_at": lakes.AT, "by": "me"}
    lakes.append(lake, "corrections", [row])

    code, said = check()

    assert (code, [f["is_harmless"] for f in said["findings"]]) == (0, [True])


@pytest.mark.parametrize(("aliases", "is_full", "is_whole"), [(("champion",), 0, 0), ((), 0, 1), ((), 1, 0)])
def test_files_of_versions_with_an_alias_are_looked_at_and_with_full_of_all(lake, aliases, is_full, is_whole):
    version = Version("demand", 1, aliases, {}, 0, "run")
    models: Any = SimpleNamespace(
        versions=lambda: [version], files=lambda v, _: record.checked(lake / "gone", v), damage=lambda: None
    )

    report = task.check(house(lake), lake, models, is_full=bool(is_full))

    assert report.is_whole == bool(is_whole)
    if not is_whole:
        [finding] = report.findings
        assert finding.what.startswith("demand version 1")
        assert finding.mend == "bring _mlflow back from a backup, or promote another version"


@pytest.mark.parametrize(("is_full", "is_whole"), [(0, 1), (1, 0)])
def test_a_damaged_index_of_the_database_of_models_is_found(lake, is_full, is_whole):
    (lake / "_mlflow").mkdir()
    with closing(sqlite3.connect(lake / "_mlflow/mlflow.db")) as database:
        database.execute("create table versions (name text)")
        database.execute("create index by_name on versions (name)")
        database.execute("insert into versions values ('demand')")
        database.commit()
        [page] = database.execute("select rootpage from sqlite_master where name = 'by_name'").fetchone()
        [size] = database.execute("pragma page_size").fetchone()
    content = bytearray((lake / "_mlflow/mlflow.db").read_bytes())
    place = content.index(b"demand", (page - 1) * size)
    content[place : place + 6] = b"drmand"
    (lake / "_mlflow/mlflow.db").write_bytes(content)
    models: Any = SimpleNamespace(versions=list, damage=Registry(lake / "_mlflow").damage)

    report = task.check(house(lake), lake, models, is_full=bool(is_full))

    assert report.is_whole == bool(is_whole)
    assert all("mlflow.db is damaged: " in finding.what for finding in report.findings)


@pytest.mark.parametrize("sums", ['{"numFiles": 1}', '{"numFiles": null, "tableSizeBytes": 9}', "[", "\0"])
def test_sums_of_delta_that_say_nothing_are_passed_over(lake, check, sums):
    (lake / COUNTS / "_delta_log/00000000000000000002.crc").write_text(sums)

    assert check()[0] == 0


def test_a_pointer_to_a_checkpoint_that_a_kill_left_with_the_checksum_of_the_one_before_is_no_break(lake, check):
    DeltaTable(lake / COUNTS).create_checkpoint()
    (lake / COUNTS / "_delta_log/._last_checkpoint.crc").write_bytes(b"crc\0" + struct.pack(">II", 512, 7))

    assert check()[0] == 0


def test_the_columns_of_a_change_feed_are_none_that_a_table_lacks(lake):
    file = lake / EVENTS / "part-00001.parquet"
    content = parquet.read_table(file)
    for name in ("_change_type", "__is_cdc"):  # as Delta writes them beside the table's own
        content = content.append_column(name, pa.nulls(len(content), pa.string()))
    parquet.write_table(content, file)
    written = delta_files.DataFile(file, file.stat().st_size, len(content))

    assert list(delta_files.data_faults([written], DeltaTable(lake / EVENTS), is_full=True)) == []


def test_a_table_that_was_killed_before_its_first_commit_is_no_fault(lake, check):
    tables = check()[1]["tables"]
    (lake / "search_gold/calendar_events/_delta_log").mkdir(parents=True)

    code, said = check()

    assert (code, said["tables"]) == (0, tables)


def test_a_database_of_models_that_a_full_disk_left_empty_stays_so(lake, check):
    (lake / "_mlflow").mkdir()
    (lake / "_mlflow/mlflow.db").touch()

    assert check()[0] == 0
    assert (lake / "_mlflow/mlflow.db").stat().st_size == 0


def test_batches_are_counted_though_what_was_noted_of_them_is_damaged(lake, check):
    empty_log(lake)

    code, said = check()

    assert (code, said["batches_reconciled"], len(said["findings"])) == (1, 2, 1)


def test_people_read_a_line_for_each_finding(lake, capsys):
    (lake / COUNTS / "part-00001.parquet").unlink()

    assert cli.main(["check", "--lakehouse", str(lake)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "search_gold.daily_term_counts: data file part-00001.parquet is gone; run aggregate --full"
    assert lines[2] == "is whole: no"


def test_a_directory_without_any_table_is_not_called_whole(lake, capsys):
    assert cli.main(["check", "--lakehouse", str(lake / "search_gold")]) == 1

    said = capsys.readouterr()
    place = str(lake / "search_gold")
    assert (said.out, said.err) == (
        "",
        f"search-forecast: check: no table in {place}; run demo or ingest first, or say --lakehouse DIR\n",
    )


def test_a_workspace_is_told_what_does_it_there(capsys):
    assert cli.main(["check", "--catalog", "main"]) == 2

    assert capsys.readouterr().err.startswith(
        "search-forecast: check: looks into the files of a lakehouse on this machine;"
    )
