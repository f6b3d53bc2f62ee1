from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from chispa import assert_column_equality
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from search_forecast.medallion import terms
from search_forecast.queries import translation
from support.reference import normalise

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TERMS = [
    # ASCII
    (None, None),
    ("", ""),
    (" ", ""),
    ("a", "a"),
    ("gaming laptop", "gaming laptop"),
    ("Gaming LAPTOP", "gaming laptop"),
    ("  gaming \t\v\f\r\n laptop\n", "gaming laptop"),
    ("gaming\x1claptop\x1d\x1e\x1f14", "gaming laptop 14"),
    ("lap\x00top\x7f", "laptop"),
    ("a \x00 b", "a b"),
    ("\x00\x08\x0e\x1b\x7f", ""),
    ('55" tv, 4k; 100%_\\d+$1', '55" tv, 4k; 100%_\\d+$1'),
    # other white space: NEL, no-break, Ogham, line and paragraph separators, narrow, mathematical, ideographic
    ("tv\u0085set", "tv set"),
    ("\u00a0a\u00a0\u00a0b\u00a0", "a b"),
    ("a\u1680b\u2028c\u2029d\u202fe\u205ff\u3000g", "a b c d e f g"),
    ("\u2003\u3000 ", ""),
    # control and format characters: C1, soft hyphen, zero-width space and joiners, BOM, direction marks
    ("a\u0080b\u009fc", "abc"),
    ("lap\u00adtop", "laptop"),
    ("a\u200bb\u200cc\u200dd\u2060e\ufefff", "abcdef"),
    ("\u200e\u202alaptop\u202c", "laptop"),
    ("a\u200b \u200bb", "a b"),
    ("\u200b", ""),
    ("👩\u200d💻 stickers", "👩💻 stickers"),
    # compatibility forms and accents
    ("ﬁlter ﬀ", "filter ff"),
    ("ＬＡＰＴＯＰ　１４", "laptop 14"),
    ("Cafe\u0301", "caf\u00e9"),
    ("CAFÉ", "café"),
    ("m² ½ ™", "m2 1\u20442 tm"),
    ("\u00b4", "\u0301"),
    ("\u212a\u017f", "ks"),
    # letter case
    ("Straße", "strasse"),
    ("STRAẞE", "strasse"),
    ("ÀÉÎÕÜ Łódź ČEŠTINA żółć", "àéîõü łódź čeština żółć"),
    ("Ёлка ЇЖА Ҕ", "ёлка їжа ҕ"),
    ("“l’été” – 10 €", "“l’été” – 10 €"),
    ("ßıſ ", "ssıs"),
    ("ΟΔΟΣ οδός", "οδοσ οδόσ"),
    ("İstanbul", "i\u0307stanbul"),
    ("Iı", "iı"),
    ("ŉ ǰ", "\u02bcn ǰ"),
    # what stays
    ("\ufffd", "\ufffd"),
    ("💻❤\ufe0f", "💻❤\ufe0f"),
    ("笔记本电脑", "笔记本电脑"),
]
ODD_CHARACTERS = [
    chr(code)
    for code in range(0x110000)
    if code < 0x80 or unicodedata.category(chr(code)) in {"Cc", "Cf", "Zs", "Zl", "Zp"}
]
VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Cf"])
TEXTS = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=12)
    | st.text(st.characters(max_codepoint=127), max_size=12)
    | st.text(
        st.sampled_from("aAßẞİıſﬁΣς´\u0345\u0301\u0307½ﷺ한ᄒ \t\x00\x1f\u0085\u00a0\u00ad\u200d\u2028"), max_size=12
    ),
    min_size=1,
    max_size=60,
)
in_batches = settings(max_examples=8, deadline=None)  # an example is a Spark action


def normalised(spark: SparkSession, texts: list[str]) -> list[str]:
    """What `with_normalised` makes of each text, in order: one Spark action."""
    numbered = spark.createDataFrame(list(enumerate(texts)), "id long, text string")
    return [row["term"] for row in sorted(terms.with_normalised(numbered, "text", "term").collect())]


def texts_of(spark: SparkSession, texts: list[str | None]) -> DataFrame:
    return spark.createDataFrame([(text,) for text in texts], "text string")


