"""kill -9, Java included, at moments spread over every command; then the same command again, as an operator would."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from search_forecast.models.registry import CHALLENGER, CHAMPION, DIRECTORY, Registry
from support import erasing, lakes
from support.flow import HEADER, rows
from support.places import PROJECT
from support.processes import assert_whole, started

pytestmark = [pytest.mark.spark, pytest.mark.timeout(4 * 3600)]
MEDALLION = ("medallion", "withdraw", "replace", "erase", "maintain")
DEMAND = ("train", "score", "monitor", "promote", "replay")
MODELS = ("train-regression", "score-model", "import-model")
LOADS = ("load-calendar", "load-spellings", "load-measurements")
COPIES = ("backup", "restore")
NAMES = (*MEDALLION, *DEMAND, "trends", *MODELS, *LOADS, *COPIES)
# Times, and what a run that was killed and said again numbers anew: a second version of a model.
_OF_THE_RUN = ("_at", "model_version")
_OF_A_VERSION = ("term_forecasts", "backtest_metrics", "forecast_accuracy", "demand_drift", "model_scores")
FIRST, DAYS = date(2025, 3, 3), 98
HEAVY_MEGABYTES = 500
QUICK = ("--candidates", "theta", "--windows", "3", "--floor", "1")
_GROWTH = "search_gold.infant_growth"
REGRESSION = ("train-regression", "--table", _GROWTH, "--features", "height_cm", "--label", "weight_kg")


def day(number: int) -> str:
    return str(FIRST + timedelta(days=number))


def tables(lake: Path) -> dict[str, list[str]]:
    """The rows of every table but for times and numbers of versions; the same row of two versions is one."""
    found = {}
    for path in sorted(lake.glob("search_*/*")):
        whole = rows(lake, str(path.relative_to(lake)))
        content = [
            repr({name: value for name, value in row.items() if not name.endswith(_OF_THE_RUN)}) for row in whole
        ]
        if path.name in _OF_A_VERSION:
            assert len(set(map(repr, whole))) == len(whole), f"{path.name} holds a row twice"
            content = list(set(content))
        found[path.name] = sorted(content)
    return {name: content for name, content in found.items() if name != "writers"}


def champions(lake: Path) -> dict[str, tuple[str | None, ...]]:
    """Of each model what its champion and its latest version are, whatever their numbers."""
    directory = lake / DIRECTORY
    models = Registry(directory) if directory.is_dir() else None
    return {
        f"{name}@{alias}": tuple(holder.tags.get(tag) for tag in ("kind", "trained_from", "trained_to"))
        for name in (models.names() if models else ())
        for alias in (CHAMPION, CHALLENGER)
        if models and (holder := models.holder(name, alias))
    }


def said_by(lake: Path, *words: str) -> str:
    """Run a command to its end; what it said."""
    with started(lake, *words) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def done(lake: Path, *words: str) -> float:
    """Run a command to its end; the seconds that it took."""
    start = time.monotonic()
    said_by(lake, *words)
    return time.monotonic() - start


def done_again(lake: Path, *words: str) -> None:
    """Say it once more, as it was; `replay`, which must not know the future, says from where it goes on."""
    with started(lake, *words) as process:
        _, said = process.communicate()
    if words[0] == "restore" and process.returncode == 2:
        assert f"{lake} is there already" in said  # it was whole when the kill came
        return
    if words[0] == "replay" and process.returncode == 2:
        start = re.findall(r"go on --from (\S+),", said)[0]
        if start <= words[-1]:
            done(lake, "replay", "--from", start, *words[3:])
        return
    assert process.returncode == 0, said


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse whose champion was trained on the first ten weeks of fourteen."""
    chance = random.Random(11)
    counts = {term: [chance.randrange(n, 2 * n) for _ in range(DAYS)] for term, n in (("laptop", 20), ("tv", 8))}
    root = tmp_path_factory.mktemp("forecast")
    lake = lakes.searched(root / "lake", root / "a.csv", FIRST, counts)
    done(lake, "replay", "--from", day(69), "--to", day(69), *QUICK)
    return lake


