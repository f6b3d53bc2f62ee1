"""Linear regression on plain columns with Spark ML: training, cross-validation, comparison of two trainings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from search_forecast.errors import DataError, counted
from search_forecast.parameters import RegressionParameters

LEAVE_ONE_OUT_ROWS = 20
FOLDS = 5
LEAST_ROWS = 3
# A model that learnt nothing predicts the mean, give or take the last digits.
_CLEARLY_BETTER = 1 - 1e-9


@dataclass(frozen=True)
class Fold:
    """A model, rows to measure it on, and the mean label of the rows that it was trained on."""

    model: PipelineModel
    rows: DataFrame
    mean: float


@dataclass(frozen=True)
class Trained:
    """A trained pipeline and what is known about it."""

    model: PipelineModel
    coefficients: tuple[float, ...]
    intercept: float
    row_count: int
    ranges: Mapping[str, tuple[float, float]]
    metrics: Mapping[str, float]

    @property
    def gate(self) -> tuple[bool, str]:
        """Whether it predicts rows it has not seen better than their mean does, and the two errors."""
        own, baseline = self.metrics["cv_rmse"], self.metrics["cv_baseline_rmse"]
        passed = own < baseline * _CLEARLY_BETTER
        sign = "<" if passed else ">="
        return passed, f"cross-validated RMSE {own:.6g} {sign} {baseline:.6g}, that of predicting the mean"


def features_column(names: Sequence[str]) -> str:
    """A name for the assembled vector: `features`, unless an input is called that."""
    name = "features"
    while name in names:
        name += "_vector"
    return name


def pipeline(parameters: RegressionParameters) -> Pipeline:
    """The untrained pipeline: plain columns into a vector, the vector into the regression."""
    vector = features_column((*parameters.features, parameters.label))
    assembler = VectorAssembler(inputCols=list(parameters.features), outputCol=vector)
    estimator = LinearRegression(
        featuresCol=vector,
        labelCol=parameters.label,
        regParam=parameters.reg_param,
        elasticNetParam=parameters.elastic_net_param,
        maxIter=parameters.max_iter,
        tol=parameters.tol,
        fitIntercept=parameters.fit_intercept,
        standardization=parameters.standardization,
    )
    return Pipeline(stages=[assembler, estimator])


def train(table: DataFrame, parameters: RegressionParameters) -> Trained:
    """Train on all rows, and measure on rows left out.

    With up to 20 rows each row is left out once (leave-one-out); with more, each fifth of the rows, told apart by a
    hash of their values and the seed. `cv_baseline_rmse` is the error of predicting the mean of the rows left in.

    Args:
        table: holds the features and the label as numbers.
        parameters: what to train.

    Raises:
        DataError: a column is missing or no number, holds nulls or NaN, or there are too few rows.
    """
    rows = checked(table, parameters)
    columns = (*parameters.features, parameters.label)
    summary = rows.agg(
        F.count("*").alias("row_count"),
        F.avg(parameters.label).alias("label_mean"),
        *(F.min(name).alias(f"min_{i}") for i, name in enumerate(columns)),
        *(F.max(name).alias(f"max_{i}") for i, name in enumerate(columns)),
        *(F.sum(F.when(_is_unusable(F.col(name)), 1).otherwise(0)).alias(f"bad_{i}") for i, name in enumerate(columns)),
    ).collect()[0]
    bad = {name: summary[f"bad_{i}"] for i, name in enumerate(columns) if summary[f"bad_{i}"]}
    if bad:
        counts = ", ".join(f"{name} in {count}" for name, count in bad.items())
        raise DataError(f"train-regression: rows of {parameters.table} have a null, NaN or infinite value: {counts}")
    row_count = int(summary["row_count"])
    if row_count < LEAST_ROWS:
        raise DataError(
            f"train-regression: {parameters.table} has {counted(row_count, 'row')}, needed are at least {LEAST_ROWS}"
        )
    model = pipeline(parameters).fit(rows)
    fitted: Any = model.stages[-1]
    folds = _folds(rows, row_count, parameters)
    metrics = {
        **_errors("training_", [Fold(model, rows, summary["label_mean"])], parameters),
        **_errors("cv_", folds, parameters),
        "cv_fold_count": float(len(folds)),
    }
    return Trained(
        model=model,
        coefficients=tuple(float(value) for value in fitted.coefficients.toArray()),
        intercept=float(fitted.intercept),
        row_count=row_count,
        ranges={name: (summary[f"min_{i}"], summary[f"max_{i}"]) for i, name in enumerate(parameters.features)},
        metrics=metrics,
    )


def checked(table: DataFrame, parameters: RegressionParameters) -> DataFrame:
    """The features and the label as doubles.

    Raises:
        DataError: a column is missing or no number.
    """
    types = {field.name: field.dataType for field in table.schema.fields}
    columns = (*parameters.features, parameters.label)
    for name in columns:
        if name not in types:
            raise DataError(f"train-regression: {parameters.table} has no column {name}; it has {', '.join(types)}")
        if not isinstance(types[name], T.NumericType):
            raise DataError(
                f"train-regression: column {name} of {parameters.table} is {types[name].simpleString()}, "
                f"expected a number"
            )
    return table.select(*(F.col(name).cast("double").alias(name) for name in columns))


def _is_unusable(value: Column) -> Column:
    return value.isNull() | F.isnan(value) | (F.abs(value) == math.inf)


def _folds(rows: DataFrame, row_count: int, parameters: RegressionParameters) -> list[Fold]:
    """Models and the rows that each was not trained on; together all rows, each once."""
    estimator = pipeline(parameters)
    if row_count > LEAVE_ONE_OUT_ROWS:
        number = F.pmod(F.xxhash64(F.lit(parameters.seed), *rows.columns), F.lit(FOLDS))
        sums = rows.groupBy(number.alias("fold")).agg(F.sum(parameters.label).alias("sum"), F.count("*").alias("count"))
        by_fold = {row["fold"]: (row["sum"], row["count"]) for row in sums.collect()}
        others = {f: [by_fold[other] for other in by_fold if other != f] for f in sorted(by_fold)}
        if not all(others.values()):
            raise DataError(f"train-regression: all rows of {parameters.table} are the same: nothing to learn")
        means = {f: sum(total for total, _ in pairs) / sum(n for _, n in pairs) for f, pairs in others.items()}
        return [Fold(estimator.fit(rows.where(number != f)), rows.where(number == f), means[f]) for f in others]
    session = rows.sparkSession
    # A handful of rows: collected, so that the trainings don't read the table twenty times.
    values = sorted(tuple(row) for row in rows.collect())
    folds = []
    for position, value in enumerate(values):
        training = values[:position] + values[position + 1 :]
        mean = sum(row[-1] for row in training) / len(training)
        model = estimator.fit(session.createDataFrame(training, rows.schema))
        folds.append(Fold(model, session.createDataFrame([value], rows.schema), mean))
    return folds


def _errors(prefix: str, folds: Sequence[Fold], parameters: RegressionParameters) -> dict[str, float]:
    """RMSE and MAE over all folds together, and the RMSE of predicting each fold's mean."""
    label = F.col(parameters.label).alias("label")
    predicted = [
        fold.model.transform(fold.rows).select(label, "prediction", F.lit(fold.mean).alias("mean")) for fold in folds
    ]
    error, baseline_error = F.col("prediction") - F.col("label"), F.col("mean") - F.col("label")
    errors = reduce(DataFrame.unionByName, predicted).agg(
        F.sqrt(F.avg(error * error)).alias("rmse"),
        F.avg(F.abs(error)).alias("mae"),
        F.sqrt(F.avg(baseline_error * baseline_error)).alias("baseline_rmse"),
    )
    return {f"{prefix}{name}": float(value) for name, value in errors.collect()[0].asDict().items()}


def differences(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> dict[str, float]:
    """By how much two trainings' numbers differ, for those that differ at all."""
    return {
        name: abs(recorded[name] - repeated.get(name, math.nan))
        for name in recorded
        if recorded[name] != repeated.get(name)
    }