@pytest.fixture
def seen_by_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """Replaces the Python function by one that writes down what it is given."""
    log = tmp_path / "seen.txt"
    log_name = str(log)

    def spy() -> Callable[[str], str]:
        def note(text: str) -> str:
            with open(log_name, "a", encoding="utf-8") as file:
                file.write(f"{text}\n")
            return text

        return note

    monkeypatch.setattr(terms, "normaliser", spy)
    return lambda: log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_a_term_is_normalised_whatever_it_is_made_of(spark: SparkSession) -> None:
    expected = spark.createDataFrame(TERMS, "searchterm string, expected string")

    actual = terms.with_normalised(expected, "searchterm", "term")

    assert_column_equality(actual, "term", "expected")


def test_the_table_of_terms_agrees_with_the_reference() -> None:
    texts = [(text, term) for text, term in TERMS if text is not None]

    assert [(text, normalise(text)) for text, _ in texts] == texts


def test_normalising_loses_no_row_and_no_column(spark: SparkSession) -> None:
    records = spark.createDataFrame([(1, "A"), (1, "A"), (2, "É"), (3, None)], "id int, text string")

    actual = terms.with_normalised(records, "text", "term")

    assert actual.columns == ["id", "text", "term"]
    assert sorted(map(tuple, actual.collect())) == [(1, "A", "a"), (1, "A", "a"), (2, "É", "é"), (3, None, None)]


def test_every_odd_character_is_treated_like_the_reference_says(spark: SparkSession) -> None:
    texts = [pattern.format(c) for c in ODD_CHARACTERS for pattern in ("{0}", "a{0}b", "{0}a {0} b{0}")]

    assert normalised(spark, texts) == [normalise(text) for text in texts]


def test_the_simple_rule_treats_every_ascii_character_like_the_reference_says(spark: SparkSession) -> None:
    texts = [pattern.format(chr(code)) for code in range(128) for pattern in ("{0}", "A{0}b", "{0}a {0} B{0}")]
    rows = spark.createDataFrame([(text, normalise(text)) for text in texts], "text string, expected string")

    assert_column_equality(rows.withColumn("term", terms.normalise_simple(F.col("text"))), "term", "expected")


def test_ascii_ends_at_127(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("", True), ("\x00\x7f", True), ("a\x80", False), ("é", False), ("💻", False), (None, None)],
        "text string, expected boolean",
    )

    assert_column_equality(rows.withColumn("is_ascii", terms.is_ascii(F.col("text"))), "is_ascii", "expected")


def test_what_is_simple_is_so_beside_any_other_simple_character() -> None:
    """No character of those joins the one before it, and each is normalised for itself."""
    joined = {pair[1] for code in range(0x110000) if len(pair := unicodedata.normalize("NFD", chr(code))) == 2}
    simple = [
        chr(c) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000 and not re.match(terms.NOT_SIMPLE, chr(c))
    ]

    assert {"é", "ß", "ẞ", "Σ", "ς", "Ж", "Ａ", "€", "\xa0", "書", "한"} <= set(simple)
    assert not joined & set(simple)
    assert not {"İ", "²", "９", "＠", "…", "\xad", "\u0301", "\ufffd", "ﬁ"} & set(simple)
    assert [normalise(f"a{c}a") for c in simple] == [normalise(f"a{c.lower()}a") for c in simple]


def test_every_simple_character_is_treated_like_the_reference_says(spark: SparkSession) -> None:
    codes = [*range(0x80, 0x530), *range(0x1E00, 0x1F00), *range(0x2000, 0x20C0), *range(0x3000, 0x3100)]
    codes += [*range(0xFF00, 0xFF70), 0x4E00, 0x9FFF, 0xAC00, 0xD7A3]
    texts = ["{0} A{0}b{0} Σ{0} {0}É".format(chr(code)) for code in codes]
    rows = texts_of(spark, texts).where(terms.is_simple(F.col("text")))

    actual = rows.withColumn("term", terms.normalise_simple(F.col("text"))).collect()

    assert len(actual) > 1400
    assert [row["term"] for row in actual] == [normalise(row["text"]) for row in actual]


@in_batches
@example(["e\u200d\u0301", "\u1112\u200d\u1161", "a\x00\u0301"])
@given(TEXTS)
def test_any_text_is_normalised_like_the_reference_says(spark: SparkSession, texts: list[str]) -> None:
    assert normalised(spark, texts) == [normalise(text) for text in texts]


@given(TEXTS)
def test_the_python_rule_agrees_with_the_reference(texts: list[str]) -> None:
    assert list(map(terms.normaliser(), texts)) == list(map(normalise, texts))


