"""The files of a saved model, read without Spark: every layout that Spark has had, and what must never reach Spark."""

import contextlib
import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.models.sparkml import files, metadata

LINEAR = "org.apache.spark.ml.regression.LinearRegressionModel"
PIPELINE = "org.apache.spark.ml.PipelineModel"
UUID = "aad9908a-bcb0-479d-a69a-09b75db1d200"
PARTS = {"2.4.3": "part-00000", "3.5.1": "part-00000", "4.2.0": f"part-00000-{UUID}-c000.txt"}


def line(spark_class: str = LINEAR, version: str = "4.2.0", **changes: Any) -> bytes:
    fields = {
        "class": spark_class,
        "timestamp": 1647406488992,
        "sparkVersion": version,
        "uid": "LinearRegression_6d5736f3dbe7",
        "paramMap": {"labelCol": "sales"},
        "defaultParamMap": {"labelCol": "label", "featuresCol": "features"},
        **changes,
    }
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode() + b"\n"


def checksum(path: Path) -> None:
    content = path.read_bytes()
    sums = b"".join(struct.pack(">I", zlib.crc32(content[i : i + 512])) for i in range(0, len(content), 512))
    path.with_name(f".{path.name}.crc").write_bytes(b"crc\0" + struct.pack(">I", 512) + sums)


def saved(path: Path, content: bytes | None = None, version: str = "4.2.0", *, udt: object = None) -> Path:
    """A model of one stage as Spark of this version saves it."""
    about, data = path / "metadata", path / "data"
    about.mkdir(parents=True)
    data.mkdir()
    (about / PARTS[version]).write_bytes(line(version=version) if content is None else content)
    (about / "_SUCCESS").touch()
    row = {"type": "struct", "fields": [{"name": "coefficients", "type": udt or "double", "metadata": {}}]}
    table = pa.table({"coefficients": [6.5]})
    table = table.replace_schema_metadata({"org.apache.spark.sql.parquet.row.metadata": json.dumps(row)})
    parquet.write_table(table, data / f"part-00000-{UUID}-c000.snappy.parquet")
    for part in (*about.glob("part-*"), *data.glob("part-*")):
        checksum(part)
    return path


def pipeline(path: Path, *stages: bytes) -> Path:
    uids = [json.loads(stage)["uid"] for stage in stages]
    about = path / "metadata"
    about.mkdir(parents=True)
    (about / "part-00000").write_bytes(line(PIPELINE, uid="PipelineModel_1", paramMap={"stageUids": uids}))
    for index, (uid, stage) in enumerate(zip(uids, stages, strict=True)):
        saved(path / "stages" / f"{index}_{uid}", stage)
    return path


