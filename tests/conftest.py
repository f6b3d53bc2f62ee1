import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pyspark import SparkContext
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.lakehouse.session import session

settings.register_profile("no deadline", deadline=None)  # a busy machine is no bug
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the JVM and begin with it, so that the short tests fill up the end of both processes.

    A file of few tests holds the long ones: whole runs.
    """
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
    slow = {item.path for item in items if item.get_closest_marker("spark")}
    test_counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, test_counts[item.path], item.path))


@pytest.fixture(autouse=True)
def _no_java_without_the_marker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every JVM reads this variable, in child processes too, and stops at a flag that it does not know."""
    if request.node.get_closest_marker("spark") is None:
        monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+ThisTestLacksTheMarkSpark")


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """One session for all tests of a process: starting one costs seconds."""
    return session(size="tiny")


@pytest.fixture(scope="module")
def compiled(spark: SparkSession) -> Iterator[None]:
    """Expressions are compiled, as for more than a few thousand rows: what is right interpreted need not be so too."""
    spark.conf.set("spark.sql.codegen.factoryMode", "CODEGEN_ONLY")
    yield
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")


@contextmanager
def _as_in_a_new_process() -> Iterator[None]:
    """Spark can't be used before a command has asked for its session: elsewhere it would not have been started."""
    context = SparkContext._active_spark_context
    if context is None:
        yield
        return

    def started(**options: Any) -> SparkSession:
        SparkContext._active_spark_context = context
        return session(**options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SparkContext, "_active_spark_context", None)
        patch.setattr("search_forecast.lakehouse.session.session", started)
        yield


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command on the test's lakehouse; its JSON result, or (exit code, error line) where it failed."""

    def run_command(*words: str) -> Any:
        capsys.readouterr()
        with _as_in_a_new_process():
            code = cli.main(["--lakehouse", str(tmp_path / "lake"), *words, "--json"])
        printed = capsys.readouterr()
        return (code, printed.err) if code else json.loads(printed.out)

    return run_command