@given(st.text(VISIBLE))
def test_normalising_visible_text_twice_is_normalising_it_once(text: str) -> None:
    once = terms.normaliser()(text)

    assert terms.normaliser()(once) == once


def test_a_term_has_no_space_at_its_ends_and_no_two_in_a_row(spark: SparkSession) -> None:
    spaces = [c for c in ODD_CHARACTERS if c.isspace()]

    found = normalised(spark, [f"{one}{two}a{one}{two}b{one}{two}" for one in spaces for two in spaces])

    assert found == ["a b"] * len(spaces) ** 2


def test_python_sees_only_the_texts_that_are_not_simple(
    spark: SparkSession, seen_by_python: Callable[[], list[str]]
) -> None:
    texts = texts_of(spark, ["plain", None, "Cafe\u0301", "", "\x7f", "naïve", "½", "Plain"])

    terms.with_normalised(texts, "text", "term").collect()

    assert sorted(seen_by_python()) == ["Cafe\u0301", "½"]


def test_python_is_not_called_where_all_is_simple(spark: SparkSession, seen_by_python: Callable[[], list[str]]) -> None:
    texts = texts_of(spark, ["plain", None, "É", "\x00"] * 50)

    rows = terms.with_normalised(texts, "text", "term").collect()

    assert len(rows) == 200
    assert seen_by_python() == []


def test_only_one_branch_of_the_plan_evaluates_python(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    texts = spark.range(9).select(F.concat(F.lit("Term "), F.col("id").cast("string")).alias("text"))

    terms.with_normalised(texts, "text", "term").explain()

    plan = capsys.readouterr().out
    branches = re.split(r"^[:+]- ", plan.partition("Union")[2], flags=re.MULTILINE)[1:]
    assert ["EvalPython" in branch for branch in branches] == [False, True], plan
    assert ["Filter (NOT (octet_length" in branch for branch in branches] == [False, True], plan


def test_sql_tells_what_needs_python_as_columns_do(spark: SparkSession) -> None:
    texts = [
        "",
        "plain",
        "Café",
        "Cafe\u0301",
        "９",
        "a@b",
        "tel 12345 6",
        "tel 12345 67",
        "1.2.3.4.5.6.7",
        "\ufffd",
        "x" * 300,
        None,
    ]
    schema = "searchterm string, malformed_record string"
    records = spark.createDataFrame([(text, None) for text in texts] + [(None, text) for text in texts], schema)
    text = F.coalesce("searchterm", "malformed_record")
    needs_python = F.coalesce(~terms.is_simple(text) | terms.may_be_personal(text), F.lit(False))

    counted = records.where(needs_python).collect()

    assert len(counted) == 12
    assert records.where(terms.NEEDS_PYTHON).collect() == counted
    asked = translation.duckdb_sql(f"select * from records where {terms.NEEDS_PYTHON}", {})
    with duckdb.connect() as database:
        database.register("records", records.toArrow())
        assert database.sql(asked).fetchall() == [tuple(row) for row in counted]


def test_the_rule_of_a_variant_says_what_was_changed(spark: SparkSession) -> None:
    variants = spark.createDataFrame(
        [
            ("laptop", "laptop", "exact"),
            ("café", "café", "exact"),
            ("LapTop", "laptop", "case"),
            ("CAFÉ", "café", "case"),
            (" laptop", "laptop", "spacing"),
            ("gaming  laptop", "gaming laptop", "spacing"),
            ("gaming\tlaptop\x1f", "gaming laptop", "spacing"),
            ("Gaming  laptop", "gaming laptop", "case_and_spacing"),
            (" CAFÉ\tau  lait", "café au lait", "case_and_spacing"),
            ("lap\x00top", "laptop", "unicode"),
            ("lap\u200btop", "laptop", "unicode"),
            ("gaming\u00a0laptop", "gaming laptop", "unicode"),
            ("Cafe\u0301", "café", "unicode"),
            ("ﬁlter", "filter", "unicode"),
            ("ＬＡＰＴＯＰ", "laptop", "unicode"),
            ("Straße", "strasse", "unicode"),
        ],
        "searched_as string, term string, expected string",
    )

    actual = variants.withColumn("rule", terms.variant_rule(F.col("searched_as"), F.col("term")))

    assert_column_equality(actual, "rule", "expected")
