"""Files that were taken in leave the landing directory; the others stay."""

import os
import time
import zipfile
from pathlib import Path

import pytest

from search_forecast.errors import UsageError
from search_forecast.medallion import landing, processed
from search_forecast.medallion.batches import Delivery
from search_forecast.parameters import IngestParameters


@pytest.fixture(autouse=True)
def _files_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processed, "STILL_SECONDS", 0)


def delivered(source: Path, statuses: dict[str, str]) -> list[Delivery]:
    """What ingest says of the parts whose names end so."""
    return [
        Delivery(landing.content_id(part), part.name, 1, 1, status, None)
        for part in landing.survey(source).parts
        for end, status in statuses.items()
        if part.name.endswith(end)
    ]


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "landing"
    (source / "shop").mkdir(parents=True)
    for name in ("a.csv", "shop/b.csv", "wrong.csv", "again.csv"):
        (source / name).write_text(f"day,month,year,searchterm\n1,3,2024,{name}\n", encoding="utf-8")
    (source / "readme.md").write_text("not read", encoding="utf-8")
    return source


def test_what_was_taken_in_is_moved_with_its_folders_and_what_was_rejected_stays(source: Path, tmp_path: Path) -> None:
    deliveries = delivered(
        source, {"a.csv": "ingested", "b.csv": "withdrawn", "wrong.csv": "rejected", "again.csv": "duplicate"}
    )
    survey = landing.survey(source)

    assert processed.move(survey, deliveries, source, tmp_path / "in" / "done") == 3

    assert names(tmp_path / "in" / "done") == ["a.csv", "again.csv", "shop/b.csv"]
    assert names(source) == ["readme.md", "wrong.csv"]


def test_a_file_that_changed_since_it_was_read_stays_and_so_does_one_that_was_not(source: Path, tmp_path: Path) -> None:
    survey = landing.survey(source)
    deliveries = delivered(source, {"a.csv": "ingested"})
    (source / "a.csv").write_text("day,month,year,searchterm\n1,3,2024,more\n", encoding="utf-8")

    assert processed.move(survey, deliveries, source, tmp_path / "done") == 0

    assert "a.csv" in names(source)


def test_a_file_that_was_written_a_moment_ago_stays_for_the_next_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processed, "STILL_SECONDS", 60)
    os.utime(source / "a.csv", (0, time.time() - 61))
    survey, deliveries = landing.survey(source), delivered(source, {"a.csv": "ingested", "b.csv": "ingested"})

    assert processed.move(survey, deliveries, source, tmp_path / "done") == 1

    assert names(tmp_path / "done") == ["a.csv"]


def test_a_name_that_is_there_already_is_numbered(source: Path, tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "a.csv").write_text("older", encoding="utf-8")
    (tmp_path / "done" / "a 2.csv").write_text("old", encoding="utf-8")
    one = source / "a.csv"

    assert processed.move(landing.survey(one), delivered(one, {"a.csv": "ingested"}), one, tmp_path / "done") == 1

    assert names(tmp_path / "done") == ["a 2.csv", "a 3.csv", "a.csv"]
    assert (tmp_path / "done" / "a.csv").read_text(encoding="utf-8") == "older"


def test_a_zip_file_goes_once_all_of_its_members_are_in(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(source / "week.zip", "w") as archive:
        archive.writestr("one.csv", "day,month,year,searchterm\n1,3,2024,one\n")
        archive.writestr("two.csv", "day,month,year,searchterm\n1,3,2024,two\n")
    survey = landing.survey(source)

    assert processed.move(survey, delivered(source, {"one.csv": "ingested"}), source, tmp_path / "done") == 0
    both = delivered(source, {"one.csv": "ingested", "two.csv": "ingested"})
    assert processed.move(survey, both, source, tmp_path / "done") == 1
    assert names(tmp_path / "done") == ["week.zip"]


def test_files_are_not_moved_to_where_they_would_be_read_again(source: Path) -> None:
    with pytest.raises(UsageError, match="lies in --source"):
        IngestParameters(source, processed=source / "done")

    assert IngestParameters(source, processed=source / "_done").processed is not None
    assert IngestParameters(source, processed=source.parent / "done").processed is not None
