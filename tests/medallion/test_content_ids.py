from __future__ import annotations

import os
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from search_forecast.lakehouse import notes
from search_forecast.medallion import erase, landing
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.content_ids import ContentIds
from search_forecast.medallion.new_files import stage_new_files

HEADER = "day,month,year,searchterm\n"
ALL = ["a.csv", "again.csv", "bad.csv", "x.csv", "y.csv"]
LATER = datetime.now(timezone.utc) + timedelta(
    days=1
)  # by when these files are old enough, however long the suite takes


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two files of the same content, one that is no delivery, and a zip file of two members."""
    directory = tmp_path / "in"
    directory.mkdir()
    (directory / "a.csv").write_text(HEADER + "1,3,2024,hat\n")
    (directory / "again.csv").write_text(HEADER + "1,3,2024,hat\n")
    (directory / "bad.csv").write_text("nothing\n")
    with zipfile.ZipFile(directory / "two.zip", "w") as archive:
        archive.writestr("x.csv", HEADER + "2,3,2024,tv\n")
        archive.writestr("y.csv", HEADER + "3,3,2024,tv\n")
    return directory


class Landing:
    """A landing directory, and what search_bronze.deliveries says of it once a first run took it in."""

    def __init__(self, source: Path) -> None:
        self.source, self.staging, self.choice = source, source.parent / "staging", Choice(source)
        ids = ContentIds(self.staging, LATER)
        batch, _ = stage_new_files(self.staging, landing.survey(source), self.choice, [], LATER, content_ids=ids)
        ids.save()
        self.rows = [vars(delivery) | {"batch_id": batch.batch_id} for delivery in batch.deliveries]

    def run(self, now: datetime = LATER, *, is_verified: bool = False) -> tuple[dict[str, str], list[str]]:
        """The status of each file that another run finds new, and the names of those that it read to know them."""
        ids = ContentIds(self.staging, now, is_verified=is_verified)
        with mock.patch.object(landing, "content_id", side_effect=landing.content_id) as read:
            survey = landing.survey(self.source)
            batch, known = stage_new_files(self.staging, survey, self.choice, self.rows, now, content_ids=ids)
        ids.save()
        assert len(known) + len(batch.deliveries) == len(ALL)
        names = [Path(call.args[0].name).name for call in read.call_args_list]
        return {Path(each.source_file).name: each.status for each in batch.deliveries}, names


def test_files_that_nobody_touched_are_not_read_again(source: Path) -> None:
    shop = Landing(source)

    assert shop.run() == ({}, [])
    assert shop.run(is_verified=True) == ({}, ALL)
    (shop.staging / "content_ids.json").write_text("{")
    assert shop.run() == ({}, ALL)
    assert shop.run() == ({}, [])


def test_a_file_is_read_again_where_its_size_or_one_of_its_times_is_another(source: Path) -> None:
    shop, before = Landing(source), (source / "a.csv").stat()
    (source / "a.csv").write_text(HEADER + "1,3,2024,cat\n")  # as many bytes, and then the time of before
    os.utime(source / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(source / "again.csv", (1, 1))
    (source / "bad.csv").write_text(HEADER + "1,3,2024,mop\n")
    with zipfile.ZipFile(source / "two.zip", "a") as archive:
        archive.writestr("z/", "")

    assert shop.run() == ({"a.csv": "rejected", "bad.csv": "ingested"}, ALL)


@pytest.mark.parametrize("seconds", [5, -3600])
def test_a_file_that_was_touched_just_now_or_later_than_now_is_read_again(source: Path, seconds: int) -> None:
    shop, now = Landing(source), datetime.now(timezone.utc) + timedelta(seconds=seconds)

    assert [shop.run(now)[1], shop.run(now)[1]] == [ALL, ALL]


def test_a_note_alone_makes_no_file_known(source: Path) -> None:
    shop = Landing(source)
    shop.rows = [row for row in shop.rows if not str(row["source_file"]).endswith("/again.csv")]

    assert shop.run()[0] == {"again.csv": "duplicate"}


def test_a_file_that_changes_while_it_is_read_is_not_noted(source: Path) -> None:
    shop, real = Landing(source), landing.content_id
    os.utime(source / "a.csv", (1, 1))

    def slow(part: Part) -> str | None:
        content_id = real(part)
        part.path.write_text(HEADER + "1,3,2024,cat\n")
        return content_id

    with mock.patch.object(landing, "content_id", side_effect=slow):
        ids = ContentIds(shop.staging, LATER)
        ids.get(Part(source / "a.csv"))
    ids.save()

    assert shop.run()[0] == {"a.csv": "rejected"}


def test_a_folder_of_another_run_that_may_not_be_looked_into_by_now_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, stat = str(tmp_path / "theirs" / "a.csv"), os.stat
    notes.write(tmp_path / "staging", "content_ids", {theirs: [1, 2, 3, "0" * 64]})

    def refused(path: Any, **others: Any) -> os.stat_result:
        if str(path) == theirs:
            raise PermissionError(13, "Permission denied", theirs)
        return stat(path, **others)

    monkeypatch.setattr(os, "stat", refused)

    ContentIds(tmp_path / "staging", datetime.now(timezone.utc)).save()

    assert notes.read(tmp_path / "staging", "content_ids") == {}
    tables = mock.Mock(ask=lambda *_: [{"source_file": theirs, "erased_count": 1}])
    assert erase._delivered_files(tables) == []
