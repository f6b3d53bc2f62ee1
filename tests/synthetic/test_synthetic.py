import gzip
import hashlib
import json
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_forecast.errors import UsageError
from search_forecast.synthetic import deliveries, generate
from search_forecast.synthetic.defects import DEFECTS
from search_forecast.synthetic.demand import rows_by_day
from search_forecast.synthetic.layouts import LAYOUTS, stored_gzip
from search_forecast.synthetic.vocabulary import vocabulary
from support import reference

RECEIVED = date(2026, 1, 1)
ROWS = 6_000


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("generated") / "deliveries"
    return out, generate(out, rows=ROWS, seed=11, dirty_ratio=0.05)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def read_all(out: Path, truth: dict[str, Any]) -> reference.Expected:
    records = [record for file in truth["files"] for record in reference.read_delivery(out / file["name"])]
    return reference.expected(records, RECEIVED)


def assert_truth_holds(out: Path, truth: dict[str, Any]) -> None:
    actual = read_all(out, truth)
    assert truth["rows"] == truth["record_count"] == actual.record_count
    assert truth["event_count"] == actual.event_count
    assert truth["rejected_count"] == actual.rejected_count
    assert truth["rejected_by_reason"] == actual.rejected_by_reason
    assert truth["rejected_by_reasons"] == {"+".join(key): n for key, n in actual.rejected_by_reasons.items()}
    assert truth["search_count_by_term"] == actual.search_count_by_term
    assert truth["search_count_by_date"] == {day.isoformat(): n for day, n in actual.search_count_by_date.items()}
    daily = {
        (date.fromisoformat(day), term): n for day, of in truth["daily_term_counts"].items() for term, n in of.items()
    }
    assert daily == actual.daily_term_counts
    variants = {(term, typed): n for term, of in truth["variants"].items() for typed, n in of.items()}
    assert variants == actual.variants


def test_the_truth_is_what_plain_python_reads_from_the_files(generated: tuple[Path, dict[str, Any]]) -> None:
    assert_truth_holds(*generated)


def test_the_truth_on_disk_is_the_one_returned(generated: tuple[Path, dict[str, Any]]) -> None:
    out, truth = generated
    assert json.loads((out / "truth.json").read_text(encoding="utf-8")) == truth


def test_each_file_has_the_hash_and_counts_of_the_truth(generated: tuple[Path, dict[str, Any]]) -> None:
    out, truth = generated
    assert {file["name"] for file in truth["files"]} == set(contents(out)) - {"truth.json"}
    for file in truth["files"]:
        content = reference.content_of(out / file["name"])
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        actual = reference.expected(reference.read_delivery(out / file["name"]), RECEIVED)
        assert (actual.record_count, actual.event_count, actual.rejected_count) == (
            file["record_count"],
            file["event_count"],
            file["rejected_count"],
        )


