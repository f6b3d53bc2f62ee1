"""Would the tests notice? Each of a dozen rules is broken, one at a time, in a copy of the project, and its tests run.

    .venv/bin/python benchmarks/mutation_check.py [RULE ...]

A mutation that its tests let pass has survived: exit code 1, as where the text to change is no longer there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", ".hypothesis", ".lakehouse")


@dataclass(frozen=True)
class Mutation:
    """A rule, and how to break it: `old` becomes `new` in a file of the package; `tests` are those of the rule."""

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = {
    mutation.rule: mutation
    for mutation in (
        Mutation(
            "term_is_case_folded",
            "lakehouse/normalisation.py",
            ".casefold())",
            ".lower())",
            ("medallion/test_terms.py",),
        ),
        Mutation(
            "today_is_no_future",
            "medallion/quality.py",
            "day > F.lit(today)",
            "day >= F.lit(today)",
            ("medallion/test_quality.py", "medallion/test_silver.py"),
        ),
        Mutation(
            "edge_day_like_the_quietest_is_complete",
            "medallion/gold.py",
            "search_count >= quietest.get(day, 0)",
            "search_count > quietest.get(day, 0)",
            ("medallion/test_gold.py",),
        ),
        Mutation(
            "trends_compare_like_days",
            "medallion/trends.py",
            'F.when(is_cut, F.col("head_count"))',
            'F.when(is_cut, F.col("search_count"))',
            ("medallion/test_trends.py",),
        ),
        Mutation(
            "trends_are_corrected_for_the_number_of_terms",
            "medallion/significance.py",
            "F.min(raised).over(larger)",
            "p_value",
            ("medallion/test_trends.py",),
        ),
        Mutation(
            "content_twice_in_a_batch_counts_once",
            "medallion/new_files.py",
            "past.ingested[delivery.delivery_id] = name",
            "pass",
            ("medallion/test_same_content.py",),
        ),
        Mutation(
            "batch_half_in_silver_is_cleaned_again",
            "medallion/clean.py",
            "if expected.get(each) != totals.get(each)}",
            "if each not in totals}",
            ("medallion/test_flow_failures.py",),
        ),
        Mutation(
            "what_was_replaced_before_gives_way_to_what_is_restored",
            "medallion/corrections.py",
            'while last["status"] == REPLACED and',
            'if last["status"] == REPLACED and',
            ("medallion/test_corrections.py",),
        ),
        Mutation(
            "few_days_alike_need_the_same_terms",
            "medallion/overlap.py",
            "_FEW_DAYS = 5",
            "_FEW_DAYS = 0",
            ("medallion/test_corrections.py",),
        ),
        Mutation(
            "a_purged_table_has_no_old_log",
            "lakehouse/purge.py",
            "int(number[1]) < version",
            "int(number[1]) < 0",
            ("medallion/test_erase.py",),
        ),
        Mutation(
            "days_that_lost_searches_are_rebuilt",
            "medallion/aggregate.py",
            "counts = gold.changed_counts(lakehouse.changes(SEARCH_EVENTS, after, until))",
            'counts = gold.changed_counts(lakehouse.changes(SEARCH_EVENTS, after, until)).where("search_count > 0")',
            ("medallion/test_flow.py",),
        ),
        Mutation(
            "reconcile_compares_gold",
            "medallion/reconcile.py",
            " and event_count = aggregated_count",
            "",
            ("medallion/test_flow_failures.py",),
        ),
        Mutation(
            "zip_holds_no_links",
            "models/archives.py",
            "(0, stat.S_IFREG, stat.S_IFDIR)",
            "(0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)",
            ("models/test_archives.py",),
        ),
        Mutation(
            "champion_comes_before_the_latest",
            "models/registry/registry.py",
            "self.holder(name, CHAMPION) or self.latest(name)",
            "self.latest(name)",
            ("models/test_registry.py",),
        ),
        Mutation(
            "new_version_must_be_better",
            "demand/forecasting/gate.py",
            "if expected < other * (1 - MARGIN):",
            "if expected < other * (1 + MARGIN):",
            ("demand/test_series.py", "demand/test_demand.py"),
        ),
        Mutation(
            "interval_leaves_out_as_much_on_either_side",
            "demand/forecasting/intervals.py",
            "tail = (1 - level) / 2",
            "tail = 1 - level",
            ("demand/test_intervals.py",),
        ),
        Mutation(
            "variable_of_the_command_line_wins",
            "bundle/variables.py",
            'chosen.get(name, environment.get(f"BUNDLE_VAR_{name}"))',
            'environment.get(f"BUNDLE_VAR_{name}", chosen.get(name))',
            ("bundle/test_references.py",),
        ),
    )
}


def outcome(mutation: Mutation, project: Path) -> str:
    """Break the rule in the copy, run its tests, mend it again: `killed` by a test, `survived`, or what went wrong."""
    file = project / "src" / "search_forecast" / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        return f"{mutation.file} holds {mutation.old!r} {text.count(mutation.old)} times, expected once: mend the rule"
    file.write_text(text.replace(mutation.old, mutation.new))
    tests = [f"tests/{name}" for name in mutation.tests]
    words = [sys.executable, "-m", "pytest", "-x", "-n0", "-p", "no:cacheprovider", "--durations=0", *tests]
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)
    file.write_text(text)
    if done.returncode == 1:
        test = next(line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
        return f"killed    {test[:120]}"
    return "survived" if done.returncode == 0 else f"pytest ended with {done.returncode}: {done.stdout[-300:]}"


def main(rules: list[str]) -> int:
    """Print what became of each mutation; 1 where one was not killed."""
    is_all_killed = True
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory, "project")
        shutil.copytree(PROJECT, project, ignore=LEFT_OUT)
        for rule in rules or MUTATIONS:
            begin = time.monotonic()
            said = outcome(MUTATIONS[rule], project)
            print(f"{rule:44} {time.monotonic() - begin:4.0f} s  {said}", flush=True)
            is_all_killed &= said.startswith("killed")
    return 0 if is_all_killed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
