"""How the exports of other systems are laid out: layouts/*.yml, one a file, and what may stand in one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

import search_forecast
from search_forecast.errors import UsageError, did_you_mean
from search_forecast.medallion import bronze
from search_forecast.medallion.dates import checked_format, checked_zone
from search_forecast.medallion.reading import Reading

DIRECTORY = "_layouts"  # below the landing directory: more of them
_ENDINGS = (".yml", ".yaml")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("expected an encoding that Python knows, such as utf-8, utf-16, cp1252, latin-1") from None
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None
    return text


Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
Encoding = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_encoding)]  # 1252 is a number to YAML
Pattern = Annotated[str, AfterValidator(_pattern)]
Zone = Annotated[str, BeforeValidator(checked_zone)]
Format = Annotated[str, AfterValidator(checked_format)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern=r'[^" \r\n]')]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DateRule(_Part):
    """Where the day of a search stands: in three columns, or in one with formats."""

    day: Names | None = None
    month: Names | None = None
    year: Names | None = None
    column: Names | None = None
    formats: list[Format] = []
    zone: Zone = "UTC"
    shop_zone: Zone | None = None

    @model_validator(mode="after")
    def _is_one_way(self) -> "DateRule":
        parts = (self.day, self.month, self.year)
        if (self.column is None) == (None in parts) or (self.column is not None and any(parts)):
            raise ValueError("expected day, month and year, or column with formats")
        if (self.column is None) != (not self.formats):
            raise ValueError("expected formats beside column, such as [YYYY-MM-DD]")
        return self

    @property
    def fields(self) -> dict[str, list[str]]:
        """The names that each of its columns may have, by role."""
        if self.column is not None:
            return {"date": self.column}
        return {"day": self.day or [], "month": self.month or [], "year": self.year or []}


class CountRule(_Part):
    """How many searches a record stands for."""

    column: Names
    thousands: Literal["", ",", ".", " ", "'"] = ""
    decimal: Literal[".", ","] = "."
    decimals: Literal["refuse", "round", "floor"] = "refuse"

    @model_validator(mode="after")
    def _are_two(self) -> "CountRule":
        if self.thousands == self.decimal:
            raise ValueError("expected thousands and decimal (. unless said) to differ")
        return self


class TotalsRule(_Part):
    """Lines that add up others."""

    pattern: Pattern
    columns: Annotated[list[str], BeforeValidator(_as_list)] = []


class OnlyRule(_Part):
    """Which records are searches, where a file holds other events too; without `equals`, those where it isn't empty."""

    column: str
    equals: Annotated[list[str], BeforeValidator(_as_list)] = []


class ExportLayout(_Part):
    """One file of layouts/; docs/bring-your-own-export.md says what each key means."""

    name: str = ""
    description: str
    documentation: list[str] = []
    term: Names
    date: DateRule | None = None
    count: CountRule | None = None
    delimiters: Annotated[list[Delimiter], BeforeValidator(_as_list), Field(min_length=1)] = list(bronze.DELIMITERS)
    quoting: Literal["standard", "backslash", "none"] = "standard"
    encoding: Encoding = "utf-8"
    skip_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    comment: Annotated[str, Field(min_length=1)] | None = None
    columns: list[str] | None = None
    needs: list[str] = []
    totals: TotalsRule | None = None
    only: OnlyRule | None = None
    choose: Literal["by_header", "by_name"] = "by_header"
    known_name: Literal["reject", "append", "replace"] = "reject"
    refuse: str | None = None

    @model_validator(mode="after")
    def _has_a_day(self) -> "ExportLayout":
        if self.date is None and self.refuse is None:
            raise ValueError("expected date, or refuse with the reason why such a file has no day")
        if self.refuse is not None and not self.needs:
            raise ValueError("expected needs beside refuse: the columns by which such a file is known")
        if self.columns is not None:
            present = {bronze.standard_name(name) for name in self.columns}
            missing = [
                names[0] for names in self.fields.values() if not present & set(map(bronze.standard_name, names))
            ]
            if missing:
                raise ValueError(f"expected columns to name {', '.join(missing)}")
        return self

    @property
    def fields(self) -> dict[str, list[str]]:
        """The names that the column of each role may have."""
        date = self.date.fields if self.date else {}
        return date | {"searchterm": self.term} | ({"count": self.count.column} if self.count else {})

    def reading(self, time_zone: str, columns: Sequence[str] = ()) -> Reading:
        """What makes searches of such a file's records.

        Args:
            time_zone: Of the shop, where the layout does not say it.
            columns: Of the file, which may spell them with other blanks or another case.
        """
        date, count = self.date or DateRule.model_construct(), self.count
        return Reading(
            formats=tuple(date.formats),
            zone=date.zone,
            shop_zone=date.shop_zone or time_zone,
            has_count=count is not None,
            thousands=count.thousands if count else "",
            decimal=count.decimal if count else ".",
            decimals=count.decimals if count else "refuse",
            total_pattern=self.totals.pattern if self.totals else None,
            total_columns=tuple(self._column(name, columns) for name in self.totals.columns) if self.totals else (),
            only_column=self._column(self.only.column, columns) if self.only else None,
            only_values=tuple(self.only.equals) if self.only else (),
        )

    def _column(self, name: str, columns: Sequence[str]) -> str:
        """A column by its role where it has one, else as the file spells it."""
        standard = bronze.standard_name(name)
        roles = [role for role, names in self.fields.items() if standard in map(bronze.standard_name, names)]
        spelled = [name] if name in columns else [each for each in columns if bronze.standard_name(each) == standard]
        return [*roles, *spelled, name][0]


