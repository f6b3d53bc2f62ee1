"""Which layout a delivered file has: the one that was named, the one its folder is called by, or the one that fits."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError, did_you_mean
from search_forecast.medallion import encodings, layouts, objects, records
from search_forecast.medallion.bronze import MissingColumnsError
from search_forecast.medallion.containers import Part
from search_forecast.medallion.layouts import ExportLayout

_FEW = 100  # records that tell the layout of most files
_ADVICE = "say --layout NAME, or deliver it into a folder of that name"


@dataclass(frozen=True)
class Choice:
    """The layouts there are, and what says which one a file has.

    Attributes:
        source: The directory (or file) that is delivered.
        name: The layout of all files, if it was said.
        time_zone: Of the shop, for layouts that don't say it.
        layouts: All of them, by name.
    """

    source: Path
    name: str | None = None
    time_zone: str = "UTC"
    layouts: Mapping[str, ExportLayout] = field(default_factory=layouts.load)

    def __post_init__(self) -> None:
        if self.name is not None and self.name not in self.layouts:
            raise UsageError(f"ingest: no layout {self.name}{did_you_mean(self.name, self.layouts)}")

    def known_name(self, layout: str | None) -> str:
        """What becomes of a file whose name is known and whose content is not: `reject`, `append` or `replace`."""
        return self.layouts[layout].known_name if layout else "reject"

    def of_text(self, part: Part, start: bytes) -> tuple[ExportLayout, str]:
        """The layout of a file of lines, and why.

        Args:
            part: The delivery.
            start: Its first bytes.

        Raises:
            DataError: none fits, or several do, or the one that does is of files that can't be taken.
        """

        def check(export: ExportLayout) -> None:
            records.read(io.BytesIO(start).read, export)

        try:
            return self._of(part, check)
        except DataError as error:
            raise DataError(f"{error}{encodings.suggestion(start)}") from error

    def of_objects(self, part: Part, first: Sequence[Mapping[str, Any]]) -> tuple[ExportLayout, str]:
        """The layout of a file of JSON objects or Parquet rows, by the first of them; likewise."""
        try:
            return self._of(part, lambda export: objects.check(first[:_FEW], export))
        except DataError:  # other events than searches may come first
            return self._of(part, lambda export: objects.check(first, export))

    def _of(self, part: Part, check: Any) -> tuple[ExportLayout, str]:
        named, why = self._named(part)
        if named is not None:
            if named.refuse is not None:
                raise DataError(f"{named.name}: {named.refuse}")
            check(named)
            return named, why
        fitting, problems = [], dict[str, DataError]()
        for export in self.layouts.values():
            if export.choose == "by_header":
                try:
                    check(export)
                    fitting.append(export)
                except DataError as error:
                    problems[export.name] = error
        taken = [export for export in fitting if export.refuse is None]
        if len(taken) == 1:
            return taken[0], "its columns fit no other"
        if taken:
            names = ", ".join(export.name for export in taken)
            raise DataError(f"its columns fit several layouts, {names}; {_ADVICE}")
        if fitting:
            raise DataError(f"{fitting[0].name}: {fitting[0].refuse}")
        raise _nearest(problems)

    def _named(self, part: Part) -> tuple[ExportLayout | None, str]:
        if self.name is not None:
            return self.layouts[self.name], "--layout says so"
        source = self.source.absolute()
        is_below = source.is_dir() and part.path.is_relative_to(source)
        folders = part.path.parent.relative_to(source).parts if is_below else ()
        for folder in reversed(folders):
            if folder in self.layouts:
                return self.layouts[folder], f"it lies in a folder {folder}"
        return None, ""


def _nearest(problems: dict[str, DataError]) -> DataError:
    """What to say where no layout fits: what the nearest one lacks, the origin's where others are no nearer."""
    name = layouts.origin().name if layouts.origin().name in problems else next(iter(problems))
    nearest = origin = problems[name]
    if not isinstance(nearest, MissingColumnsError):
        return nearest
    for other, problem in problems.items():
        if isinstance(problem, MissingColumnsError) and problem.share > nearest.share:
            nearest, name = problem, other
    return nearest if nearest is origin else DataError(f"{nearest} (layout {name}, the nearest of {len(problems)})")
