"""Files that are still being written when `ingest` looks: nothing of them is lost, and nothing counts twice."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from search_forecast.medallion import landing, layouts, records
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


def looked_at_with(choice: Choice, file: Path, *seen: Delivery) -> tuple[list[Delivery], list[Delivery]]:
    """What a run makes of a file after others: what is new, and what is known."""
    rows: list[dict[str, Any]] = [
        {**vars(delivery), "batch_id": f"batch-{number:06d}"} for number, delivery in enumerate(seen, start=1)
    ]
    now = datetime(2021, 12, 25, tzinfo=timezone.utc)
    batch, known = stage_new_files(file.parent.parent / "staging", landing.survey(file.parent), choice, rows, now)
    return list(batch.deliveries), known


def test_a_file_that_was_rejected_is_taken_once_its_layout_is_said(file: Path) -> None:
    file.write_bytes(b"date,search_term\n2021-11-07,mop\n")
    [rejected], _ = looked_at_with(Choice(file.parent), file)
    assert rejected.status == "rejected"
    assert [each.reason for each in looked_at_with(Choice(file.parent), file, rejected)[1]] == [rejected.reason]
    layout = "description: d\nterm: search_term\ndate: {column: date, formats: [iso]}\nchoose: by_name\n"
    (file.parent / "_layouts").mkdir()
    (file.parent / "_layouts" / "mine.yml").write_text(layout)
    choice = Choice(file.parent, "mine", layouts=layouts.load(file.parent / "_layouts"))

    [taken], known = looked_at_with(choice, file, rejected)

    assert (taken.status, taken.record_count, taken.layout_name, known) == ("ingested", 1, "mine", [])
    for seen in ((rejected, taken), (taken, rejected)):
        new, known = looked_at_with(choice, file, *seen)
        assert (new, [each.status for each in known]) == ([], ["ingested"])


@pytest.mark.parametrize(("known_name", "status"), [("reject", "rejected"), ("append", "ingested")])
def test_a_known_name_that_was_rejected_is_taken_once_its_layout_says_so(
    file: Path, known_name: str, status: str
) -> None:
    [first], _ = looked_at_with(Choice(file.parent), file)
    file.write_bytes(HEADER + b"9,11,2021,hat\n")
    [rejected], _ = looked_at_with(Choice(file.parent), file, first)
    assert "known_name: append" in str(rejected.reason)
    all_layouts = layouts.load()
    mine = all_layouts["origin"].model_copy(update={"known_name": known_name})

    new, known = looked_at_with(Choice(file.parent, layouts={**all_layouts, "origin": mine}), file, first, rejected)

    assert [each.status for each in (*new, *known)] == [status]
    assert len(known) == (status == "rejected")


def test_a_file_that_is_rejected_for_what_lies_deep_in_it_stays_known(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(records, "BLOCK_BYTES", 20_000)
    file.write_bytes(HEADER + b"7,11,2021,laptop\n" * 5000 + b"8,11,2021," + b"x" * 30_000 + b"\n")
    [rejected], _ = looked_at_with(Choice(file.parent), file)
    assert rejected.status == "rejected"

    new, known = looked_at_with(Choice(file.parent), file, rejected)

    assert (new, known) == ([], [rejected])