def test_the_same_seed_gives_the_same_bytes(generated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = generated
    generate(tmp_path / "again", rows=ROWS, seed=11, dirty_ratio=0.05)
    assert contents(tmp_path / "again") == contents(out)


def test_bytes_are_the_same_on_every_platform_and_numpy_version(tmp_path: Path) -> None:
    # If this fails without an intended change of the output, someone's benchmark or test data has silently changed.
    generate(tmp_path / "out", rows=500, seed=1, dirty_ratio=0.1)
    everything = b"".join(content for _, content in sorted(contents(tmp_path / "out").items()))
    assert hashlib.sha256(everything).hexdigest() == "629eed211501035550d81d243635f1ba03305012b08cba283a218ee03c8a387f"


def test_another_seed_gives_other_files(generated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    _, truth = generated
    other = generate(tmp_path / "other", rows=ROWS, seed=12, dirty_ratio=0.05)
    assert not {file["sha256"] for file in truth["files"]} & {file["sha256"] for file in other["files"]}


@pytest.mark.parametrize(
    ("rows", "dirty_ratio", "dirty_count"),
    [(1, 0.0, 0), (1, 1.0, 1), (7, 0.5, 4), (333, 0.1, 33), (333, 1.0, 333), (1000, 0.0005, 0), (1000, 0.0015, 2)],
)
def test_exactly_the_stated_share_is_dirty(tmp_path: Path, rows: int, dirty_ratio: float, dirty_count: int) -> None:
    truth = generate(tmp_path / "out", rows=rows, seed=3, dirty_ratio=dirty_ratio)
    assert (truth["record_count"], truth["rejected_count"]) == (rows, dirty_count)
    assert_truth_holds(tmp_path / "out", truth)


def test_every_reason_and_combinations_of_reasons_are_there(generated: tuple[Path, dict[str, Any]]) -> None:
    _, truth = generated
    assert set(truth["rejected_by_reason"]) == set(reference.REASONS)
    assert set(truth["rejected_by_reasons"]) == {"+".join(defect.reasons) for defect in DEFECTS}
    assert sum("+" in key for key in truth["rejected_by_reasons"]) >= 5


def test_ten_dirty_records_already_show_every_reason(tmp_path: Path) -> None:
    truth = generate(tmp_path / "out", rows=10, seed=5, dirty_ratio=1.0)
    assert set(truth["rejected_by_reason"]) == set(reference.REASONS)


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2025, 12, 31), date(2023, 1, 1)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_defect_gives_just_its_reasons_in_every_layout(tmp_path: Path, layout: Any, day: date) -> None:
    lines = [defect.line(day, layout).encode("utf-8", "surrogateescape") for defect in DEFECTS]
    path = tmp_path / "one.csv"
    path.write_bytes(b"\n".join([layout.header_bytes(), *lines]))
    outcomes = [reference.classify(record, RECEIVED) for record in reference.read_delivery(path)]
    assert outcomes == [reference.Rejection(defect.reasons) for defect in DEFECTS]


def test_files_cover_every_layout_and_differ_in_content(generated: tuple[Path, dict[str, Any]]) -> None:
    out, truth = generated
    read = [reference.content_of(out / file["name"]) for file in truth["files"]]
    assert len(read) == 24
    assert len(set(read)) == 24
    headers = {content.split(b"\n")[0].removeprefix(b"\xef\xbb\xbf").rstrip(b"\r") for content in read}
    assert headers == {layout.delimiter.join(layout.header).encode() for layout in LAYOUTS}
    assert {content.startswith(b"\xef\xbb\xbf") for content in read} == {True, False}
    assert {content.endswith(b"\n") for content in read} == {True, False}
    assert {b"\r\n" in content for content in read} == {True, False}
    assert {file["name"].endswith(".gz") for file in truth["files"]} == {True, False}


def test_files_of_the_same_few_dirty_records_still_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither its date nor its term tells the day: every file of the same layout would hold the same line.
    undated = next(defect for defect in DEFECTS if defect.reasons == ("date_in_future", "term_too_long"))
    monkeypatch.setattr(deliveries, "DEFECTS", (undated,))
    truth = generate(tmp_path / "out", rows=24, seed=1, dirty_ratio=1.0)
    hashes = [file["sha256"] for file in truth["files"]]
    assert len(hashes) > len(LAYOUTS)
    assert len(set(hashes)) == len(hashes)
    assert_truth_holds(tmp_path / "out", truth)


def test_large_months_and_days_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_FILE_ROWS", 100)
    monkeypatch.setattr(deliveries, "MAX_CHUNK_ROWS", 30)
    truth = generate(
        tmp_path / "out", rows=500, seed=2, dirty_ratio=0.1, first_date=date(2024, 1, 30), last_date=date(2024, 2, 2)
    )
    assert all(file["record_count"] <= 100 for file in truth["files"])
    assert truth["files"][0]["name"] == "search_terms_2024-01_01.csv"
    assert_truth_holds(tmp_path / "out", truth)


def test_terms_follow_zipf_and_their_trends(tmp_path: Path) -> None:
    truth = generate(tmp_path / "out", rows=200_000, seed=4)
    ranked = sorted(truth["search_count_by_term"].values(), reverse=True)
    assert ranked[0] > 5 * ranked[9] > 20 * ranked[99] > 0
    by_trend: dict[str, Counter[str]] = {trend: Counter() for trend in ("stable", "rising", "falling", "new", "dying")}
    for day, counts in truth["daily_term_counts"].items():
        for term, count in counts.items():
            by_trend[truth["trend_by_term"][term]][day[:4] + ("a" if day[5:7] <= "03" else "b")] += count
    first, last = "2024a", "2025b"
    assert by_trend["new"][first] == 0 < by_trend["new"][last]
    assert by_trend["dying"][first] > 0
    assert by_trend["rising"][last] / by_trend["stable"][last] > by_trend["rising"][first] / by_trend["stable"][first]
    assert by_trend["falling"][last] / by_trend["stable"][last] < by_trend["falling"][first] / by_trend["stable"][first]
    in_december = {day: counts for day, counts in truth["daily_term_counts"].items() if day >= "2025-12"}
    assert not {term for counts in in_december.values() for term in counts if truth["trend_by_term"][term] == "dying"}


def test_days_follow_weekday_season_and_trend() -> None:
    days = rows_by_day(10_000_000, date(2024, 1, 1), date(2025, 12, 31), seed=9)
    assert sum(days) == 10_000_000
    dates = [date.fromordinal(date(2024, 1, 1).toordinal() + index) for index in range(len(days))]
    saturdays, wednesdays = (sum(n for n, day in zip(days, dates, strict=True) if day.weekday() == w) for w in (5, 2))
    assert saturdays > 1.1 * wednesdays
    by_month = Counter[tuple[int, int]]()
    for n, day in zip(days, dates, strict=True):
        by_month[day.year, day.month] += n
    assert by_month[2024, 12] > 1.3 * by_month[2024, 7]
    assert by_month[2025, 7] > 1.1 * by_month[2024, 7]
    # No jump where the season passes from one month to the next: noise and weekday explain at most a third.
    assert all(0.6 < later / earlier < 1.6 for earlier, later in pairwise(days))


def test_every_spelling_normalises_to_its_term() -> None:
    terms = vocabulary(3000)
    assert len({term.normalised for term in terms}) == len(terms)
    for term in terms:
        assert {reference.normalise(spelling) for spelling in term.spellings} == {term.normalised}
        assert len(set(term.spellings)) == len(term.spellings)
        assert not any(character in spelling for spelling in term.spellings for character in "\r\n\0\ufffd")


def test_spelling_variants_occur(generated: tuple[Path, dict[str, Any]]) -> None:
    _, truth = generated
    assert truth["variants"]["grösse 42 schuhe"]["größe 42 schuhe"] > 0
    assert sum(len(spelled) > 1 for spelled in truth["variants"].values()) > 50


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 60), seed=st.integers(0, 2**32 - 1), dirty=st.floats(0, 1), term_count=st.integers(1, 40))
def test_the_truth_holds_for_any_parameters(
    tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int, dirty: float, term_count: int
) -> None:
    out = tmp_path_factory.mktemp("any") / "out"
    days = {"first_date": date(2023, 12, 30), "last_date": date(2024, 3, 1)}
    truth = generate(out, rows=rows, seed=seed, dirty_ratio=dirty, term_count=term_count, **days)
    assert_truth_holds(out, truth)
    assert truth["rejected_count"] == round(rows * dirty)


