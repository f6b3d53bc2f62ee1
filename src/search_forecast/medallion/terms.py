"""How a search term is normalised (lakehouse.normalisation says what that is), and what of it is personal data."""

from collections.abc import Callable, Iterable
from itertools import chain, pairwise
from unicodedata import category, combining

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.medallion.personal import PLACEHOLDERS, finder

_REMEMBERED, _SHORT = 2**14, 256
# Letters and signs of Europe, kana, and Latin letters as wide as those: first and last of each block.
_BLOCKS = (
    *((0xA0, 0x24F), (0x370, 0x52F), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x20A0, 0x20BF), (0x3000, 0x30FF)),
    (0xFF01, 0xFF5E),
)


def _simple_characters() -> dict[str, str]:
    """Characters outside ASCII that are normalised to one other, whatever stands beside them.

    But for those that become a digit or an `@`, which may be of personal data: Spark looks for those of ASCII.
    """
    normalise = normaliser()
    characters = chain(*(map(chr, range(first, last + 1)) for first, last in _BLOCKS))
    alone = (c for c in characters if category(c) != "Cn" and not combining(c) and len(c.lower()) == 1)
    normalised = ((c, normalise(f"a{c}a")[1:-1]) for c in alone)  # between letters, as spaces are trimmed
    return {c: text for c, text in normalised if len(text) == 1 and text not in "0123456789@"}


def _others(characters: Iterable[str]) -> str:
    """A regular expression for one character that is none of these, of which each engine makes the same."""
    surrogates = range(0xD800, 0xE000)  # no characters, nor written in a query
    codes = [-1, *sorted(chain(map(ord, characters), surrogates)), 0x110000]
    gaps = ((chr(before + 1), chr(after - 1)) for before, after in pairwise(codes) if after - before > 1)
    return f"[{''.join(f'{first}-{last}' for first, last in gaps)}]"


_SIMPLE = _simple_characters()
# What Spark's `lower` leaves to be done: what is of full width, the final sigma, the no-break space ...
_FOLDED = {c.lower(): text for c, text in _SIMPLE.items() if c.lower() != text}
# Beside those: two letters for one, and Chinese and Korean characters, which stay.
NOT_SIMPLE = _others(chain(_SIMPLE, "ßẞ", map(chr, chain(range(0x80), range(0x4E00, 0xA000), range(0xAC00, 0xD7A4)))))
_JUDGED = "coalesce(searchterm, malformed_record)"
# Whether Python must judge a raw record: as `is_simple` and `may_be_personal`, in SQL that DuckDB answers too.
NEEDS_PYTHON = (
    f"bit_length({_JUDGED}) <> 8 * char_length({_JUDGED}) and {_JUDGED} rlike '{NOT_SIMPLE}' "
    f"or contains({_JUDGED}, '@') or contains({_JUDGED}, '%40') "
    f"or char_length({_JUDGED}) - char_length(translate({_JUDGED}, '0123456789', '')) >= 7"
)
_ASCII_UNTIDY = r"[\x00-\x1F\x7F]|\A | {2}| \z"
_ASCII_SPACES = r"[\x09-\x0D\x1C-\x1F ]+"
_ASCII_CONTROLS = r"[\x00-\x08\x0E-\x1B\x7F]"


def is_ascii(text: Column) -> Column:
    """Whether a string holds ASCII only: then it has as many bytes as characters."""
    return F.octet_length(text) == F.char_length(text)


def is_simple(text: Column) -> Column:
    """Whether Spark normalises a string as Python does: ASCII, and what most languages are written with."""
    return is_ascii(text) | ~text.rlike(NOT_SIMPLE)


def collapse_spaces(text: Column) -> Column:
    """ASCII whitespace runs to one space, ends trimmed."""
    return F.trim(F.regexp_replace(text, _ASCII_SPACES, " "))


