"""kill -9, Java included, at moments spread over every command; then the same command again, as an operator would."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from support import erasing, lakes
from support.delta import write_counts
from support.flow import HEADER, rows
from support.processes import started

pytestmark = [pytest.mark.spark, pytest.mark.timeout(4 * 3600)]
# Times, and what a run that was killed and said again numbers anew: a second version of a model.
_OF_THE_RUN = ("_at", "model_version", "masked_at")


@dataclass
class Command:
    """A command on a lakehouse as it was before, and what an undisturbed run makes of it.

    Attributes:
        before: The lakehouse.
        words: The command.
        seconds: What it took undisturbed.
        after: Its tables then.
    """

    before: Path
    words: tuple[str, ...]
    seconds: float = 0.0
    after: dict[str, list[str]] | None = None


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


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[Command]:
    """Each command once undisturbed."""
    root = tmp_path_factory.mktemp("sigkill")
    files = erasing.delivered(root / "in")
    new = root / "new"
    new.mkdir()
    (new / "c.csv").write_text(HEADER + "1,3,2024,Hat\n4,3,2024,shoes\n4,3,2024,\n", encoding="utf-8")
    medallion = lakes.taken_in(root / "medallion", *files)
    chance = random.Random(11)
    counts = {term: [chance.randrange(low, 2 * low) for _ in range(84)] for term, low in (("laptop", 200), ("tv", 40))}
    demand = write_counts(root / "demand", date(2025, 3, 3), counts)
    result = [
        Command(medallion, ("run", "medallion", "--param", f"source={new}")),
        Command(medallion, ("correct", "a.csv", "--withdraw", "--why", "test")),
        Command(medallion, ("correct", "a.csv", "--by", str(new / "c.csv"), "--why", "test")),
        Command(medallion, erasing.WORDS),
        Command(demand, ("train", "--candidates", "theta", "--windows", "5")),
    ]
    for number, command in enumerate(result):
        lake = shutil.copytree(command.before, root / f"undisturbed-{number}")
        command.seconds = done(lake, *command.words)
        command.after = tables(lake)
    return result


def test_a_command_killed_at_any_moment_and_run_again_leaves_the_same_rows(
    commands: list[Command],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    note: Callable[[str, str, str], None],
) -> None:
    count, chance = request.config.getoption("--kills"), random.Random(request.config.getoption("--seed"))
    total, at_work = sum(command.seconds for command in commands), 0
    for number in range(count):
        # Evenly over all commands' time, a little off so that another seed meets other moments.
        moment = total * (number + chance.random()) / count
        command = commands[0]
        for command in commands:
            if moment < command.seconds:
                break
            moment -= command.seconds
        lake = shutil.copytree(command.before, tmp_path / "lake")
        with started(lake, *command.words) as process:
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                at_work += 1
        done(lake, *command.words)
        found: Any = tables(lake)
        for name, expected in (command.after or {}).items():
            assert found[name] == expected, f"{' '.join(command.words)} killed after {moment:.1f} s: {name}"
        if command.words == erasing.WORDS:
            assert erasing.holding(lake, "zebra") == []
        shutil.rmtree(lake)
    words = ", ".join(" ".join(command.words[:2]) for command in commands)
    note("kill -9 of the process group", f"{at_work} of {count} while at work: {words}", "the same rows once run again")
