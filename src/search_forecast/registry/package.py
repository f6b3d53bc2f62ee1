"""A directory with a Spark ML model becomes an MLflow model, with its record beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast import provenance

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

RECORD = "search_forecast.json"
SPARK_FILES = "sparkml"


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
    requirements = [f"pyspark=={pyspark.__version__}", f"mlflow=={record['versions'].get('mlflow-skinny', '')}"]
    (directory / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    model = Model(signature=signature, metadata={"spark_ml_class": spark_class})
    model.add_flavor(
        "spark", pyspark_version=pyspark.__version__, model_data=SPARK_FILES, code=None,
        model_class="pyspark.ml.pipeline.PipelineModel",
    )  # fmt: skip
    pyfunc.add_to_model(model, loader_module="mlflow.spark", data=SPARK_FILES)
    model.save(str(directory / "MLmodel"))
    whole = {**record, "files": provenance.files_manifest(directory / SPARK_FILES)}
    (directory / RECORD).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return whole


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
