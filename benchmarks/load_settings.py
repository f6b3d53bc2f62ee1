"""What a first load costs with other settings of the JVM and of Spark: `python benchmarks/load_settings.py --rows 1e6`.

Each try is a process that ingests and cleans the same generated files into a new lakehouse; all of them in turn, as
often as `--repeats` says, so that a busy hour meets all alike. Printed are medians: wall and CPU seconds, peak memory,
and CPU beside that of the first try, which changes nothing.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent / "bench"))
from measure import Cost, measured

from search_forecast import cli
from search_forecast.lakehouse import session as sessions
from search_forecast.lakehouse.toolchain import jvm
from search_forecast.synthetic import generate

PARQUET, SHUFFLE = "spark.sql.parquet.compression.codec", "spark.io.compression.codec"
# Flags of the JVM for large work, and Spark's settings beside ours.
TRIES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "as it is": ((), {}),
    "G1 collector": (("-XX:-UseSerialGC", "-XX:+UseG1GC"), {}),
    "parallel collector": (("-XX:-UseSerialGC", "-XX:+UseParallelGC"), {}),
    "quick compiler only": (("-XX:TieredStopAtLevel=1",), {}),
    "slow compiler at its default": (
        (
            *("-XX:Tier4InvocationThreshold=5000", "-XX:Tier4MinInvocationThreshold=600"),
            *("-XX:Tier4CompileThreshold=15000", "-XX:Tier4BackEdgeThreshold=40000"),
        ),
        {},
    ),
    "huge methods compiled": (("-XX:-DontCompileHugeMethods",), {}),
    "Parquet by zstd": ((), {PARQUET: "zstd"}),
    "Parquet by lz4": ((), {PARQUET: "lz4_raw"}),
    "shuffle by zstd": ((), {SHUFFLE: "zstd"}),
    "shuffle by snappy": ((), {SHUFFLE: "snappy"}),
    "no adaptive execution": ((), {"spark.sql.adaptive.enabled": "false"}),
    "expressions interpreted": (
        (),
        {"spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.sql.codegen.wholeStage": "false"},
    ),
    "stages not fused": ((), {"spark.sql.codegen.wholeStage": "false"}),
}
COMET = {
    "spark.plugins": "org.apache.spark.CometPlugin",
    "spark.shuffle.manager": "org.apache.spark.sql.comet.execution.shuffle.CometShuffleManager",
    "spark.comet.explainFallback.enabled": "true",
    "spark.memory.offHeap.enabled": "true",
    "spark.memory.offHeap.size": "2g",
}


def load(name: str, source: str, lake: str, comet: str | None) -> None:
    """One try: ingest and clean in one session."""
    flags, settings = TRIES[name] if name in TRIES else ((), COMET | {"spark.jars": str(comet)})
    jvm._LARGE += flags
    ours = sessions.settings
    sessions.settings = lambda size, cores=None: ours(size, cores) | settings
    sessions._by_size = lambda _size, _cores: {}  # which a session that runs would take over again
    sessions.session(size="large")
    for words in (["ingest", "--source", source], ["clean"]):
        if code := cli.main(["--lakehouse", lake, *words, "--quiet"]):
            sys.exit(code)


def main() -> None:
    """Make the files, try in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="some of the tries, beside the first")
    parser.add_argument("--comet", metavar="JAR", help="try DataFusion Comet too")
    parser.add_argument("--one", nargs=3, metavar=("TRY", "SOURCE", "LAKEHOUSE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        load(*given.one, given.comet)
        return
    comet = ["--comet", given.comet] if given.comet else []
    names = [name for name in (*TRIES, *(["Comet"] if comet else [])) if not given.only or name in given.only]
    names = list(dict.fromkeys([next(iter(TRIES)), *names]))
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        generate(Path(folder, "in"), rows=round(given.rows), seed=1)
        costs: dict[str, list[Cost]] = {name: [] for name in names}
        for turn in range(given.repeats):
            for name in names:
                with tempfile.TemporaryDirectory(dir=folder) as lake:
                    words = ["--one", name, f"{folder}/in", f"{lake}/lake", *comet]
                    said, cost = measured([sys.executable, __file__, *words])
                costs[name].append(cost)
                print(turn, name, cost, said[-300:] if name == "Comet" else "", file=sys.stderr, flush=True)
    print("| settings | wall s | CPU s | peak GiB | CPU beside the first |\n|---|---|---|---|---|")
    first = median(cost.cpu for cost in costs[names[0]])
    for name, found in costs.items():
        wall, cpu, peak = (median(getattr(cost, part) for cost in found) for part in ("wall", "cpu", "peak"))
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {peak:.1f} | {cpu / first:.2f} |")


if __name__ == "__main__":
    main()
