"""Records counted by the texts of their dates: so few rows that Spark tells the searches of each day in no time."""

import pyarrow as pa
import pyarrow.compute as pc

from search_forecast.medallion import quality, splitting
from search_forecast.medallion.reading import Reading

SCHEMA = pa.schema([*splitting.SCHEMA, ("record_count", pa.int64())])
_TEXTS = ["day", "month", "year", "date", "count"]
_TERM = "x"  # in place of any that is one


def counted(raw: pa.Table, reading: Reading) -> pa.Table:
    """Raw records that are searches if date and count are right, one for each date and count; the others as they are.

    Args:
        raw: as `splitting.raw_records` gives them.
        reading: what makes searches of them.

    Returns:
        The columns of SCHEMA; of the others `record_count` is 1.
    """
    is_usual = _is_usual(raw, reading)
    groups = raw.select(_TEXTS).filter(is_usual).group_by(_TEXTS).aggregate([([], "count_all")])
    terms = pa.array([_TERM] * len(groups), pa.string())
    columns = {name: groups[name] for name in _TEXTS} | {"searchterm": terms, "record_count": groups["count_all"]}
    nulls = (pa.nulls(len(groups), field.type) for field in SCHEMA)
    usual = pa.table([columns.get(field.name, null) for field, null in zip(SCHEMA, nulls, strict=True)], SCHEMA)
    others = raw.filter(pc.invert(is_usual))
    return pa.concat_tables([usual, others.append_column("record_count", pa.array([1] * len(others), pa.int64()))])


def _is_usual(raw: pa.Table, reading: Reading) -> pa.ChunkedArray:
    """Whether a record surely breaks no rule but, perhaps, those of date and count."""
    term, extra_texts = raw["searchterm"], pa.chunked_array([chunk.items for chunk in raw["extra_fields"].chunks])
    asks_more = reading.only_column is not None or reading.total_pattern is not None
    if asks_more or pc.any(pc.match_substring(extra_texts, quality.REPLACEMENT)).as_py():
        return pa.chunked_array([pa.array([False] * len(raw), pa.bool_())])
    has_letter = pc.match_substring_regex(term, r"[\pL\pN]")
    is_short = pc.less_equal(pc.binary_length(term), quality.MAX_TERM_LENGTH)
    is_broken = pc.match_substring(term, quality.REPLACEMENT)
    return pc.fill_null(pc.and_(pc.and_(has_letter, is_short), pc.invert(is_broken)), fill_value=False)