def refused(model: Path, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        files.check(model)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", list(PARTS))
def test_every_layout_that_spark_has_had_is_read(tmp_path: Path, version: str) -> None:
    found = files.check(saved(tmp_path / "m", version=version))
    assert (found.spark_class, found.spark_version, found.uid) == (LINEAR, version, "LinearRegression_6d5736f3dbe7")
    assert found.saved_at.isoformat() == "2022-03-16T04:54:48.992000+00:00"
    assert found.python_class == "pyspark.ml.regression.LinearRegressionModel"
    assert found.parameters == {"labelCol": "sales", "featuresCol": "features"}


def test_a_pipeline_is_read_with_its_stages(tmp_path: Path) -> None:
    found = files.check(pipeline(tmp_path / "m", line(uid="a_1"), line(uid="b_2")))
    assert found.is_pipeline
    assert found.stage_names == ["0_a_1", "1_b_2"]
    assert found.python_class == "pyspark.ml.PipelineModel"


def test_a_pipeline_saved_through_spark_connect_is_read(tmp_path: Path) -> None:
    model = pipeline(tmp_path / "m", line(uid="a_1"))
    parameters = {"stageUids": ["a_1"], "language": "Python"}
    (model / "metadata" / "part-00000").write_bytes(line("pyspark.ml.pipeline.PipelineModel", paramMap=parameters))
    assert files.check(model).python_class == "pyspark.ml.PipelineModel"


@pytest.mark.parametrize(
    "spark_class",
    [
        "java.lang.Runtime",
        "os.system",
        "org.apache.spark.sql.SparkSession",
        "org.apache.spark.mlevil.Model",
        "org.apache.spark.ml",
        "org.apache.spark.ml.",
        "org.apache.spark.ml..Model",
        "org.apache.spark.ml.regression.X;import os",
        "org.apache.spark.ml.regression.../../os",
        " org.apache.spark.ml.regression.LinearRegressionModel",
        "pyspark.ml.pipeline.Pipeline",
        "pyspark.ml.connect.classification.LogisticRegressionModel",
    ],
)
def test_a_class_outside_spark_ml_is_refused(tmp_path: Path, spark_class: str) -> None:
    refused(saved(tmp_path / "m", line(spark_class)), "only org.apache.spark.ml.* is loaded")


def test_a_nested_stage_with_such_a_class_is_refused(tmp_path: Path) -> None:
    refused(pipeline(tmp_path / "m", line(uid="a_1"), line("evil.Stage", uid="b_2")), "names the class 'evil.Stage'")


@pytest.mark.parametrize("place", ["bestModel", "model_0", "stages/0_x/pipelineModel", "unknown/deep/down"])
def test_such_a_class_is_refused_wherever_it_hides(tmp_path: Path, place: str) -> None:
    model = saved(tmp_path / "m")
    saved(model / place, line("evil.Stage"))
    refused(model, "names the class 'evil.Stage'")


@pytest.mark.parametrize(
    ("uids", "reason"),
    [
        (None, "stageUids"),
        ("a_1", "stageUids"),
        (["../../../etc"], "stageUids"),
        (["a/b"], "stageUids"),
        ([1], "stageUids"),
        (["missing_1"], "stage 0_missing_1 is missing"),
    ],
)
def test_a_pipeline_whose_stages_are_elsewhere_or_missing_is_refused(tmp_path: Path, uids: object, reason: str) -> None:
    model = pipeline(tmp_path / "m", line(uid="a_1"))
    (model / "metadata" / "part-00000").write_bytes(line(PIPELINE, paramMap={"stageUids": uids}))
    refused(model, reason)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        line() + line("evil.Model"),
        line("evil.Model") + line(),
        line().replace(b', "uid"', b',\n"uid"'),
        line().replace(b'"uid":', b'"class": "evil.Model", "uid":'),
        line(timestamp="yesterday"),
        line(timestamp=-1),
        line(timestamp=True),
        line(timestamp=10**30),
        line(uid="../x"),
        line(uid=None),
        line(sparkVersion=None),
        line(paramMap=[]),
        line(defaultParamMap=3),
    ],
)
def test_damaged_or_ambiguous_metadata_is_refused(tmp_path: Path, content: bytes) -> None:
    refused(saved(tmp_path / "m", content), "metadata")


@pytest.mark.parametrize("name", ["aaa", "part-00001", "part-00000.gz", "evil.txt", "x=1/part-00000"])
def test_a_second_file_that_spark_would_read_as_metadata_is_refused(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path / "m", version="2.4.3")
    extra = model / "metadata" / name
    extra.parent.mkdir(exist_ok=True)
    extra.write_bytes(line("evil.Model"))
    refused(model, "expected one file part-00000")


def test_missing_metadata_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    for path in (model / "metadata").glob("part-*"):
        path.unlink()
    refused(model, "expected one file part-00000..., found nothing")


def test_a_file_that_does_not_match_its_checksum_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    part = next((model / "metadata").glob("part-*"))
    part.write_bytes(part.read_bytes().replace(b"sales", b"salez"))
    refused(model, "does not match its checksum file")


@pytest.mark.parametrize("sums", [b"", b"crc\0", b"crc\0\0\0\0\0", b"crc\0\0\0\2\0", b"nope\0\0\2\0abcd"])
def test_a_damaged_checksum_file_is_refused(tmp_path: Path, sums: bytes) -> None:
    model = saved(tmp_path / "m")
    next((model / "metadata").glob(".part-*.crc")).write_bytes(sums)
    refused(model, "does not match its checksum file")