@pytest.fixture(scope="module")
def heavy(forecast: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with so much in it that copying takes longer than starting to."""
    lake = Path(shutil.copytree(forecast, tmp_path_factory.mktemp("heavy") / "lake"))
    (lake / "_mlflow" / "heavy").write_bytes(random.Random(1).randbytes(2**20) * HEAVY_MEGABYTES)
    return lake


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with a regression, and its files beside it."""
    lake = tmp_path_factory.mktemp("measured") / "lake"
    done(lake, "load-measurements", "--source", str(PROJECT / "fixtures" / "infant_growth.csv"))
    done(lake, *REGRESSION, "--name", "weight")
    done(lake, "export-model", "weight", str(lake.parent / "model"))
    return lake


def put_back(lake: Path, backups: Path) -> None:
    """Put in the lakehouse's place what its latest backup holds, in which nothing is wrong."""
    places = [path for path in backups.iterdir() if path.is_dir()]
    assert not [path for path in places if path.suffix]  # no half a one is left
    time.sleep(1)  # their names are seconds
    assert "rotted" not in said_by(lake, "backup", "--verify", str(backups))
    shutil.rmtree(lake)
    done(lake, "restore", str(max(places)))
    shutil.rmtree(backups)


def shown(lake: Path, *words: str) -> None:
    """Bring into the tables what a command left beside them: a backup, or spellings that gold is to be counted by."""
    if words[0] == "backup":
        put_back(lake, Path(words[1]))
    if words[0] == "load-spellings":
        done(lake, "aggregate")


def prepared(name: str, root: Path, request: pytest.FixtureRequest) -> tuple[Path, tuple[str, ...]]:
    """A lakehouse, and the command that is to be killed on it."""
    if name in MODELS:
        lake: Path = request.getfixturevalue("measured")
        return lake, {
            "train-regression": (*REGRESSION, "--name", "weight"),
            "score-model": ("score-model", "weight", "--table", _GROWTH),
            "import-model": ("import-model", str(lake.parent / "model"), "--name", "other"),
        }[name]
    if name in COPIES:
        heavy: Path = request.getfixturevalue("heavy")
        backups, empty = root / "backups", root / "before"
        if name == "backup":
            return heavy, ("backup", str(backups))
        done(heavy, "backup", str(backups))
        empty.mkdir()
        return empty, ("restore", str(next(path for path in backups.iterdir() if path.is_dir())))
    if name in (*DEMAND, "trends"):
        lake = shutil.copytree(request.getfixturevalue("forecast"), root / "before")
        if name == "promote":
            done(lake, "train", *QUICK)
        return lake, {
            "train": ("train", *QUICK),
            "score": ("score",),
            "monitor": ("monitor",),
            "promote": ("promote", "search_demand", "2", "--force", "test"),
            "replay": ("replay", "--from", day(76), *QUICK, "--to", day(83)),
            "trends": ("trends",),
        }[name]
    files, new, fixtures = erasing.delivered(root / "in"), root / "new", PROJECT / "fixtures"
    new.mkdir()
    (new / "c.csv").write_text(HEADER + "1,3,2024,Hat\n4,3,2024,shoes\n4,3,2024,\n", encoding="utf-8")
    return lakes.taken_in(root / "before", *files), {
        "medallion": ("run", "medallion", "--param", f"source={new}"),
        "withdraw": ("correct", "a.csv", "--withdraw", "--why", "test"),
        "replace": ("correct", "a.csv", "--by", str(new / "c.csv"), "--why", "test"),
        "erase": erasing.WORDS,
        "maintain": ("maintain",),
        "load-calendar": ("load-calendar", "--country", "DE", "--from", "2024-01-01", "--to", "2024-12-31",
                          "--events", str(fixtures / "events.csv")),
        "load-spellings": ("load-spellings", str(fixtures / "spellings.csv")),
        "load-measurements": ("load-measurements", "--source", str(fixtures / "infant_growth.csv")),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_command_killed_at_any_moment_and_run_again_leaves_the_same_rows(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    seed, kills = request.config.getoption("--seed"), request.config.getoption("--kills")
    order, chance = random.Random(seed).sample(NAMES, len(NAMES)), random.Random(seed)
    count = len(range(kills)[order.index(name) :: len(NAMES)])
    if not count:
        pytest.skip(f"its turn comes with another --seed than {seed}, or with more than --kills {kills}")
    before, words = prepared(name, tmp_path, request)
    undisturbed = Path(shutil.copytree(before, tmp_path / "undisturbed"))
    seconds = done(undisturbed, *words)
    shown(undisturbed, *words)
    expected, models = tables(undisturbed), champions(undisturbed)
    assert expected
    if name in COPIES:
        copied: Path = request.getfixturevalue("heavy")
        assert (expected, models) == (tables(copied), champions(copied))
    at_work = 0
    for number in range(count):
        # Evenly over the time it takes, a little off so that another seed meets other moments.
        moment = seconds * (number + chance.random()) / count
        lake = Path(shutil.copytree(before, tmp_path / "lake"))
        with started(lake, *words) as process:
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                at_work += 1
        done_again(lake, *words)
        shown(lake, *words)
        found = tables(lake)
        for table, content in expected.items():
            assert found[table] == content, f"{name} killed after {moment:.1f} of {seconds:.1f} s: {table}"
        assert champions(lake) == models
        assert name != "erase" or erasing.holding(lake, "zebra") == []
        assert_whole(lake)
        shutil.rmtree(lake)
    note(f"kill -9 of the process group: {name}", f"{at_work} of {count} while at work", "the same rows once run again")
