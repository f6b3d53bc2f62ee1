"""kill -9, Java included, at moments spread over every command; then the same command again, as an operator would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from support import erasing, lakes
from support.delta import write_counts
from support.flow import HEADER, rows
from support.processes import started

pytestmark = [pytest.mark.spark, pytest.mark.timeout(4 * 3600)]
NAMES = ("medallion", "withdraw", "replace", "erase", "train")
# Times, and what a run that was killed and said again numbers anew: a second version of a model.
_OF_THE_RUN = ("_at", "model_version")


def tables(lake: Path) -> dict[str, list[str]]:
    """The rows of every table but for times and numbers of versions; the same row of two versions is one."""
    found = {}
    for path in sorted(lake.glob("search_*/*")):
        content = [
            repr({name: value for name, value in row.items() if not name.endswith(_OF_THE_RUN)})
            for row in rows(lake, str(path.relative_to(lake)))
        ]
        found[path.name] = sorted(set(content) if path.name in ("term_forecasts", "backtest_metrics") else content)
    return {name: content for name, content in found.items() if name != "writers"}


def done(lake: Path, *words: str) -> float:
    """Run a command to its end; the seconds that it took."""
    start = time.monotonic()
    with started(lake, *words) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said
    return time.monotonic() - start


def prepared(name: str, root: Path) -> tuple[Path, tuple[str, ...]]:
    """A lakehouse, and the command that is to be killed on it."""
    if name == "train":
        chance = random.Random(11)
        counts = {term: [chance.randrange(n, 2 * n) for _ in range(84)] for term, n in (("laptop", 200), ("tv", 40))}
        lake = write_counts(root / "before", date(2025, 3, 3), counts)
        return lake, ("train", "--candidates", "theta", "--windows", "5")
    files, new = erasing.delivered(root / "in"), root / "new"
    new.mkdir()
    (new / "c.csv").write_text(HEADER + "1,3,2024,Hat\n4,3,2024,shoes\n4,3,2024,\n", encoding="utf-8")
    words = {
        "medallion": ("run", "medallion", "--param", f"source={new}"),
        "withdraw": ("correct", "a.csv", "--withdraw", "--why", "test"),
        "replace": ("correct", "a.csv", "--by", str(new / "c.csv"), "--why", "test"),
        "erase": erasing.WORDS,
    }
    return lakes.taken_in(root / "before", *files), words[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_killed_at_any_moment_and_run_again_leaves_the_same_rows(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    count, chance = request.config.getoption("--kills") // len(NAMES), random.Random(request.config.getoption("--seed"))
    before, words = prepared(name, tmp_path)
    undisturbed = Path(shutil.copytree(before, tmp_path / "undisturbed"))
    seconds, expected = done(undisturbed, *words), tables(undisturbed)
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
        done(lake, *words)
        found = tables(lake)
        for table, content in expected.items():
            assert found[table] == content, f"{name} killed after {moment:.1f} of {seconds:.1f} s: {table}"
        assert name != "erase" or erasing.holding(lake, "zebra") == []
        shutil.rmtree(lake)
    note(f"kill -9 of the process group: {name}", f"{at_work} of {count} while at work", "the same rows once run again")
