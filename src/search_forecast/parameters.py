"""What a command was asked to do, validated once."""

from dataclasses import dataclass
from pathlib import Path

from search_forecast.errors import UsageError


@dataclass(frozen=True)
class IngestParameters:
    """Where deliveries lie, and whether a rejected file fails the command."""

    source: Path
    is_strict: bool = False

    def __post_init__(self) -> None:
        if not self.source.exists():
            raise UsageError(
                f"ingest: --source {self.source} does not exist; name a directory with .csv or .csv.gz files"
            )


@dataclass(frozen=True)
class GenerateParameters:
    """How much synthetic input to write, and how dirty."""

    out: Path
    rows: int
    seed: int
    dirty_ratio: float

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UsageError(f"generate: --rows must be at least 1, got {self.rows}")
        if not 0 <= self.dirty_ratio <= 1:
            raise UsageError(f"generate: --dirty is a share from 0 to 1, got {self.dirty_ratio}")
        if self.seed < 0:
            raise UsageError(f"generate: --seed must not be negative, got {self.seed}")
