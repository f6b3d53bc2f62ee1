"""What a machine does to a lakehouse: each ends in one line, and the next run goes on from what was committed."""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from search_forecast import cli
from search_forecast.medallion import landing
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.new_files import stage_new_files
from search_forecast.models.registry import Registry
from support import lakes
from support.flow import HEADER, STEPS, assert_gold_is, delivered, rows, versions
from support.processes import started

pytestmark = [pytest.mark.spark, pytest.mark.timeout(3600)]
Note = Callable[[str, str, str], None]


def write(path: Path, records: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + records, encoding="utf-8")
    return path


def mounted(place: Path, options: str) -> None:
    place.mkdir(exist_ok=True)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
        pytest.skip("a file system of its own size can't be mounted here")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A lakehouse on a file system of its own."""
    place = tmp_path / "lake"
    mounted(place, "size=64m")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One delivery that is in the lakehouse, and one that is not."""
    write(tmp_path / "in" / "a.csv", "1,3,2024,hat\n3,3,2024,hat\n1,3,2024,\n")
    return tmp_path / "in"


def fails_in_one_line(answer: Any) -> str:
    assert isinstance(answer, tuple), answer
    code, said = answer
    lines = [line for line in said.splitlines() if line.startswith("search-forecast: ")]
    assert code in (1, 3)
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return str(lines[0])


@pytest.mark.usefixtures("spark")
def test_a_full_disk_stops_each_command_and_the_next_run_goes_on(
    run: Callable[..., Any], disk: Path, source: Path, note: Note
) -> None:
    lakes.taken_in(disk, source / "a.csv")
    write(source / "b.csv", "1,3,2024,Hat\n2,3,2024,shoes\n2,3,2024,\n")
    stopped = 0
    for command in ("ingest", *STEPS):
        words = [command, *(["--source", str(source)] if command == "ingest" else [])]
        for spare in (0, 4096, 16384):  # in staging, or the log, or the data
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free - spare))
            answer = run(*words)
            if isinstance(answer, tuple):
                assert "No space left" in fails_in_one_line(answer)
                stopped += 1
            ballast.unlink()
        run(*words)

    assert stopped >= 4
    assert_gold_is(disk, delivered(source))
    assert all(row["reconciled"] for row in rows(disk, "search_gold/batches"))
    note(
        "disk full, at staging, log or data of each layer",
        f"{stopped} commands stopped",
        "one line; done by the next run",
    )


@pytest.mark.usefixtures("spark")
def test_a_full_disk_stops_each_command_of_the_models_and_the_next_run_goes_on(
    run: Callable[..., Any], disk: Path, tmp_path: Path, note: Note
) -> None:
    chance = random.Random(11)
    counts = {term: [chance.randrange(n, 2 * n) for _ in range(84)] for term, n in (("laptop", 20), ("tv", 8))}
    lakes.searched(disk, tmp_path / "a.csv", date(2025, 3, 3), counts)
    quick = ("--candidates", "theta", "--windows", "3", "--floor", "1")
    run("replay", "--from", "2025-05-05", "--to", "2025-05-05", *quick)
    stopped = Counter[str]()
    for words in (("train", *quick), ("promote", "search_demand", "2", "--force", "test"), ("score",), ("monitor",),
                  ("forecast", "laptop", "--plot", str(disk / "plot.png"))):  # fmt: skip
        for spare in (0, 4096, 65536, 2**19):
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(max(shutil.disk_usage(disk).free - spare, 0)))
            answer = run(*words)
            ballast.unlink()
            if isinstance(answer, tuple):
                assert re.search("No space left|disk is full", fails_in_one_line(answer)), words
                stopped[words[0]] += 1
            assert words[0] != "forecast" or not isinstance(answer, tuple) or not (disk / "plot.png").exists()
        assert not isinstance(run(*words), tuple)

    assert set(stopped) == {"train", "promote", "score", "monitor", "forecast"}
    assert run("check", "--full")["is_whole"]
    assert [row["model_version"] for row in rows(disk, "search_gold/term_forecasts")].count(2) == 14 * 3 * 2
    note(
        "disk full in train, promote, score, monitor, forecast --plot",
        f"{stopped.total()} commands stopped",
        "one line; done by the next run; no half a picture",
    )