def test_checksums_of_files_longer_than_a_block_are_checked(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    big = model / "data" / "part-00001-x.parquet"
    parquet.write_table(pa.table({"x": os.urandom(5000).hex().split("a")}), big)
    checksum(big)
    files.check(model)
    content = bytearray(big.read_bytes())
    content[2000] ^= 1
    big.write_bytes(content)
    refused(model, "does not match its checksum file")


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    part = next((model / "data").glob("part-*"))
    part.write_bytes(part.read_bytes()[:-20])
    checksum(part)
    refused(model, "damaged Parquet file")


def test_what_a_mac_adds_to_an_archive_is_no_part(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    part = next((model / "data").glob("part-*"))
    part.with_name(f"._{part.name}").write_bytes(b"Mac OS X")
    files.check(model)


def test_missing_data_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m")
    next((model / "data").glob("part-*")).unlink()
    refused(model, "data: holds no Parquet part")


VECTOR = {"type": "udt", "class": "org.apache.spark.ml.linalg.VectorUDT", "pyClass": "x", "sqlType": "binary"}


def test_a_vector_column_is_fine(tmp_path: Path) -> None:
    files.check(saved(tmp_path / "m", udt=VECTOR))


@pytest.mark.parametrize(
    "udt",
    [
        {**VECTOR, "class": "evil.Type"},
        {**VECTOR, "serializedClass": "gASVAAAA"},
        {"type": "udt", "pyClass": "os.system", "sqlType": "binary"},
        {"type": "array", "elementType": {**VECTOR, "class": "evil.Type"}, "containsNull": True},
    ],
)
def test_a_column_type_of_another_class_is_refused(tmp_path: Path, udt: object) -> None:
    refused(saved(tmp_path / "m", udt=udt), "which is not Spark ML's")


def test_models_are_found_at_any_depth_and_their_stages_left_out(tmp_path: Path) -> None:
    saved(tmp_path / "a" / "one.model")
    pipeline(tmp_path / "a" / "b" / "two.model", line(uid="a_1"))
    (tmp_path / "empty" / "metadata").mkdir(parents=True)
    found = [path.relative_to(tmp_path).as_posix() for path in metadata.find_models(tmp_path)]
    assert found == ["a/b/two.model", "a/one.model"]


# Other people's layouts.

TID = f"tid-6424082946698911525-{UUID}-63-1-c000"


def as_databricks_writes(model: Path) -> Path:
    """The same files under the names and with the marks that Databricks gives them, and without checksums."""
    for part in [path for path in model.rglob("*") if path.is_file()]:
        if part.name.startswith("part-"):
            ending = ".snappy.parquet" if part.name.endswith(".parquet") else ".txt"
            part.rename(part.with_name(f"part-00000-{TID}{ending}"))
            part.with_name("_committed_6424082946698911525").write_text('{"added":[],"removed":[]}')
            part.with_name("_started_6424082946698911525").touch()
        elif part.name.endswith(".crc"):
            part.unlink()
    return model


@pytest.mark.parametrize("name", [None, "part-00000.c000.txt", f"part-00000-{UUID}.c000.txt", "part-r-00000"])
def test_parts_are_read_by_the_names_that_others_give_them(tmp_path: Path, name: str | None) -> None:
    model = as_databricks_writes(pipeline(tmp_path / "m", line(uid="a_1")))
    if name == "part-00000.c000.txt":  # no name that a committer gives
        next((model / "metadata").glob("part-*")).rename(model / "metadata" / name)
        refused(model, "expected one file part-00000")
        return
    if name is not None:
        next((model / "metadata").glob("part-*")).rename(model / "metadata" / name)
    assert files.check(model).stage_names == ["0_a_1"]


@pytest.mark.parametrize("name", ["_metadata", "_common_metadata", "_x=1.parquet", "part-00001", "more.txt"])
def test_what_spark_reads_beside_the_parts_is_checked_too(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path / "m")
    other = saved(tmp_path / "other", udt={**VECTOR, "class": "evil.Type"})
    next((other / "data").glob("part-*")).rename(model / "data" / name)
    refused(model, "which is not Spark ML's")


@pytest.mark.parametrize("name", ["_metadata", "_metadata_1", "_common_metadata", "_a=1"])
def test_a_hidden_name_that_spark_reads_as_metadata_is_refused(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path / "m")
    (model / "metadata" / name).write_bytes(line("evil.Model"))
    refused(model, "expected one file part-00000")


CROSS = "org.apache.spark.ml.tuning.CrossValidatorModel"


def search(path: Path, spark_class: str = CROSS) -> Path:
    """A search over parameters, with what it must never load."""
    saved(path, line(spark_class, uid="CrossValidatorModel_1"))
    shutil.rmtree(path / "data")
    saved(path / "bestModel")
    for part in ("estimator", "evaluator", "epm_classifier0"):
        saved(path / part, line("evil.Stage"))
    return path


@pytest.mark.parametrize(
    "spark_class",
    [
        CROSS,
        "org.apache.spark.ml.tuning.TrainValidationSplitModel",
        "pyspark.ml.tuning.CrossValidatorModel",
        "pyspark.ml.tuning.TrainValidationSplitModel",
    ],
)
def test_a_search_becomes_its_best_model(tmp_path: Path, spark_class: str) -> None:
    model = search(tmp_path / "m", spark_class)
    files.keep_best(model)
    assert files.check(model).spark_class == LINEAR
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_search_in_a_pipeline_in_a_search_becomes_its_best_model(tmp_path: Path) -> None:
    model = search(tmp_path / "m")
    shutil.rmtree(model / "bestModel")
    inner = pipeline(model / "bestModel", line(uid="a_1"), line(CROSS, uid="b_2"))
    shutil.rmtree(inner / "stages" / "1_b_2")
    search(inner / "stages" / "1_b_2")
    files.keep_best(model)
    assert files.check(model).stage_names == ["0_a_1", "1_b_2"]
    assert metadata.read_metadata(model / "stages" / "1_b_2").spark_class == LINEAR


def test_a_search_without_its_best_model_is_refused(tmp_path: Path) -> None:
    model = search(tmp_path / "m")
    shutil.rmtree(model / "bestModel")
    with pytest.raises(DataError, match="without its best model"):
        files.keep_best(model)


@pytest.mark.parametrize(
    "name",
    [
        "feature.FuncTransformer",
        "regression.LinearRegression",
        "Pipeline",
        "tuning.CrossValidator",
        "feature.ColumnPrune",
    ],
)
def test_a_stage_that_is_not_known_to_be_data_is_refused(tmp_path: Path, name: str) -> None:
    model = pipeline(tmp_path / "m", line(uid="a_1"), line(f"org.apache.spark.ml.{name}", uid="b_2"))
    refused(model, f"1_b_2: a org.apache.spark.ml.{name} is none of the trained models and stages")


def sql_stage(path: Path, statement: object, uid: str = "SQLTransformer_1") -> Path:
    parameters = {} if statement is None else {"statement": statement}
    return pipeline(path, line("org.apache.spark.ml.feature.SQLTransformer", uid=uid, paramMap=parameters), line())


def test_sql_that_adds_a_column_is_fine(tmp_path: Path) -> None:
    files.check(sql_stage(tmp_path / "m", "SELECT *, x + y AS s FROM __THIS__"))


@pytest.mark.parametrize("place", ["stages/0_SQLTransformer_1", "bestModel", "unknown/deep"])
def test_sql_that_calls_java_is_refused_wherever_it_hides(tmp_path: Path, place: str) -> None:
    model = sql_stage(tmp_path / "m", "SELECT * FROM __THIS__")
    shutil.rmtree(model / place, ignore_errors=True)
    statement = {"statement": "SELECT *, reflect('java.lang.System', 'getenv', 'HOME') AS h FROM __THIS__"}
    saved(model / place, line("org.apache.spark.ml.feature.SQLTransformer", uid="SQLTransformer_1", paramMap=statement))
    refused(model, "it calls reflect")


@pytest.mark.parametrize(
    ("statement", "uid"),
    [(None, "s_1"), (3, "s_1"), (["SELECT * FROM __THIS__"], "s_1"), ("SELECT * FROM __THIS__", "t--")],
)
def test_sql_without_text_or_with_a_uid_that_is_sql_itself_is_refused(
    tmp_path: Path, statement: object, uid: str
) -> None:
    refused(sql_stage(tmp_path / "m", statement, uid), "a SQLTransformer without a statement")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["class", "timestamp", "sparkVersion", "uid", "paramMap", "defaultParamMap"])


def only_refuses(content: bytes) -> None:
    with contextlib.suppress(DataError):
        found = metadata.parse_metadata(content)
        assert found.spark_class.startswith(("org.apache.spark.ml.", "pyspark.ml.pipeline.PipelineModel"))
        assert all("/" not in uid and ".." not in uid for uid in [found.uid, *found.stage_names])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_fuzz_any_bytes_are_read_or_refused(content: bytes) -> None:
    only_refuses(content)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_fuzz_any_fields_are_read_or_refused(changes: dict[str, Any]) -> None:
    only_refuses(json.dumps({**json.loads(line(PIPELINE, paramMap={"stageUids": ["a_1"]})), **changes}).encode())


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=3), st.integers(0, 3))
def test_fuzz_any_change_of_a_few_bytes_is_read_or_refused(place: int, inserted: bytes, removed: int) -> None:
    good = line()
    only_refuses(good[:place] + inserted + good[place + removed :])
