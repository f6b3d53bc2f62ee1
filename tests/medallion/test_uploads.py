"""Files that are still being written when `ingest` looks: nothing of them is lost, and nothing counts twice."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from search_forecast.medallion import landing, records
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.new_files import stage_new_files

HEADER = b"day,month,year,searchterm\n"
FIRST, MORE = b"7,11,2021,laptop\n8,11,2021,mob", b"ile 5g\n9,11,2021,hat\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "in" / "a.csv"
    file.parent.mkdir()
    file.write_bytes(HEADER + FIRST)
    return file


def looked_at(file: Path, *seen: Delivery) -> list[Delivery]:
    """What a run makes of a file after others, whose answers are given; [] where it is known."""
    rows: list[dict[str, Any]] = [{**vars(delivery), "batch_id": "batch-000001"} for delivery in seen]
    batch, _ = stage_new_files(
        file.parent.parent / "staging",
        landing.survey(file.parent),
        Choice(file.parent),
        rows,
        datetime(2021, 12, 25, tzinfo=timezone.utc),
    )
    return list(batch.deliveries)


def test_a_file_that_grew_while_it_was_read_is_taken_in_whole_by_the_next_run(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = records.read

    def read_late(*arguments: Any) -> Any:
        with file.open("ab") as upload:
            upload.write(MORE)
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(records, "read", read_late)
        [first] = looked_at(file)
    assert (first.status, first.record_count) == ("rejected", None)
    assert "changed while it was read" in str(first.reason)

    [again] = looked_at(file, first)

    assert (again.status, again.record_count) == ("ingested", file.read_bytes().count(b"\n") - 1)


def test_a_file_of_which_a_part_was_taken_in_counts_whole_in_its_place(file: Path) -> None:
    [part] = looked_at(file)
    file.write_bytes(HEADER + FIRST + MORE)

    [whole] = looked_at(file, part)

    assert (part.status, part.record_count, part.replaces) == ("ingested", 2, None)
    assert (whole.status, whole.record_count, whole.replaces) == ("ingested", 3, part.delivery_id)
    assert "goes on from what was taken in of it" in str(whole.why)
    assert looked_at(file, part, whole) == []


def test_a_file_of_a_known_name_that_is_gone_once_it_was_read_is_rejected_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [part] = looked_at(file)
    file.write_bytes(HEADER + FIRST + MORE)
    begins_with = landing.begins_with

    def gone(*arguments: Any) -> bool:
        file.unlink()
        return begins_with(*arguments)

    monkeypatch.setattr(landing, "begins_with", gone)

    [delivery] = looked_at(file, part)

    assert (delivery.status, delivery.record_count) == ("rejected", None)
    assert "cannot be opened" in str(delivery.reason)


@pytest.mark.parametrize("content", [HEADER + b"1,1,2021,hat\n" + FIRST + MORE, HEADER + FIRST[:-3]])
def test_another_content_under_a_known_name_is_still_refused(file: Path, content: bytes) -> None:
    [first] = looked_at(file)
    file.write_bytes(content)

    [other] = looked_at(file, first)

    assert (other.status, other.replaces) == ("rejected", None)
    assert "a file of this name with other content was ingested before" in str(other.reason)


def test_a_file_that_was_renamed_is_a_duplicate_and_one_that_is_gone_is_nothing(file: Path) -> None:
    [first] = looked_at(file)
    file.rename(file.with_name("b.csv"))

    [renamed] = looked_at(file, first)

    assert (renamed.status, renamed.reason) == ("duplicate", f"same content as {file}")
    file.with_name("b.csv").unlink()
    assert looked_at(file, first, renamed) == []
