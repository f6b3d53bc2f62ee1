"""How a search term is normalised (lakehouse.normalisation says what that is): rules from Column to Column."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse.normalisation import normaliser

_ASCII_UNTIDY = r"[\x00-\x1F\x7F]|\A | {2}| \z"
_ASCII_SPACES = r"[\x09-\x0D\x1C-\x1F ]+"
_ASCII_CONTROLS = r"[\x00-\x08\x0E-\x1B\x7F]"


def is_ascii(text: Column) -> Column:
    """Whether a string holds ASCII only: then it has as many bytes as characters."""
    return F.octet_length(text) == F.char_length(text)


def collapse_spaces(text: Column) -> Column:
    """ASCII whitespace runs to one space, ends trimmed."""
    return F.trim(F.regexp_replace(text, _ASCII_SPACES, " "))


def normalise_ascii(text: Column) -> Column:
    """The whole rule for ASCII text, where NFKC changes nothing and casefold is lower: no Python needed."""
    # Controls go before spaces collapse: "a \x00 b" has one run of spaces once its NUL is gone.
    tidied = collapse_spaces(F.regexp_replace(text, _ASCII_CONTROLS, ""))
    # Most terms are tidy, and looking is cheaper than replacing.
    return F.lower(F.when(text.rlike(_ASCII_UNTIDY), tidied).otherwise(text))


def with_normalised(records: DataFrame, text: str, name: str) -> DataFrame:
    """Add column `name` with column `text` normalised (null stays null).

    ASCII rows and the others go separate ways: a Python function in a conditional would see every row, and in a
    separate branch it sees those that need it.
    """
    is_plain = F.coalesce(is_ascii(F.col(text)), F.lit(True))
    # Made here, not at import: that would need a session on Spark Connect. Without Arrow, whose worker takes seconds to
    # start and gains little on so few rows.
    normalise = F.udf(normaliser(), "string", useArrow=False)
    plain = records.where(is_plain).withColumn(name, normalise_ascii(F.col(text)))
    return plain.unionByName(records.where(~is_plain).withColumn(name, normalise(text)))


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
