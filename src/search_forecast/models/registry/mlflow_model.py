"""A directory with a model's files becomes an MLflow model, with its record beside it."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast.lakehouse.contracts import TOTAL
from search_forecast.models import provenance

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param
    from mlflow.models import Model

RECORD = "search_forecast.json"
SPARK_FILES, FORECAST_FILES = "sparkml", "forecast"
_FORECAST_CODE = "search_demand_model"


def describe(directory: Path, inputs: Mapping[str, str], record: Mapping[str, Any], spark_class: str) -> dict[str, Any]:
    """Make a directory that holds a Spark ML model in `sparkml` an MLflow model, and put its record beside it.

    MLflow's own `spark.log_model` would move the files through the JVM, which Spark Connect does not have.

    Returns:
        The record, with the manifest of the model's files.
    """
    import pyspark  # noqa: PLC0415
    from mlflow import pyfunc  # noqa: PLC0415
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    kinds = {"bigint": "long", "int": "integer", "smallint": "integer", "tinyint": "integer"}
    signature = ModelSignature(
        inputs=Schema([ColSpec(kinds.get(kind, kind), name) for name, kind in inputs.items()]),
        outputs=Schema([ColSpec("double", "prediction")]),
    )
    model = Model(signature=signature, metadata={"spark_ml_class": spark_class})
    model.add_flavor(
        "spark", pyspark_version=pyspark.__version__, model_data=SPARK_FILES, code=None,
        model_class="pyspark.ml.pipeline.PipelineModel",
    )  # fmt: skip
    pyfunc.add_to_model(model, loader_module="mlflow.spark", data=SPARK_FILES)
    return _saved(directory, model, SPARK_FILES, record, pyspark=pyspark.__version__)


def describe_forecasts(directory: Path, code: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Make a directory that holds forecasts in `forecast` an MLflow model that loads without Spark.

    Args:
        directory: of the model.
        code: the Python file that loads and serves them; a copy goes into the model.
        record: what is known about it.

    Returns:
        The record, with the manifest of the model's files.
    """
    from mlflow import pyfunc  # noqa: PLC0415
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema  # noqa: PLC0415

    (directory / "code").mkdir()
    shutil.copyfile(code, directory / "code" / f"{_FORECAST_CODE}.py")
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", "term"), ColSpec("long", "horizon")]),
        outputs=Schema(
            [ColSpec("datetime", "target_date"), *(ColSpec("double", name) for name in ("forecast", "lower", "upper"))]
        ),
        params=ParamSchema([ParamSpec("interval_level", "double", 0.95)]),
    )
    model = Model(signature=signature, saved_input_example_info=_input_example(directory))
    pyfunc.add_to_model(model, loader_module=_FORECAST_CODE, data=FORECAST_FILES, code="code")
    packages = {name: record["versions"].get(name) for name in ("pandas", "pyarrow")}
    return _saved(directory, model, FORECAST_FILES, record, **packages)


def _input_example(directory: Path) -> dict[str, Any]:
    """Write what to ask a model of forecasts, as MLflow and its server read it; returns how MLmodel names it."""
    example = {"columns": ["term", "horizon"], "data": [[TOTAL, 1]]}
    for name, content in (
        ("input_example.json", example),
        ("serving_input_example.json", {"dataframe_split": example}),
    ):
        (directory / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
    return {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }


def _saved(
    directory: Path, model: "Model", files: str, record: Mapping[str, Any], **packages: str | None
) -> dict[str, Any]:
    """Write what MLflow reads beside a model's files, the packages that these need, and the record."""
    pinned = {"mlflow": record["versions"].get("mlflow-skinny"), **packages}
    lines = [f"{name}=={version}\n" for name, version in pinned.items() if version]
    (directory / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    model.save(str(directory / "MLmodel"))
    described = {**record, "files_directory": files, "files": provenance.files_manifest(directory / files)}
    (directory / RECORD).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return described


def dataset(table: Mapping[str, Any], record: Mapping[str, Any]) -> "DatasetInput":
    """A table as MLflow shows it with a run: its name, version and content."""
    from mlflow.entities import Dataset, DatasetInput  # noqa: PLC0415

    source = {"table": table["table"], "delta_table_version": table["delta_version"]}
    profile = {"num_rows": record["row_count"], "content_hash": table["content_hash"]}
    dataset = Dataset(
        name=f"{table['table']}@v{table['delta_version']}",
        digest=str(table["content_hash"]).removeprefix("sha256:")[:36],
        source_type="delta_table",
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, tags=[])


def parameters(values: Mapping[str, object]) -> list["Param"]:
    """Parameters of a run, as MLflow logs many at once."""
    from mlflow.entities import Param  # noqa: PLC0415

    return [Param(key, str(value)) for key, value in values.items()]


def metrics(values: Mapping[str, float]) -> list["Metric"]:
    """Metrics of a run, as MLflow logs many at once; measured now."""
    from mlflow.entities import Metric  # noqa: PLC0415

    now_ms = time.time_ns() // 1_000_000
    return [Metric(key, value, now_ms, step=0) for key, value in values.items()]