@pytest.mark.usefixtures("spark")
def test_a_lakehouse_that_cannot_be_written_is_read_and_stays_as_it_is(
    run: Callable[..., Any], disk: Path, source: Path, note: Note
) -> None:
    lakes.taken_in(disk, source / "a.csv")
    run("aggregate", "--full")
    before = versions(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    commands = (("ingest", "--source", str(source)), ("clean",), ("aggregate",), ("reconcile",), ("maintain",),
                ("correct", "a.csv", "--withdraw", "--why", "x"), ("erase", "--term", "hat", "--why", "x"))  # fmt: skip
    for words in commands:
        assert "cannot write " in fails_in_one_line(run(*words)), words

    assert run("query", "top_terms")[0]["term"] == "hat"
    assert run("check")["is_whole"]
    assert versions(disk) == before
    note("read-only lakehouse", f"{len(commands)} commands that write", "one line each; query and check answer")


def test_odd_paths_under_odd_locales_and_time_zones_give_the_same_gold(tmp_path: Path, note: Note) -> None:
    lake, source = tmp_path / 'lä\'ke "q" [x] {a,b} 日本', tmp_path / "i n" / "ö'#&[1]"
    write(source / "å b.csv", "31,3,2024,TITLE\n31,3,2024,İstanbul I\n27,10,2024,ı\n")
    turkish = "-Duser.language=tr -Duser.country=TR"
    environ = {"LC_ALL": "C", "TZ": "America/St_Johns", "JAVA_TOOL_OPTIONS": turkish, "PYTHONUTF8": "1"}

    with started(lake, "run", "medallion", "--param", f"source={source}", **environ) as process:
        _, said = process.communicate()

    assert process.returncode == 0, said
    assert_gold_is(lake, delivered(source))
    note(
        "LC_ALL=C, Turkish, a zone with DST, blanks, quotes, brackets, Unicode in paths",
        "1 run",
        "the same gold",
    )


def test_java_that_is_killed_for_its_memory_ends_in_one_line(tmp_path: Path, source: Path, note: Note) -> None:
    lake = tmp_path / "lake"
    words = ("run", "medallion", "--param", f"source={source}")
    with started(lake, *words) as process:
        while not (lake / "search_bronze").is_dir():
            assert process.poll() is None
            time.sleep(0.05)
        threads = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = [pid for thread in threads for pid in thread.read_text().split()]
        [java] = [int(pid) for pid in children if "java" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(java, signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode in (1, 3)
    assert "Traceback" not in said

    with started(lake, *words) as again:
        _, said = again.communicate()

    assert again.returncode == 0, said
    assert_gold_is(lake, delivered(source))
    note("Java killed as the kernel does when memory ends", "1 run", "a line; done by the next run")


def test_lines_of_200_mb_and_bombs_are_refused_and_the_rest_is_taken(tmp_path: Path, note: Note) -> None:
    source = tmp_path / "in"
    write(source / "good.csv", "1,3,2024,hat\n")
    for name in ("long.csv", "long.jsonl"):
        with (source / name).open("wb") as file:
            file.write(HEADER.encode())
            for _ in range(200):
                file.write(b"a" * 2**20)
    with gzip.open(source / "bomb.csv.gz", "wb") as file:
        file.write(HEADER.encode())
        for _ in range(1100):
            file.write(b"\n" * 2**20)
    whole = gzip.compress(HEADER.encode() + b"1,3,2024,hat\n" * 9999)
    (source / "cut.csv.gz").write_bytes(whole[:-20])

    survey = landing.survey(source)
    batch, _ = stage_new_files(tmp_path / "staging", survey, Choice(source), [], datetime.now(timezone.utc))

    found = {Path(delivery.source_file).name: (delivery.status, delivery.reason) for delivery in batch.deliveries}
    assert found.pop("good.csv") == ("ingested", None)
    assert {status for status, _ in found.values()} == {"rejected"}
    assert "bytes long" in str(found["long.csv"][1])
    assert "bytes long" in str(found["long.jsonl"][1]) or "JSON" in str(found["long.jsonl"][1])
    assert "times as large" in str(found["bomb.csv.gz"][1])
    assert "broken" in str(found["cut.csv.gz"][1])
    note(
        "lines of 200 MB, a gzip bomb of 1.1 GiB, gzip cut short",
        f"{len(found)} files",
        "each rejected with its reason",
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("registry") / "lake"
    Registry(root / "_mlflow")._connection.client.create_registered_model("m")
    return root


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("begin exclusive", "database is locked"),
        ("update alembic_version set version_num = 'ffffffffffff'", "out-of-date database schema"),
        ("", "file is not a database"),
    ],
)
def test_a_registry_that_cannot_be_read_is_said_in_one_line(
    fault: str, said: str, *, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], note: Note
) -> None:
    lake = shutil.copytree(registry, tmp_path / "lake")
    database = lake / "_mlflow" / "mlflow.db"
    if not fault:
        database.write_bytes(b"no database at all" * 999)
    connection = sqlite3.connect(database, isolation_level=None)
    if fault:
        connection.execute(fault)
    code = cli.main(["--lakehouse", str(lake), "models"])
    connection.close()

    assert said in fails_in_one_line((code, capsys.readouterr().err))
    note(f"MLflow's store: {said}", "models", "one line")
