"""Model versions that hold what must not be kept; no Spark."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from search_forecast.errors import UsageError
from search_forecast.lakehouse.forgetting import Sought, checked_pattern
from search_forecast.models import erasure
from search_forecast.models.registry import DIRECTORY, Registry

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "search_gold.daily_term_counts"


PARAMETERS = """{"inputCols": ["height"], "statement": "select 'hat' from __THIS__"}"""
METADATA = f'{{"class": "org.apache.spark.ml.PipelineModel", "paramMap": {PARAMETERS}}}'


def publish(models: Registry, directory: Path, terms: list[str], table: str = TABLE, events: str | None = None) -> None:
    (directory / "forecast").mkdir(parents=True)
    points = {"term": terms, "points": [[1.0]] * len(terms), "events": [events] * len(terms)}
    parquet.write_table(pa.table(points), directory / "forecast" / "p.parquet")
    record = {
        "kind": "forecast",
        "row_count": 3,
        "files": {},
        "tables": [{"table": table, "delta_version": 3, "content_hash": "sha256:" + "a" * 64}],
    }
    (directory / "search_forecast.json").write_text(json.dumps(record), encoding="utf-8")
    models.publish("search_demand", directory, record, parameters={}, metrics={}, tags={"kind": "forecast"})


def test_versions_that_hold_it_go_and_what_cannot_be_trained_again_is_named(tmp_path: Path) -> None:
    models = Registry(tmp_path / DIRECTORY)
    publish(models, tmp_path / "one", ["hat", "zebra lamp"])
    publish(models, tmp_path / "two", ["hat", "zebra lamp shade"])
    publish(models, tmp_path / "three", ["hat"], table="search_gold.infant_growth")

    result = erasure.erase(models, Sought(frozenset({"zebra lamp"})), [TABLE])

    assert result == {
        "removed_versions": ["search_demand version 1"],
        "unreproducible_versions": ["search_demand version 2"],
    }
    assert [version.number for version in models.versions()] == [2, 3]
    assert len(models.run_directories()) == 2
    assert erasure.erase(models, Sought(pattern="lamp$"), [])["removed_versions"] == []
    assert erasure.erase(models, Sought(pattern="zebra"), [])["removed_versions"] == ["search_demand version 2"]
    content = b"".join(path.read_bytes() for path in tmp_path.joinpath(DIRECTORY).rglob("*") if path.is_file())
    assert b"zebra" not in content


def test_words_with_which_a_model_is_described_are_no_data_of_it(tmp_path: Path) -> None:
    for name, content in (
        ("MLmodel", "flavors:\n  spark:\n    python_version: 3.11\n    data: sales\n"),
        ("requirements.txt", "python\n"),
        ("search_forecast.json", '{"tables": [{"table": "files"}], "parameters": {"candidates": ["theta"]}}'),
        ("code/search_demand_model.py", "class Table: ...\n"),
        ("forecast/about.json", '{"parameters": {"candidates": ["theta"]}}'),
        ("sparkml/metadata/part-00000", f"{METADATA}\n"),
        ("labels.json", '{"sales": ["ibex"]}'),
        ("serving_input_example.json", '{"dataframe_split": {"columns": ["horizon"], "data": [["(total)", 14]]}}'),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    parquet.write_table(pa.table({"term": ["zebra lamp"]}), tmp_path / "forecast" / "p.parquet")

    described = {"python", "spark", "apache", "table", "term", "class", "files", "sales", "theta", "horizon", "height"}
    held = {"zebra lamp", "hat", "ibex"}

    assert {word for word in described | held if erasure._is_below(tmp_path, Sought(frozenset({word})))} == held


def test_names_of_campaigns_and_reasons_of_promotions_hold_it_no_more(tmp_path: Path) -> None:
    models = Registry(tmp_path / DIRECTORY)
    publish(models, tmp_path / "one", ["hat"], events="campaign Zebra lamp sale: x 2.41 (1.92 to 3.03)")
    publish(models, tmp_path / "two", ["hat"], events="holiday Zebra lamp day: x 1.10 (1.01 to 1.20)")
    reason = {"champion_forced_because": "for the zebra lamp", "canary_forced_because": "it is better"}
    models.promote(models.find("search_demand", 2), "champion", reason)

    result = erasure.erase(models, Sought(frozenset({"zebra lamp"})), [])

    assert result["removed_versions"] == ["search_demand version 1"]
    [version] = models.versions()
    assert version.tags == {
        "kind": "forecast", "champion_forced_because": "erased", "canary_forced_because": "it is better"
    }  # fmt: skip
    assert b"for the zebra" not in (tmp_path / DIRECTORY / "mlflow.db").read_bytes()


def test_a_term_is_found_as_people_type_it_and_in_text_as_whole_words() -> None:
    sought = Sought(frozenset({"zebra lamp"}))
    assert sought.rule()(" Zebra\tLAMP ", True)
    assert not sought.rule()("zebra lamps", True)
    assert sought.is_in('1,3,2024,"ZEBRA lamp')
    assert not sought.is_in("a zebra lampshade")
    assert not sought.rule()(None, True)
    assert not Sought().is_in("anything")
    # Vowels and other marks belong to the letter before them; what stands on none, as of an emoji, ends no word.
    for text in ("हिन्दी किताब", "दीवार", "x̂", "x_दी"):
        assert not Sought(frozenset({"दी", "x", "हिन"})).is_in(text)
    for text in ("दी किताब", "❤️दी", "\u0301x", "x❤️"):
        assert Sought(frozenset({"दी", "x"})).is_in(text)


def test_a_text_is_looked_through_for_the_terms_of_a_whole_delivery_at_once() -> None:
    sought = Sought(frozenset(f"term {number:07d}" for number in range(50_000)) | {"b+w film", "(film"})
    text = "term 0070000 " * 2000

    for end in ("term 0000001", "a term 0000002!", "x B+W film.", "see (film)"):
        assert sought.is_in(text + end)
    for end in ("term 00000012", "_term 0000003", "xb+w film", "b+w films"):
        assert not sought.is_in(text + end)


def test_text_is_looked_through_as_json_spells_it_too() -> None:
    for term in ("grüne tür", '5" lamp', "😀 lamp", "a\\b"):
        sought = Sought(frozenset({term}))
        assert sought.is_in(f'{{"cut off": {json.dumps([f"the {term}"])}')
        assert not sought.is_in(f'{{"cut off": {json.dumps([f"the {term}s"])}')


@pytest.mark.parametrize(
    "spelling", ["gr%C3%BCne+t%c3%bcr", "GR%C3%9CNE%20t%C3%BCr", "gr%25C3%25BCne+tür", "grüne%2BTür"]
)
def test_text_is_looked_through_as_addresses_of_pages_spell_it_too(spelling: str) -> None:
    sought = Sought(frozenset({"grüne tür"}))
    assert sought.is_in(f"/search?q={spelling}&page=2")
    assert not sought.is_in(f"/search?q={spelling}en&page=2")
    assert not sought.rule()(spelling, True)
    assert not sought.is_in("%" + "25" * 50_000)


def test_a_file_that_is_damaged_is_looked_through_as_text(tmp_path: Path) -> None:
    for name in ("cut.parquet", "cut.json", "any.txt"):
        (tmp_path / name).write_bytes(b'PAR1 {"term": "Zebra Lamp", \xff')
        assert Sought(frozenset({"zebra lamp"})).is_in_file(tmp_path / name)
        assert not Sought(frozenset({"ibex"})).is_in_file(tmp_path / name)


def test_a_pattern_finds_what_it_says_whatever_the_case() -> None:
    sought = Sought(pattern=r"[\w.]+@Shop\.example$")
    assert sought.rule()("Jane.Doe@shop.EXAMPLE", True)
    assert not sought.rule()("jane at shop", True)
    sums = Sought(pattern="tota")
    assert (sums.rule()("(total)", True), sums.rule()("total war", True)) == (False, True)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("hauptstraße", "'ß', which no normalised term has: it is 'ss' there, say that"),
        ("jane\u00a0doe", "it is ' ' there"),
        ("jane\ndoe", "it is ' ' there"),
        ("jane  doe", "two spaces in a row"),
        ("ｊane", "it is 'j' there"),
        ("jane\u200bdoe", r"'\u200b', which no normalised term has: leave it out"),
    ],
)
def test_a_pattern_that_can_find_nothing_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        checked_pattern(pattern)


def test_a_pattern_is_composed_as_terms_are_and_may_be_in_capitals() -> None:
    assert checked_pattern("CAFE\u0301 [Ä-Ü]ΣΑΣ$") == "CAFÉ [Ä-Ü]ΣΑΣ$"
    assert Sought(pattern=checked_pattern("CAFE\u0301")).rule()("café", True)
    assert Sought(pattern=checked_pattern("X\u0302 दी")).rule()("x\u0302 दी", True)
