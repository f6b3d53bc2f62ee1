"""Which files of a source are deliveries, and what is read when something else lies in their place."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from search_forecast.errors import DataError
from search_forecast.medallion import containers, landing
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.new_files import stage_new_files
from support.staging import HEADER, NOW, RECORDS, delivered, stage_new


def test_csv_files_are_found_by_any_spelling_of_their_ending_and_dot_files_left(tmp_path: Path) -> None:
    wanted = [
        "A.CSV",
        "B.csv.GZ",
        "_x [1].csv",
        "a b/c d.csv",
        "größe 'ö' \"q\" ${x} %20 #1.csv",
        "x{a,b}*?.csv",
        "deep/er/still.csv",
    ]
    others = [".hidden.csv", "deep/.upload.csv.gz", ".csv", "terms.csv.part", "terms.xlsx", "csv", "truth.json"]
    for name in (*wanted, *others):
        delivered(tmp_path, HEADER, name)
    (tmp_path / "directory.csv").mkdir()
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")

    survey = landing.survey(tmp_path)

    assert [part.path for part in survey.parts] == sorted(tmp_path / name for name in wanted)
    assert set(survey.passed_over) == {str(tmp_path / name) for name in (*others, "dangling.csv")}


def test_whatever_is_not_read_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, elsewhere, scan, look = tmp_path / "in", tmp_path / "elsewhere", os.scandir, os.stat
    delivered(source, HEADER, "shop/a.csv")
    delivered(source, HEADER, "locked/b.csv")
    delivered(source, HEADER, "listed/d.csv")
    (source / "listed" / "e.csv").symlink_to(source / "shop" / "a.csv")
    delivered(elsewhere, HEADER, "c.csv")
    (source / "linked").symlink_to(elsewhere)
    (source / "gone").symlink_to(tmp_path / "nowhere")
    (source / "led out.csv").symlink_to(elsewhere / "c.csv")
    (source / "within.csv").symlink_to(source / "shop" / "a.csv")
    os.mkfifo(source / "pipe.csv")

    def refusing(place: Any) -> Any:
        if Path(place).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scan(place)

    def hiding(place: Any, *args: Any, **names: Any) -> Any:
        if "listed" in Path(place).parts[:-1]:  # that may be listed, and not looked into
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return look(place, *args, **names)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(os, "stat", hiding)
    survey = landing.survey(source)

    assert [part.path for part in survey.parts] == [source / "shop" / "a.csv", source / "within.csv"]
    (tmp_path / "link.csv").symlink_to(elsewhere / "c.csv")
    assert len(landing.survey(tmp_path / "link.csv").parts) == 1  # the operator's word
    assert survey.passed_over == {
        str(source / "gone"): "a link to what is not there",
        str(source / "led out.csv"): "a link that leads out of the source: name what it leads to as --source",
        str(source / "linked"): "a link to a folder: name that one as --source",
        str(source / "listed" / "d.csv"): "it can't be looked at (Permission denied)",
        str(source / "listed" / "e.csv"): "it can't be looked at (Permission denied)",
        str(source / "locked"): "a folder that can't be read",
        str(source / "pipe.csv"): "neither a file nor a folder",
    }


def test_files_whose_names_differ_in_bytes_that_are_no_text_are_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for place, name in enumerate((b"caf\xe8.csv", b"caf\xe9.csv", b"caf\xe9 %.csv")):
        Path(os.fsdecode(bytes(source) + b"/" + name)).write_bytes(HEADER + b"%d,1,2021,tv\n" % (place + 1))

    batch, _ = stage_new(tmp_path)

    names = [Path(delivery.source_file).name for delivery in batch.deliveries]
    assert names == [r"caf\xe8.csv", r"caf\xe9 %.csv", r"caf\xe9.csv"]
    assert [delivery.status for delivery in batch.deliveries] == ["ingested"] * 3


@pytest.mark.parametrize("is_judged", [False, True])
@pytest.mark.parametrize("what", ["shop/a.csv", "shop/a.csv.gz", "shop", "a pipe", "a circle"])
def test_what_was_put_in_a_files_place_since_it_was_listed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, *, is_judged: bool
) -> None:
    """By the one who delivers, between the listing and the opening, or as late as after it was judged once more."""
    source, secret, open_one = tmp_path / "in", tmp_path / "secret", os.open
    for folder, content in ((secret, HEADER + RECORDS), (source, HEADER)):
        delivered(folder, content, "shop/a.csv")
        delivered(folder, gzip.compress(content), "shop/a.csv.gz")
    swapped = source / (what if what.startswith("shop") else "shop/a.csv")

    def swap() -> None:
        swapped.rename(tmp_path / "before")
        if what == "a pipe":
            os.mkfifo(swapped)
        else:
            swapped.symlink_to(swapped if what == "a circle" else secret / what)

    def late(path: Any, *arguments: Any, **options: Any) -> int:
        if path == source.resolve() and not (tmp_path / "before").exists():
            swap()
        return open_one(path, *arguments, **options)

    survey = landing.survey(source)
    if is_judged:
        monkeypatch.setattr(os, "open", late)
    else:
        swap()
    batch, _ = stage_new_files(tmp_path / "staging", survey, Choice(source), [], NOW)

    refused = [delivery for delivery in batch.deliveries if "the file cannot be opened" in str(delivery.reason)]
    assert len(refused) == (2 if what == "shop" else 1)
    assert all((delivery.status, delivery.delivery_id) == ("rejected", None) for delivery in refused)
    assert not any(delivery.record_count for delivery in batch.deliveries)


def test_a_layout_that_is_a_link_out_of_the_source_is_not_read(tmp_path: Path) -> None:
    source, secret = tmp_path / "in", tmp_path / "secret.yml"
    (source / "_layouts").mkdir(parents=True)
    secret.write_text("password: 1", encoding="utf-8")
    (source / "_layouts" / "shop.yml").symlink_to(secret)

    with pytest.raises(DataError, match=r"shop\.yml is a link that leads out of the source: name .* as --layouts"):
        landing.more_layouts(source)


def test_a_layout_at_the_source_is_not_said_to_be_a_programs_own(tmp_path: Path) -> None:
    names = ("_layouts/shop.yml", "_other/shop.yml", "shop/_layouts/a.csv")
    for name in names:
        delivered(tmp_path, b"x", name)

    reasons = [landing.survey(tmp_path).passed_over[str(tmp_path / name)] for name in names]

    assert reasons == ["in the folder of layouts, which are read as such", containers.HIDDEN, containers.HIDDEN]


def test_the_files_of_a_delta_table_are_no_deliveries(tmp_path: Path) -> None:
    delivered(tmp_path, b"PAR1", "lake/search_gold/x/part-0.parquet")
    delivered(tmp_path, b"{}", "lake/search_gold/x/_delta_log/0.json")
    delivered(tmp_path, b"PAR1", "other/part-0.parquet")

    survey = landing.survey(tmp_path)

    assert [part.path.parent.name for part in survey.parts] == ["other"]
    assert survey.passed_over[str(tmp_path / "lake/search_gold/x/part-0.parquet")] == "a Delta table's own"


def test_a_source_may_be_one_file_and_its_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(tmp_path, HEADER)
    monkeypatch.chdir(tmp_path)

    assert landing.survey(Path("terms.csv")).parts == (Part(tmp_path / "terms.csv"),)


def test_the_files_of_a_delta_tables_partitions_are_no_deliveries(tmp_path: Path) -> None:
    table = tmp_path / "shop" / "sales"
    for name in ("_delta_log/00000000000000000000.json", "day=1/a.parquet", "day=1/hour=2/b.parquet"):
        delivered((table / name).parent, b"", Path(name).name)
    delivered(tmp_path / "shop", HEADER, "a.csv")

    survey = landing.survey(tmp_path)

    assert [part.path.name for part in survey.parts] == ["a.csv"]
    assert {why for name, why in survey.passed_over.items() if name.endswith(".parquet")} == {"a Delta table's own"}


def test_a_file_that_goes_while_it_is_asked_for_its_size_has_none(tmp_path: Path) -> None:
    assert landing.file_size(tmp_path / "gone") == 0