def load(*directories: Path) -> dict[str, ExportLayout]:
    """The layouts that come with the project and those in more directories, by name; later ones replace earlier ones.

    Raises:
        UsageError: a file is no layout; the message names file and key and says what is allowed.
    """
    return {layout.name: layout for directory in (_own(), *directories) for layout in _in(directory)}


@cache
def origin() -> ExportLayout:
    """That of the files which this project began with: day, month, year, searchterm."""
    return read(_own() / "origin.yml")


def _own() -> Path:
    """Where those lie that come with the project: in the wheel beside the package's modules, or in a checkout."""
    package = Path(search_forecast.__file__).parent
    return package / "layouts" if (package / "layouts").is_dir() else package.parent.parent / "layouts"


def _in(directory: Path) -> Iterator[ExportLayout]:
    for path in sorted(directory.iterdir()):
        if path.suffix in _ENDINGS and not path.name.startswith("."):
            yield read(path)


def read(path: Path) -> ExportLayout:
    """One layout; its name is the file's.

    Raises:
        UsageError: it is none.
    """
    if not _NAME.fullmatch(path.stem):
        raise UsageError(f"{path}: a layout's file is called by small letters, digits, - and _, such as my_shop.yml")
    try:
        layout = _layout(path.stem, path.read_bytes())
    except ValidationError as error:
        raise UsageError(f"{path}: {_complaint(error)}") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # a date that is none is a ValueError
        raise UsageError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if layout is None:
        raise UsageError(f"{path}: expected keys with values, such as term: query")
    return layout


@lru_cache  # parsing takes longer than reading, and tasks of one process load the same files
def _layout(name: str, content: bytes) -> ExportLayout | None:
    """What a file holds; None where that is no mapping."""
    document = yaml.safe_load(content)
    return ExportLayout.model_validate({**document, "name": name}) if isinstance(document, Mapping) else None


def _complaint(error: ValidationError) -> str:
    """The first thing that is wrong with a layout, in one line; a misspelt key before what is missing therefore."""
    first = min(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    if first["type"] == "extra_forbidden":
        *above, name = key.split(".")
        return f"there is no key {key}{did_you_mean(name, _keys(above))}"
    message = first["msg"].removeprefix("Value error, ")
    message = message.replace("Field required", "is missing").replace("Input should be", "expected")
    value = f", got {first['input']!r}" if first["type"] not in ("missing", "value_error") else ""
    return f"{key or 'layout'}: {message[:1].lower()}{message[1:]}{value}"


def _keys(above: list[str]) -> list[str]:
    parts: dict[str, type[_Part]] = {"date": DateRule, "count": CountRule, "totals": TotalsRule, "only": OnlyRule}
    return list((parts.get(above[0], ExportLayout) if above else ExportLayout).model_fields)
