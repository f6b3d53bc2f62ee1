import importlib.util
import re
from collections import Counter
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from support import reference
from support.origin import TERM_COUNTS
from support.places import FIXTURES
from support.places import ORIGINAL as DATA

ORIGINAL = DATA / "searchterms.csv"
RECEIVED = date(2022, 12, 31)
LAYOUTS = sorted(path.name for path in (FIXTURES / "layouts").iterdir())
UNREADABLE = sorted(path.name for path in (FIXTURES / "unreadable").iterdir())


@pytest.fixture(scope="module")
def make_fixtures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_fixtures", FIXTURES / "make_fixtures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clean() -> reference.Expected:
    return reference.expected(reference.read_delivery(FIXTURES / "landing" / "search_terms.csv"), RECEIVED)


@pytest.fixture(scope="module")
def dirty() -> reference.Expected:
    return reference.expected(reference.read_delivery(FIXTURES / "landing" / "dirty_search_terms.csv"), RECEIVED)


def readme_table(first_heading: str) -> dict[str, str]:
    """The first two columns of the table in fixtures/README.md whose first column has this heading."""
    lines = iter((FIXTURES / "README.md").read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {first_heading} |"):
            break
    next(lines)
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        key, value = line.strip("| ").split(" | ")[:2]
        rows[key.strip("`")] = value.strip()
    assert rows
    return rows


def test_the_script_makes_the_committed_bytes(make_fixtures: ModuleType, tmp_path: Path) -> None:
    make_fixtures.make(tmp_path)
    made = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    committed = {
        path.relative_to(FIXTURES).as_posix(): path.read_bytes()
        for folder in ("landing", "layouts", "unreadable")
        for path in (FIXTURES / folder).iterdir()
    }
    committed |= {
        path.relative_to(FIXTURES).as_posix(): path.read_bytes() for path in (FIXTURES / "exports").rglob("*.*")
    }
    committed |= {name: (FIXTURES / name).read_bytes() for name in ("events.csv", "infant_growth.csv", "spellings.csv")}
    assert sorted(made) == sorted(committed)
    assert made == committed


def test_the_readme_names_every_file() -> None:
    readme = (FIXTURES / "README.md").read_text(encoding="utf-8")
    for folder in ("landing", "layouts", "unreadable"):
        for path in (FIXTURES / folder).iterdir():
            assert f"`{folder}/{path.name}`" in readme
    for path in (FIXTURES / "exports").rglob("*.*"):
        assert f"`{path.relative_to(FIXTURES).as_posix()}`" in readme


def test_the_demo_ingests_just_two_files() -> None:
    assert sorted(path.name for path in (FIXTURES / "landing").iterdir()) == [
        "dirty_search_terms.csv",
        "search_terms.csv",
    ]


def test_search_terms_has_the_shape_of_the_original(clean: reference.Expected) -> None:
    content = (FIXTURES / "landing" / "search_terms.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfday,month,year,searchterm\n12,11,2021,")
    assert not content.endswith(b"\n")
    assert b"\r" not in content
    assert clean.rejected_count == 0
    assert clean.search_count_by_term == TERM_COUNTS
    assert clean.event_count == 10_000


def test_search_terms_has_44_days_in_order_the_first_and_last_incomplete(clean: reference.Expected) -> None:
    days = list(clean.search_count_by_date)
    assert days == [date.fromordinal(date(2021, 11, 12).toordinal() + index) for index in range(44)]
    first, *full, last = clean.search_count_by_date.values()
    assert max(full) - min(full) <= 1
    assert first < min(full) / 4
    assert last < min(full) * 2 / 3


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original is not on this machine")
def test_search_terms_is_no_copy_of_the_original() -> None:
    ours = reference.read_delivery(FIXTURES / "landing" / "search_terms.csv")
    theirs = reference.read_delivery(ORIGINAL)
    assert Counter(record.searchterm for record in ours) == Counter(record.searchterm for record in theirs)
    # Two independent orders of these counts agree in one place of six.
    same = sum(our.searchterm == their.searchterm for our, their in zip(ours, theirs, strict=True))
    assert same < 2_000


def test_dirty_search_terms_gives_what_the_readme_says(dirty: reference.Expected) -> None:
    by_reason = {reason: int(count) for reason, count in readme_table("reason").items()}
    assert set(by_reason) == set(reference.REASONS)
    assert dirty.rejected_by_reason == by_reason
    assert {term: int(count) for term, count in readme_table("term").items()} == {
        re.sub("(garden ){36}", "garden (36 times) ", term): count for term, count in dirty.search_count_by_term.items()
    }
    outcome = {key: int(value) for key, value in readme_table("outcome").items()}
    assert outcome == {
        "records": dirty.record_count,
        "searches": dirty.event_count,
        "rejected": dirty.rejected_count,
        "rejected for several reasons": sum(n for key, n in dirty.rejected_by_reasons.items() if len(key) > 1),
    }


def test_dirty_search_terms_hardly_moves_the_answers(clean: reference.Expected, dirty: reference.Expected) -> None:
    assert not set(dirty.search_count_by_term) & set(clean.search_count_by_term)
    assert max(dirty.search_count_by_term.values()) < 10
    assert min(dirty.search_count_by_date) >= date(2021, 11, 13)
    assert max(dirty.search_count_by_date) <= date(2021, 12, 24)
    assert max(dirty.search_count_by_date.values()) <= 3


def test_good_and_bad_lines_are_what_they_are_called(make_fixtures: ModuleType, tmp_path: Path) -> None:
    for lines, kind in ((make_fixtures.GOOD_LINES, reference.Event), (make_fixtures.BAD_LINES, reference.Rejection)):
        path = tmp_path / "lines.csv"
        path.write_bytes("\n".join(["day,month,year,searchterm,device", *lines]).encode("utf-8", "surrogateescape"))
        outcomes = [reference.classify(record, RECEIVED) for record in reference.read_delivery(path)]
        assert [type(outcome) for outcome in outcomes] == [kind] * len(lines)


def test_a_term_of_just_the_longest_length_is_a_search(dirty: reference.Expected) -> None:
    assert max(len(term) for term in dirty.search_count_by_term) == reference.MAX_TERM_LENGTH


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_holds_the_same_searches(make_fixtures: ModuleType, name: str) -> None:
    records = reference.read_delivery(FIXTURES / "layouts" / name)
    assert tuple((r.day, r.month, r.year, r.searchterm) for r in records) == make_fixtures.SEARCHES
    assert reference.expected(records, RECEIVED).event_count == len(make_fixtures.SEARCHES)


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_are_unreadable(name: str) -> None:
    with pytest.raises(reference.UnreadableError):
        reference.read_delivery(FIXTURES / "unreadable" / name)
