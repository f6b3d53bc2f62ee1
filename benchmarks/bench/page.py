"""The results as a table and a figure in docs/performance.md; outside its two markers stands prose."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")
PROJECT = Path(__file__).resolve().parents[2]
RESULTS, PAGE = Path(__file__).with_name("results.json"), PROJECT / "docs" / "performance.md"
BEGIN, END = "<!-- made by `make bench` -->", "<!-- end -->"
POLARS, DUCKDB, NOTEBOOK, OURS = "polars, delta-rs", "duckdb", "Spark notebook", "ours"
TRAINED_TERMS = 30
START, LOAD, STAGE, DAY, NOTHING = "start, write, merge", "first load", "its staging", "a day's delivery", "nothing new"
QUERY, FORECAST = "the most searched terms", f"train and score {TRAINED_TERMS} terms"
_ORDER = (START, LOAD, STAGE, DAY, NOTHING, QUERY, FORECAST)
_VERSIONS = {"polars": "polars", "deltalake": "delta-rs", "duckdb": "duckdb"}
Results = list[dict[str, Any]]


def remake(new: Results, peers: str) -> None:
    """Put results in the place of older ones of the same measurement, and make page and figure anew.

    Args:
        new: results of a run; none to make the page anew only.
        peers: the Python that has the peers.
    """
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"setting": "", "results": []}
    if new:
        by_key = {(one["what"], one["records"], one["who"]): one for one in [*known["results"], *new]}
        results = sorted(by_key.values(), key=lambda one: (_ORDER.index(one["what"]), one["records"]))
        known = {"setting": _setting(peers), "results": results}
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"{known['setting']}\n\n{table(known['results'])}\n\n{slopes(known['results'])}"
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")
    _draw(known["results"], PAGE.with_suffix(".png"))


def table(results: Results) -> str:
    """One row per measurement."""
    lines = ["| | records | | wall s | CPU s | peak GiB | of it | runs | load | date |", f"|{'---|' * 10}"]
    for one in results:
        steps = ", ".join(f"{name} {_number(seconds)}" for name, seconds in one["steps"].items())
        cells = (
            one["what"],
            f"{one['records']:,}" if one["records"] else "",
            one["who"],
            *map(_number, _costs(one)),
            steps,
        )
        lines.append(f"| {' | '.join(cells)} | {one['runs']} | {one['load']:.0f} | {one['date']} |")
    return "\n".join(lines)


def slopes(results: Results) -> str:
    """What a further million records costs, between the smallest and the largest first load."""
    told = []
    for who, of_one in _first_loads(results):
        if len(of_one) > 1:
            small, large = of_one[0], of_one[-1]
            millions = (large["records"] - small["records"]) / 1e6
            cpu, peak = ((large[name] - small[name]) / millions for name in ("cpu", "peak"))
            told.append(f"{who} {_number(cpu)} CPU s and {1024 * peak:.0f} MiB")
    return f"Each further million records of a first load: {'; '.join(told)}." if told else ""


def _first_loads(results: Results) -> Iterable[tuple[str, Results]]:
    for who in (POLARS, DUCKDB, NOTEBOOK, OURS):
        yield who, [one for one in results if one["what"] == LOAD and one["who"] == who]


def _costs(one: dict[str, Any]) -> tuple[float, float, float]:
    return one["wall"], one["cpu"], one["peak"]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _setting(peers: str) -> str:
    """Machine and versions, of the last run."""
    asked = "import json, sys; from importlib.metadata import version as v; print(json.dumps([*map(v, sys.argv[1:])]))"
    told = subprocess.run([peers, "-c", asked, *_VERSIONS], capture_output=True, text=True, check=True).stdout
    versions = [f"{name} {version}" for name, version in zip(_VERSIONS.values(), json.loads(told), strict=True)]
    own = [f"{name} {metadata.version(package)}" for name, package in (("Spark", "pyspark"), ("Delta", "delta-spark"))]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    return f"{machine}; {', '.join([*own, *versions])}; ours asks by duckdb {metadata.version('duckdb')}."


def _draw(results: Results, file: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    days = [one for one in results if one["what"] == DAY and one["who"] == OURS]
    panels[0].loglog([one["records"] for one in days], [one["cpu"] for one in days], "k:o", label=f"ours, {DAY}")
    for panel, name, label in zip(panels, ("cpu", "peak"), ("CPU seconds", "peak memory, GiB"), strict=True):
        for who, of_one in _first_loads(results):
            panel.loglog([one["records"] for one in of_one], [one[name] for one in of_one], marker="o", label=who)
        panel.set(xlabel="million records", ylabel=label, title=LOAD)
        panel.xaxis.set_major_formatter(lambda records, _: f"{records / 1e6:g}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.minorticks_off()
    panels[0].legend(fontsize="x-small")
    figure.savefig(file, dpi=90, metadata={"Software": None})