def test_a_single_day_is_enough_and_may_go_through_all_defects_several_times(tmp_path: Path) -> None:
    day = date(2024, 2, 29)
    rows = 5 * len(DEFECTS)
    truth = generate(tmp_path / "out", rows=rows, seed=0, dirty_ratio=0.5, first_date=day, last_date=day)
    assert list(truth["search_count_by_date"]) == ["2024-02-29"]
    assert_truth_holds(tmp_path / "out", truth)


def test_progress_counts_up_to_all_records(tmp_path: Path) -> None:
    seen: list[int] = []
    generate(tmp_path / "out", rows=100, seed=0, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 0}, "rows must be at least 1, got 0"),
        ({"seed": -1}, "seed must be 0 to 4294967295, got -1"),
        ({"seed": 2**32}, "seed must be 0"),
        ({"dirty_ratio": 1.01}, "0 to 1, got 1.01"),
        ({"dirty_ratio": float("nan")}, "0 to 1, got nan"),
        ({"term_count": 0}, "terms must be at least 1"),
        ({"first_date": date(1994, 12, 31)}, "1995-01-01 or later"),
        ({"first_date": date(2026, 1, 1)}, "not after the last"),
    ],
)
def test_wrong_arguments_are_refused_and_nothing_is_made(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tmp_path / "out", **{"rows": 10, "seed": 0, **wrong})
    assert not (tmp_path / "out").exists()


def test_an_earlier_output_is_replaced(tmp_path: Path) -> None:
    generate(tmp_path / "out", rows=1000, seed=0)
    generate(tmp_path / "fresh", rows=3, seed=1)
    generate(tmp_path / "out", rows=3, seed=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("foreign", ["notes.txt", "search_terms_2030-01.csv"])
def test_a_directory_with_other_files_is_refused_untouched(tmp_path: Path, foreign: str) -> None:
    generate(tmp_path / "out", rows=10, seed=0)
    (tmp_path / "out" / foreign).write_text("mine")
    before = contents(tmp_path / "out")
    with pytest.raises(UsageError, match=foreign):
        generate(tmp_path / "out", rows=10, seed=1)
    assert contents(tmp_path / "out") == before


def test_a_directory_whose_truth_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('{"files": [{"name": "../../elsewhere"}]}')
    (tmp_path / "data.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"data\.csv"):
        generate(tmp_path, rows=10, seed=1)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="not a directory"):
        generate(tmp_path / "out", rows=10, seed=1)


def test_a_killed_run_leaves_no_truth_and_can_be_repeated(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(written: int) -> None:
        if written > 40:
            raise KilledError

    generate(tmp_path / "out", rows=50, seed=0)
    with pytest.raises(KilledError):
        generate(tmp_path / "out", rows=100, seed=1, on_progress=kill)
    assert not (tmp_path / "out" / "truth.json").exists()
    generate(tmp_path / "out", rows=100, seed=1)
    generate(tmp_path / "fresh", rows=100, seed=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 200_000])
def test_stored_gzip_is_read_by_gzip(size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    assert gzip.decompress(stored_gzip(content)) == content
