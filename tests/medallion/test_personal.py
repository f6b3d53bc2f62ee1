"""Personal data in a search box: the rule in plain Python, then one lakehouse that never keeps it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search_forecast.cli.call import reader
from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import DELIVERIES, RAW_SEARCH_TERMS, TERM_SUMMARY
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import silver, terms
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.ingest import ingest
from search_forecast.medallion.personal import (
    BANK_ACCOUNT,
    CARD,
    EMAIL,
    IDENTITY_NUMBER,
    PLACEHOLDERS,
    TELEPHONE,
    placeholder,
)
from search_forecast.medallion.reading import Reading
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import CleanParameters, IngestParameters, Personal
from support.flow import KilledError, killed_writing, rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Numbers from vendors' and authorities' documentation: of nobody.
PERSONAL = {
    EMAIL: [
        *("anna@example.com", "order by Anna.Muster+shop@mail.example.co.uk please", "ANNA@EXAMPLE.COM"),
        *("ａｎｎａ＠example.com", "müller@bücher.example", "anna@example,com", "<anna@example.com>", "x@y.museum!"),
        *("anna%40example.com", "q=anna.muster%2Bshop%40example%2ecom", "anna＠example.com"),
    ],
    TELEPHONE: [
        *("+41 44 668 18 00", "+41446681800", "0041 44 668 18 00", "0041446681800", "call +1 650-253-0000 now"),
        *("+49 (0)30 901820", "tel:+44 20 7031 3000", "＋４１ ４４ ６６８ １８ ００"),
        *("%2B41 44 668 18 00", "%2b41446681800"),
        *("+٤١ ٤٤ ٦٦٨ ١٨ ٠٠", "۰۰۴۱ ۴۴ ۶۶۸ ۱۸ ۰۰"),
    ],
    CARD: [
        *("4111 1111 1111 1111", "4111111111111111", "5555-5555-5555-4444", "pay 378282246310005"),
        *("3782 822463 10005", "30569309025904", "6011111111111117", "3530111333300000", "2223003122003222"),
        *("4111\u20111111\u20111111\u20111111", "5555–5555–5555–4444", "४१११ ११११ ११११ ११११"),
    ],
    BANK_ACCOUNT: [
        *("CH93 0076 2011 6238 5295 7", "DE89370400440532013000", "iban GB29 NWBK 6016 1331 9268 19 jane"),
        "at61 1904 3002 3457 3201 test",
    ],
    IDENTITY_NUMBER: [
        *("756.9217.0769.85", "7569217076985", "ahv 756 9217 0769 85", "12345678Z", "x-1234567-l", "RSSMRA85T10A562S"),
        *("131052-308T", "2 95 10 99 126 111 93", "390.533.447-05", "39053344705", "36574261809", "36 574 261 809"),
        *("10000000146", "811218-9876", "19811218-9876", "00000000 0 ZZ4", "37605030299", "85.07.30-033.28"),
        "131052A308T",
    ],
}
SEARCHES = [
    *("", "laptop", "@", "@home", "t-shirt @ sale", "icon@2x.png", "youtube.com/@shop.tv", "r@50", "mail@", "@x.com"),
    *("100% cotton", "50%40", "100%25 wool 60%40", "%", "%zz%4"),
    *("4006381333931", "9783161484100", "978-3-16-148410-0", "3-16-148410-0", "0012345678905", "00012345678905"),
    *(
        "0306406152",
        "4111111111111112",
        "4111 11111111 1111",
        "CH93 0076 2011 6238 5295 8",
        "+41 44",
        "+99 999 999 99 99",
    ),
    *("756.9217.0769.84", "12345678A", "1234567890", "2021-12-25 2022-01-01", "1920x1080 2560x1440", "16 17 18 19 20"),
    *(
        "079 123 45 67",
        "(650) 253-0000",
        "iphone 13 pro max 128gb 256gb",
        "samsung s21+ 6941234567890",
        "12 34 56 78 90",
    ),
    *(
        "110.90.44-1",
        "order 100023457",
        "88888888888",
        "2023 2024 2025",
        "3.14159265358979",
        "1,000,000,000",
        "a1b2c3d4e5f6g7h8",
    ),
]
NATIONAL = [
    ("CH", "079 123 45 67"),
    ("CH", "0791234567"),
    ("US", "(650) 253-0000"),
    ("US", "650-253-0000"),
    ("DE", "030 901820"),
]
NUMBERS = st.text(st.sampled_from("0123456789 -./+()@,x\u00a0\uff10"), max_size=40)


def test_what_is_personal_is_named() -> None:
    found = {kind: [placeholder(text) for text in texts] for kind, texts in PERSONAL.items()}

    assert found == {kind: [kind] * len(texts) for kind, texts in PERSONAL.items()}


def test_a_search_is_left_alone() -> None:
    assert {text: placeholder(text) for text in SEARCHES} == dict.fromkeys(SEARCHES)


def test_telephone_numbers_of_the_shops_country_need_no_plus() -> None:
    assert [placeholder(text, country) for country, text in NATIONAL] == [TELEPHONE] * len(NATIONAL)
    assert [placeholder(text) for _, text in NATIONAL] == [None] * len(NATIONAL)
    # Ten digits in a row are as likely an article.
    assert placeholder("6502530000", "US") is None


def test_a_placeholder_stands_for_itself_as_a_term() -> None:
    assert [(placeholder(kind), normaliser()(kind)) for kind in PLACEHOLDERS] == [(kind, kind) for kind in PLACEHOLDERS]


@given(st.text(st.characters(codec="utf-8")) | NUMBERS, st.sampled_from([None, "CH", "US"]))
@example("@" * 3000, None)
@example("1 " * 3000, "US")
@example("a@" + "b." * 3000, None)
def test_any_text_gives_a_placeholder_or_none_and_that_one_stays(text: str, country: str | None) -> None:
    assert placeholder(text, country) in {None, *PLACEHOLDERS}


@given(st.integers(0, 10**12 - 1))
def test_an_article_number_is_no_personal_data(number: int) -> None:
    digits = [int(digit) for digit in f"{number:012}"]
    check = -sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10

    assert number // 10**9 == 756 or placeholder(f"{number:012}{check}") is None


@given(st.integers(0, 10**9 - 1), st.sampled_from(["4{:09}00000", "51{:09}0000"]))
def test_a_card_is_one_only_with_its_check_digit(number: int, shape: str) -> None:
    digits = [int(digit) for digit in shape.format(number)]
    doubled = [2 * digit - 9 * (digit > 4) if place % 2 == 0 else digit for place, digit in enumerate(digits)]
    right = -sum(doubled) % 10

    found = [placeholder(f"{shape.format(number)}{check}") == CARD for check in range(10)]

    assert found == [check == right for check in range(10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "drop"}, "clean: --personal is keep, mask or reject, got drop"),
        ({"country": "XX"}, "clean: --country XX is none, such as CH or US"),
    ],
)
def test_a_wrong_parameter_is_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Personal(**arguments)
    with pytest.raises(UsageError, match="clean: --raw-retention-days is from 0 to 36,500, got -1"):
        CleanParameters(raw_retention_days=-1)


NOW = datetime(2024, 3, 4, 10, tzinfo=timezone.utc)
SECRETS = ("anna@example.com", "anna%40", "79 123 45", "4111", "gm\u00e4il")
# Date, term and page of the shop; the reasons and what is kept of the term, masked and rejected.
RECORDS = [
    ("1,3,2024", "Laptop", "/", [], "Laptop", [], "Laptop"),
    ("1,3,2024", "caf\u00e9 4006381333931", "/?q=1", [], "caf\u00e9 4006381333931", [], "caf\u00e9 4006381333931"),
    ("1,3,2024", " Anna@Example.com", "/?q=anna@example.com", [], EMAIL, ["personal_data"], EMAIL),
    ("1,3,2024", "anna@gm\u00e4il.example", "/", [], EMAIL, ["personal_data"], EMAIL),
    ("1,3,2024", "anna%40example.com", "/", [], EMAIL, ["personal_data"], EMAIL),
    ("1,3,2024", "+41 79 123 45 67", "/", [], TELEPHONE, ["personal_data"], TELEPHONE),
    ("2,3,2024", "4111 1111 1111 1111", "/", [], CARD, ["personal_data"], CARD),
    ("30,2,2024", "anna@example.com", "/", ["impossible_date"], EMAIL, ["impossible_date", "personal_data"], EMAIL),
    ("9,3,2024", "anna@example.com", "/", ["date_in_future"], EMAIL, ["date_in_future", "personal_data"], EMAIL),
    ("30,2,2024", "hat", "/hat", ["impossible_date"], "hat", ["impossible_date"], "hat"),
    ("1,3,2024", "", "/", ["empty_term"], "", ["empty_term"], ""),
]
MALFORMED = ['1,3,2024,"anna@example.com,/', '1,3,2024,"hat,/']
FILE = "day,month,year,searchterm,page\n" + "".join(
    [*(f"{day},{term},{page}\n" for day, term, page, *_ in RECORDS), *(f"{line}\n" for line in MALFORMED)]
)


@pytest.fixture(scope="module")
def house(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    root = tmp_path_factory.mktemp("personal")
    house = Lakehouse(spark, root, root / "_staging", reader=reader(root))
    (root / "in").mkdir()
    (root / "in" / "a.csv").write_text(FILE, encoding="utf-8")
    ingest(house, IngestParameters(root / "in"), NOW)
    return house


def judged(records: DataFrame) -> list[tuple[Any, ...]]:
    """Reasons, term as typed, normalised term, page and malformed record of each classified record, sorted."""
    names = ("reject_reasons", "searchterm", "term", "extra_fields", "malformed_record")
    return sorted((tuple(row[name] for name in names) for row in records.collect()), key=repr)


@pytest.mark.parametrize("policy", ["mask", "reject"])
def test_no_column_of_silver_holds_personal_data(house: Lakehouse, policy: str) -> None:
    place = 3 if policy == "mask" else 5
    expected: list[tuple[Any, ...]] = [
        (record[place], record[4], record[4].lower(), None if record[4] in PLACEHOLDERS else {"page": record[2]}, None)
        for record in RECORDS
    ]
    expected += [(["malformed_record"], None, None, None, line) for line in (EMAIL, MALFORMED[1])]

    records = silver.classified(house.read(RAW_SEARCH_TERMS), NOW.date(), personal=Personal(policy))

    assert judged(records) == sorted(expected, key=repr)


def test_python_sees_only_what_may_be_personal_or_is_not_simple(
    house: Lakehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = str(tmp_path / "seen.txt")

    def spy(country: str | None) -> Callable[[str | None], None]:
        def note(text: str | None) -> None:
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{text}\n")

        return note

    monkeypatch.setattr(terms, "finder", spy)
    silver.classified(house.read(RAW_SEARCH_TERMS), NOW.date(), personal=Personal()).collect()

    seen = Path(log).read_text(encoding="utf-8").splitlines()
    assert set(seen) == {*(normaliser()(term) for _, term, *_ in RECORDS if len(term) > 10), MALFORMED[0]}


def test_silver_and_gold_never_hold_it_and_bronze_as_long_as_it_may(
    house: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = CleanParameters(personal=Personal("keep"), raw_retention_days=0)
    assert clean(house, CleanParameters(), NOW)["masked_batches"] == []
    assert clean(house, at_once, NOW)["masked_batches"] == []
    assert held(house) == {"raw_search_terms"}
    later = NOW + timedelta(days=30)
    with monkeypatch.context() as patch:
        patch.setattr(Lakehouse, "write", killed_writing("deliveries", is_before=True))
        with pytest.raises(KilledError):
            clean(house, CleanParameters(), later)
    assert clean(house, CleanParameters(), later)["masked_batches"] == ["batch-000001"]
    assert held(house) == set()
    assert [row["masked_at"] for row in house.read(DELIVERIES).collect()] == [later.replace(tzinfo=None)]
    version = house.version(RAW_SEARCH_TERMS)
    assert clean(house, CleanParameters(), later + timedelta(days=1))["masked_batches"] == []
    assert house.version(RAW_SEARCH_TERMS) == version

    aggregate(house)
    counts = reconcile(house, later)
    assert (counts["raw_count"], counts["event_count"], counts["rejected_count"]) == (13, 8, 5)
    terms_in_gold = {row["term"]: row["search_count"] for row in house.read(TERM_SUMMARY).collect()}
    # One of the e-mail addresses was of a day that has come since.
    assert terms_in_gold == {"laptop": 1, "caf\u00e9 4006381333931": 1, EMAIL: 4, TELEPHONE: 1, CARD: 1}
    assert held(house) == set()
    # What bronze holds now is judged as what was delivered.
    records = silver.classified(house.read(RAW_SEARCH_TERMS), NOW.date(), personal=Personal("reject"))
    assert [row[:3] for row in judged(records)] == sorted(
        [*((reasons, term, term.lower()) for *_, reasons, term in RECORDS), *[(["malformed_record"], None, None)] * 2],
        key=repr,
    )


def test_what_bronze_holds_once_masked_is_judged_as_what_was_delivered(spark: SparkSession) -> None:
    reading = Reading(only_column="event", only_values=("search",))
    long, search = f"anna@example.com {'x' * 300}", {"event": "search", "page": "/?q=anna@example.com"}
    cases = [
        ("anna@example.com", search, [], EMAIL, {"event": "search"}),
        ("anna@example.com", {"event": "login of anna"}, ["other_event"], EMAIL, {"event": EMAIL}),
        ("anna@example.com", {"page": "/"}, ["other_event"], EMAIL, {}),
        ("anna@example.com", {"event": None}, ["other_event"], EMAIL, {"event": None}),
        (long, search, ["term_too_long"], "", {"event": "search"}),
        ("anna@example.com \ufffd", search, ["bad_encoding"], "", {"event": "search"}),
        ("anna@example.com", {**search, "page": "\ufffd"}, ["bad_encoding"], "", {"event": "search"}),
        ("hat", search, [], "hat", search),
    ]
    rows = [
        ("1", "3", "2024", None, term, None, extra, None, str(place), "", "", NOW)
        for place, (term, extra, *_) in enumerate(cases)
    ]
    raw = spark.createDataFrame(rows, RAW_SEARCH_TERMS.schema)

    def reasons(records: DataFrame) -> dict[str, list[str]]:
        judged = silver.classified(records, NOW.date(), {"": reading}, Personal())
        return {row["delivery_id"]: row["reject_reasons"] for row in judged.collect()}

    masked = silver.masked(raw, None, [reading])

    kept = {row["delivery_id"]: (row["searchterm"], row["extra_fields"]) for row in masked.collect()}
    assert kept == {str(place): (term, extra) for place, (*_, term, extra) in enumerate(cases)}
    assert reasons(raw) == {str(place): expected for place, (_, _, expected, *_) in enumerate(cases)}
    again = {place: ["empty_term"] if kept[place][0] == "" else expected for place, expected in reasons(raw).items()}
    assert reasons(masked) == again
    # Where any value tells a search but an empty one.
    told = silver.masked(raw.where("delivery_id in ('0', '3')"), None, [Reading(only_column="event")])
    assert {row["delivery_id"]: row["extra_fields"]["event"] for row in told.collect()} == {"0": EMAIL, "3": None}


def test_what_is_kept_is_as_it_was_typed(house: Lakehouse) -> None:
    raw = house.spark.createDataFrame(
        [("1", "3", "2024", None, "Anna@example.com", None, {"page": "/"}, None, "d", "", "", NOW)],
        RAW_SEARCH_TERMS.schema,
    )

    records = silver.classified(raw, NOW.date(), personal=Personal("keep"))

    assert judged(records) == [([], "Anna@example.com", "anna@example.com", {"page": "/"}, None)]


def held(house: Lakehouse) -> set[str]:
    """The tables in which a secret stands, read without Spark."""
    assert house.root is not None
    tables = {path.name: f"{path.parent.name}/{path.name}" for path in house.root.glob("search_*/*")}
    texts = {name: str(rows(house.root, table)).lower() for name, table in tables.items()}
    return {name for name, text in texts.items() if any(secret in text for secret in SECRETS)}


def test_an_export_whose_personal_data_silver_does_not_hold_is_noticed_when_it_comes_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    house, source = Lakehouse(spark, tmp_path, tmp_path / "_staging", reader=reader(tmp_path)), tmp_path / "in"
    source.mkdir()
    for day, policy in ((1, "mask"), (2, "reject")):
        searches = "".join(f"{day},3,2024,{term}\n" for term in ("hat", "anna@example.com", *["boots"] * 20))
        (source / f"{policy}.csv").write_text(f"day,month,year,searchterm\n{searches}", encoding="utf-8")
        ingest(house, IngestParameters(source), NOW)
        clean(house, CleanParameters(personal=Personal(policy)), NOW)
        (tmp_path / f"{policy}.csv").write_text(f"day,month,year,searchterm\n{searches}\n", encoding="utf-8")
        other = searches.replace("hat", "cap")
        (tmp_path / f"{policy}_2.csv").write_text(f"day,month,year,searchterm\n{other}", encoding="utf-8")
    for path in tmp_path.glob("*.csv"):
        path.rename(source / f"again {path.name}")

    ingest(house, IngestParameters(source), NOW)

    warnings = {Path(row["source_file"]).name: row["warning"] for row in rows(tmp_path, "search_bronze/deliveries")}
    assert {name: str(text).partition(" as many searches as in ")[0] for name, text in warnings.items() if text} == {
        "again mask.csv": "1 day has", "again reject.csv": "1 day has"
    }  # fmt: skip
