"""What a command was asked to do, validated once."""

import math
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


@dataclass(frozen=True)
class RegressionParameters:
    """What a linear regression is trained on, and Spark ML's own parameters with Spark's defaults but for these two.

    The regularisation of 0.1 and the 100 iterations are those of the exercise that this project comes from.
    """

    table: str
    features: tuple[str, ...]
    label: str
    reg_param: float = 0.1
    elastic_net_param: float = 0.0
    max_iter: int = 100
    tol: float = 1e-6
    fit_intercept: bool = True
    standardization: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        columns = (*self.features, self.label)
        if not self.features or not all(columns):
            raise UsageError("train-regression: --features and --label need a column name each")
        if len(set(columns)) < len(columns):
            raise UsageError(f"train-regression: a column is named twice in {', '.join(columns)}")
        if not 0 <= self.reg_param < math.inf:
            raise UsageError(f"train-regression: --reg-param must not be negative, got {self.reg_param}")
        if not 0 <= self.elastic_net_param <= 1:
            raise UsageError(f"train-regression: --elastic-net-param is from 0 to 1, got {self.elastic_net_param}")
        if self.max_iter < 1 or not 0 < self.tol < math.inf:
            raise UsageError(
                f"train-regression: --max-iter and --tol must be positive, got {self.max_iter}, {self.tol}"
            )