def normalise_simple(text: Column) -> Column:
    """The whole rule for simple text, of which each character is normalised for itself: no Python needed."""
    lowered = F.lower(text)
    one_by_one = F.translate(F.replace(lowered, F.lit("ß"), F.lit("ss")), "".join(_FOLDED), "".join(_FOLDED.values()))
    folded = F.when(is_ascii(lowered), lowered).otherwise(one_by_one)
    # Controls go before spaces collapse: "a \x00 b" has one run of spaces once its NUL is gone.
    tidied = collapse_spaces(F.regexp_replace(folded, _ASCII_CONTROLS, ""))
    # Most terms are tidy, and looking is cheaper than replacing.
    return F.when(folded.rlike(_ASCII_UNTIDY), tidied).otherwise(folded)


def with_normalised(records: DataFrame, text: str, name: str, *, are_simple: bool = False) -> DataFrame:
    """Add column `name` with column `text` normalised (null stays null).

    Simple rows and the others go separate ways: a Python function in a conditional would see every row, and in a
    separate branch it sees those that need it. Where all are simple there is no such branch, nor a process of Python.
    """
    if are_simple:
        return records.withColumn(name, normalise_simple(F.col(text)))
    simple = F.coalesce(is_simple(F.col(text)), F.lit(True))
    normalise = _normalise()
    simply = records.where(simple).withColumn(name, normalise_simple(F.col(text)))
    return simply.unionByName(records.where(~simple).withColumn(name, normalise(text)))


def with_placeholder(records: DataFrame, country: str | None = None, *, are_plain: bool = False) -> DataFrame:
    """Add to raw records the normalised `term`, and `placeholder` where it, or what could not be split, is personal.

    The records that need Python, for one or the other, go a way of their own: see `with_normalised`.

    Args:
        records: search_bronze.raw_search_terms.
        country: ISO 3166 code of the shop's telephone numbers; see personal.placeholder.
        are_plain: none of them needs Python; see NEEDS_PYTHON.
    """
    text, malformed = F.col("searchterm"), F.col("malformed_record")
    judged = F.coalesce(text, malformed)
    plainly = {"term": normalise_simple(text), "placeholder": F.when(judged.isin(*PLACEHOLDERS), judged)}
    if are_plain:
        return records.withColumns(plainly)
    is_plain = F.coalesce(is_simple(judged) & ~may_be_personal(judged), F.lit(True))
    plain = records.where(is_plain).withColumns(plainly)
    judge = F.udf(_judge(country), "term string, placeholder string", useArrow=False)  # as in _normalise
    others = records.where(~is_plain).withColumn("judged", judge(text, malformed))
    both = {name: F.col(f"judged.{name}") for name in ("term", "placeholder")}
    return plain.unionByName(others.withColumns(both).drop("judged"))


def may_be_personal(text: Column) -> Column:
    """Whether simple text has an `@` (`%40`) or at least seven digits, as all personal data; most has no digit."""
    return text.rlike("[0-9@]") & text.rlike("@|%40|[0-9](?:[^0-9]*+[0-9]){6}")


def _judge(country: str | None) -> Callable[[str | None, str | None], tuple[str | None, str | None]]:
    """A raw record's normalised term (null where the line could not be split) and its placeholder, if it has one."""
    normalise, find = normaliser(), finder(country)
    known: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}  # a worker's: most are seen again

    def judge(text: str | None, malformed: str | None) -> tuple[str | None, str | None]:
        result = known.get((text, malformed))
        if result is None:
            term = None if text is None else normalise(text)
            result = term, find(malformed if term is None else term)
            if len(known) == _REMEMBERED:
                known.clear()
            if malformed is None and len(text or "") <= _SHORT:
                known[text, malformed] = result
        return result

    return judge


def _normalise() -> Callable[[Column | str], Column]:
    # Made here, not at import: that would need a session on Spark Connect. Without Arrow, whose worker takes seconds to
    # start and gains little on so few rows.
    return F.udf(normaliser(), "string", useArrow=False)


def variant_rule(searched_as: Column, term: Column) -> Column:
    """What normalising changed: `exact`, `case`, `spacing`, `case_and_spacing` or `unicode` (anything else)."""
    spaced = collapse_spaces(searched_as)
    return (
        F.when(searched_as == term, "exact")
        .when(F.lower(searched_as) == term, "case")
        .when(spaced == term, "spacing")
        .when(F.lower(spaced) == term, "case_and_spacing")
        .otherwise("unicode")
    )
