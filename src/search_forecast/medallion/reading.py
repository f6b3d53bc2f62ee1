"""What makes searches of a delivery's records; kept with the delivery, as its layout may change later."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Reading:
    """How day and count of a record are to be read, and which records are no searches.

    Attributes:
        formats: of the date's one column, tried in order; none where day, month and year are three columns.
        zone: of times without an offset.
        shop_zone: whose days are counted.
        has_count: whether a record stands for as many searches as its column `count` says, rather than for one.
        thousands: what may stand between groups of three digits of a count.
        decimal: what stands before its decimals.
        decimals: what becomes of decimals other than 0: `refuse`, `round` (half up) or `floor`.
        total_pattern: a regular expression that is found in lines that add up others.
        total_columns: where it is looked for: roles or extra fields, by default the term.
        only_column: a role or one of the extra fields; records are searches where it has one of `only_values`.
        only_values: none: where it isn't empty.
    """

    formats: tuple[str, ...] = ()
    zone: str = "UTC"
    shop_zone: str = "UTC"
    has_count: bool = False
    thousands: str = ""
    decimal: str = "."
    decimals: str = "refuse"
    total_pattern: str | None = None
    total_columns: tuple[str, ...] = ()
    only_column: str | None = None
    only_values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As it is kept: a JSON object of what differs from the defaults."""
        return json.dumps({key: value for key, value in asdict(self).items() if value != getattr(ORIGIN, key)})


ORIGIN = Reading()


def parse(text: str | None) -> Reading:
    """What `Reading.text` gave; None is of a delivery from before there were layouts."""
    known = {field.name for field in fields(Reading)}
    values: dict[str, Any] = {key: value for key, value in json.loads(text or "{}").items() if key in known}
    lists: dict[str, Any] = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Reading(**(values | lists))
