"""What a command was asked to do, validated once."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from search_forecast.errors import UsageError, did_you_mean

DEMAND_MODEL = "search_demand"  # how the model that forecasts demand is called, unless `train` is given another name
REPORT = "report.html"  # the page's place in a lakehouse, unless `report` is given another
# The simplest first: of equally good ones the first is kept.
BASELINES = ("historic_mean", "window_average", "seasonal_naive", "naive")
CANDIDATES = (
    *(*BASELINES, "croston", "theta", "ets", "ces", "mstl", "median_of_candidates", "mean_of_candidates"),
    "shared_autoregression",
)

PERSONAL_POLICIES = ("keep", "mask", "reject")
_MAX_INT = 2**31 - 1  # Java's
_MAX_DAYS = 36_500  # a hundred years: no date is reckoned beyond what there is


def _check_between(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{what} is from {least:,} to {most:,}, got {value:,}")


def check_columns(command: str, names: Iterable[str]) -> None:
    """Raise UsageError for a column that Spark ML, which takes what follows a dot for a field, does not find."""
    for name in names:
        if "." in name or "`" in name:
            raise UsageError(
                f"{command}: {name}: Spark ML finds no column with a dot or a backtick in its name; give it another"
            )


def local_directory(path: Path) -> Path:
    r"""A directory of this machine, absolute; of `s3a://bucket/lake` a folder called `s3a:` would be made.

    Raises:
        UsageError: the path is an address; begins with `~`, as bash leaves `--lakehouse=~/lake`; or holds `%41` or a
            `\`, which delta-rs takes for `A` and for `/`, a control character, which it can't read, or a `?`, behind
            which MLflow's database would lie elsewhere.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path.as_posix()):
        raise UsageError(f"--lakehouse {path} is no directory of this machine; on Databricks, use --catalog")
    if path.parts[:1] == ("~",):
        raise UsageError(f"--lakehouse {path}: no shell put the home directory in the place of ~: say it in full")
    strange = re.search(r"%[0-9A-Fa-f]{2}|[\\?\x00-\x1f\x7f]", path.absolute().as_posix())
    if strange:
        what = f"{strange[0]!r} in a path is read as another character: call it otherwise"
        raise UsageError(f"--lakehouse {path}: {what}")
    return path.absolute()


@dataclass(frozen=True)
class IngestParameters:
    """Where deliveries lie, how they are laid out, and whether a rejected file fails the command.

    Attributes:
        source: A directory or one file.
        is_strict: Whether a rejected file is an error.
        layout: The name of the layout that all of them have.
        layouts: A directory with more layouts.
        time_zone: Of the shop: on which of its days a time lies, where the layout does not say it.
        processed: Where files go once they are taken in; None to leave them.
        is_verified: Whether to read every file again, also those whose size and times are those of the last time.
    """

    source: Path
    is_strict: bool = False
    layout: str | None = None
    layouts: Path | None = None
    time_zone: str = "UTC"
    processed: Path | None = None
    is_verified: bool = False

    def __post_init__(self) -> None:
        if not self.source.exists():
            raise UsageError(
                f"ingest: --source {self.source} does not exist; name a directory with exports of searches, or one file"
            )
        if self.layouts is not None and not self.layouts.is_dir():
            raise UsageError(f"ingest: --layouts {self.layouts} is no directory; name one with layouts (*.yml)")
        _check_zone("ingest", self.time_zone)
        if self.processed is not None and self.processed.resolve().is_relative_to(self.source.resolve()):
            inside = self.processed.resolve().relative_to(self.source.resolve()).parts
            if not any(name.startswith((".", "_")) for name in inside):
                raise UsageError(
                    f"ingest: --processed {self.processed} lies in --source, where its files would be read again; "
                    "name a directory elsewhere, or one that begins with an underscore"
                )


@dataclass(frozen=True)
class Personal:
    """What becomes of personal data in a search box.

    Attributes:
        policy: `keep` it; `mask` it, so that it counts as a search for a placeholder; `reject` the record, masked.
        country: ISO 3166 code of the shop, whose telephone numbers are known without `+` or `00` before them.
    """

    policy: str = "mask"
    country: str | None = None

    def __post_init__(self) -> None:
        if self.policy not in PERSONAL_POLICIES:
            raise UsageError(f"clean: --personal is keep, mask or reject, got {self.policy}")
        if self.country is not None:
            from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - most commands never ask

            if self.country not in SUPPORTED_REGIONS:
                raise UsageError(f"clean: --country {self.country} is none, such as CH or US")


KEEP_PERSONAL = Personal("keep")


@dataclass(frozen=True)
class CleanParameters:
    """How silver is made of bronze.

    Attributes:
        time_zone: Of the shop: what is today there is no day in the future.
        personal: What becomes of personal data.
        raw_retention_days: How long bronze keeps what is masked in silver; 0 masks it at once.
    """

    time_zone: str = "UTC"
    personal: Personal = field(default_factory=Personal)
    raw_retention_days: int = 30

    def __post_init__(self) -> None:
        _check_zone("clean", self.time_zone)
        _check_between("clean: --raw-retention-days", self.raw_retention_days, 0, _MAX_DAYS)

    def today(self, now: datetime) -> date:
        """The shop's day at that time."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


def is_time_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, TypeError, ZoneInfoNotFoundError):
        return False
    return True


def _check_zone(command: str, name: str) -> None:
    if not is_time_zone(name):
        raise UsageError(f"{command}: --time-zone {name} is none, such as Pacific/Auckland or UTC")


@dataclass(frozen=True)
class CorrectParameters:
    """What becomes of a delivery: withdrawn, replaced, or brought back.

    Attributes:
        delivery: The start of its delivery_id, or its file.
        why: The reason, for whoever asks later.
        replacement: The one file that counts in its place, and how it is read.
        is_restored: Whether it counts again; without either it counts no more.
        cleaning: How silver follows.
    """

    delivery: str
    why: str
    replacement: IngestParameters | None = None
    is_restored: bool = False
    cleaning: CleanParameters = field(default_factory=CleanParameters)

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise UsageError("correct: --why is empty; say why, it is kept with the delivery")


@dataclass(frozen=True)
class EraseParameters:
    """What must not be kept: a term, what a pattern finds, or a delivery.

    Attributes:
        why: The reason, for whoever asks later; kept, so it must not hold what is erased.
        term: As people type it.
        matching: A regular expression (Python's), searched for in normalised terms.
        delivery: The start of its delivery_id, or its file.
        cleaning: How silver follows.
    """

    why: str
    term: str | None = None
    matching: str | None = None
    delivery: str | None = None
    cleaning: CleanParameters = field(default_factory=CleanParameters)

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise UsageError("erase: --why is empty; say why, without what is erased: it is kept")
        if [self.term, self.matching, self.delivery].count(None) != 2:
            raise UsageError("erase: say --term T, --matching REGEX or --delivery D")
        try:
            is_all = self.matching is not None and re.search(self.matching, "") is not None
        except (re.error, OverflowError) as error:
            raise UsageError(f"erase: --matching {self.matching} is no regular expression: {error}") from error
        if is_all:
            raise UsageError(f"erase: --matching {self.matching} finds everything; say what a term must hold")


@dataclass(frozen=True)
class GenerateParameters:
    """How much synthetic input to write, how dirty, in which layout and container."""

    out: Path
    rows: int
    seed: int
    dirty_ratio: float
    layout: str | None = None
    container: str | None = None

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
        check_columns("train-regression", columns)
        if not 0 <= self.reg_param < math.inf:
            raise UsageError(f"train-regression: --reg-param must not be negative, got {self.reg_param}")
        if not 0 <= self.elastic_net_param <= 1:
            raise UsageError(f"train-regression: --elastic-net-param is from 0 to 1, got {self.elastic_net_param}")
        _check_between("train-regression: --seed", self.seed, -_MAX_INT, _MAX_INT)
        _check_between("train-regression: --max-iter", self.max_iter, 1, _MAX_INT)
        if not 0 < self.tol < math.inf:
            raise UsageError(f"train-regression: --tol must be positive, got {self.tol}")


@dataclass(frozen=True)
class ForecastParameters:
    """What is forecast and how it is tested; lengths are in periods (days, or weeks where `frequency` is `week`).

    Attributes:
        horizon: periods ahead.
        step: periods between the cutoffs of the backtest.
        windows: most cutoffs of the backtest; a short series has fewer.
        frequency: `day` or `week`.
        floor_count: a term with fewer searches in all of the history counts as `(other)`.
        history_periods: how far back the series reach.
        alpha: level of the test that a champion must pass.
        candidates: names of the candidates, in no order; the baselines are always among them.
        is_coherent: whether the terms' forecasts are made to add up to the total's.
    """

    horizon: int = 14
    step: int = 7
    windows: int = 6
    frequency: str = "day"
    floor_count: int = 50
    history_periods: int = 730
    alpha: float = 0.05
    candidates: tuple[str, ...] = CANDIDATES[len(BASELINES) :]
    is_coherent: bool = False

    def __post_init__(self) -> None:
        for name in self.candidates:
            if name not in CANDIDATES:
                raise UsageError(f"train: no candidate {name!r}{did_you_mean(name, CANDIDATES)}")
        _check_between("train: --horizon", self.horizon, 1, 366)
        _check_between("train: --step", self.step, 1, 366)
        _check_between("train: --windows", self.windows, 1, 366)
        _check_between("train: --floor", self.floor_count, 0, _MAX_INT)
        _check_between("train: --history", self.history_periods, 2, _MAX_DAYS)
        if self.frequency not in ("day", "week"):
            raise UsageError(f"train: --frequency is day or week, got {self.frequency}")
        if not 0 < self.alpha < 1:
            raise UsageError(f"train: --alpha is between 0 and 1, got {self.alpha}")

    @property
    def least_training(self) -> int:
        """Periods that must be known at the first cutoff: two weeks of days, and not less than is forecast."""
        return max(14, self.horizon)

    @property
    def tested_periods(self) -> int:
        """Periods at the end that the backtest's windows reach over."""
        return self.horizon + (self.windows - 1) * self.step


@dataclass(frozen=True)
class MonitorParameters:
    """When forecasts are bad enough, or demand different enough, to train again.

    Attributes:
        accuracy_windows: how many of the latest forecasts are looked at.
        worse_windows: how many of them must be bad.
        worse_by_ratio: how much larger than the mean's an error must be to count as worse, 0.05 for 5 %.
        least_coverage_ratio: share of counts inside the 95 % interval below which a forecast's interval is bad.
        drift_alpha: p-value below which chance does not explain a mix of terms.
        drift_psi: population stability index above which a change of the mix matters.
        cooldown_days: days after the last training data in which nothing is trained again.
    """

    accuracy_windows: int = 5
    worse_windows: int = 2
    worse_by_ratio: float = 0.05
    least_coverage_ratio: float = 0.8
    drift_alpha: float = 0.001
    drift_psi: float = 0.1
    cooldown_days: int = 3

    def __post_init__(self) -> None:
        _check_between("monitor: --accuracy-windows", self.accuracy_windows, 1, 366)
        if not 1 <= self.worse_windows <= self.accuracy_windows:
            raise UsageError(
                f"monitor: --worse-windows is from 1 to --accuracy-windows ({self.accuracy_windows}), "
                f"got {self.worse_windows}"
            )
        if not 0 <= self.worse_by_ratio < math.inf:
            raise UsageError(f"monitor: --worse-by-ratio must not be negative, got {self.worse_by_ratio}")
        if not 0 <= self.least_coverage_ratio <= 1:
            raise UsageError(f"monitor: --least-coverage-ratio is from 0 to 1, got {self.least_coverage_ratio}")
        if not 0 < self.drift_alpha < 1:
            raise UsageError(f"monitor: --drift-alpha is between 0 and 1, got {self.drift_alpha}")
        if not 0 <= self.drift_psi < math.inf:
            raise UsageError(f"monitor: --drift-psi must not be negative, got {self.drift_psi}")
        _check_between("monitor: --cooldown-days", self.cooldown_days, 0, _MAX_DAYS)


@dataclass(frozen=True)
class MaintainParameters:
    """What `maintain` keeps, and when it thinks a table worth compacting.

    Attributes:
        retention_days: days for which files that a table no longer uses are kept, for readers and time travel.
        least_files: files, small on average, from which on a table is compacted.
        only_aliased: whether only versions with an alias stay reproducible, not all that are registered.
    """

    retention_days: int = 30
    least_files: int = 8
    only_aliased: bool = False

    def __post_init__(self) -> None:
        # What reads or writes now, and aggregate, need files that a table has just stopped using.
        _check_between("maintain: --retention-days", self.retention_days, 7, _MAX_DAYS)
        _check_between("maintain: --least-files", self.least_files, 2, _MAX_INT)
