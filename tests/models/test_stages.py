"""Models of many stages, as others save them, from their files to a scored row; no lakehouse, no registry."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline, PipelineModel, Transformer
from pyspark.ml.classification import LogisticRegression, LogisticRegressionModel, OneVsRest
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import (
    Bucketizer,
    IndexToString,
    RFormula,
    SQLTransformer,
    StringIndexer,
    VectorAssembler,
    VectorSizeHint,
)
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from test_sparkml import as_databricks_writes

from search_forecast.errors import DataError, UsageError
from search_forecast.models import scoring, signature
from search_forecast.models.model_inputs import Input
from search_forecast.models.sparkml import files, stages

ROWS = [(1.0, 2.0, "a", "yes"), (2.0, 1.0, "b", "no"), (3.0, 5.0, "a", "yes"), (4.0, 3.0, "b", "no")]


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(ROWS, "x double, y double, shop string, answer string").coalesce(1).cache()


@pytest.fixture(scope="module")
def parts(table: DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Transformer]:
    """Trained stages, to put pipelines together from."""
    saved = str(tmp_path_factory.mktemp("parts") / "answer")
    label = StringIndexer(inputCol="answer", outputCol="answer_index", stringOrderType="alphabetAsc").fit(table)
    shop = StringIndexer(inputCol="shop", outputCol="shop_index", handleInvalid="skip").fit(table)
    assembler = VectorAssembler(inputCols=["x", "y"], outputCol="features")
    rows = assembler.transform(table)
    line = LinearRegression(labelCol="y", solver="normal").fit(rows)
    features = VectorAssembler(inputCols=["x", "shop_index"], outputCol="features")
    LogisticRegression(labelCol="answer_index", maxIter=3).fit(
        features.transform(shop.transform(label.transform(table)))
    ).save(saved)
    # Read again, as imported models are: a fresh one holds a summary of its training, which can't be sent to a task.
    answer = LogisticRegressionModel.load(saved)
    return {"label": label, "shop": shop, "assembler": assembler, "line": line, "features": features, "answer": answer}


def imported(model: Any, path: Path, *declared: Input) -> tuple[PipelineModel, dict[str, str], list[Transformer]]:
    """What import-model makes of a model that was saved."""
    model.save(str(path))
    return reopened(path, *declared)


def reopened(path: Path, *declared: Input) -> tuple[PipelineModel, dict[str, str], list[Transformer]]:
    files.keep_best(path)
    return wrapped(stages.load(path, files.check(path)), *declared)


def wrapped(model: Transformer, *declared: Input) -> tuple[PipelineModel, dict[str, str], list[Transformer]]:
    return *signature.wrapped(model, declared), stages.flat(model)


def scored(spark: SparkSession, pipeline: PipelineModel, inputs: dict[str, str], *rows: tuple[Any, ...]) -> list[Any]:
    """Prediction, label and warning of each row, in the rows' order."""
    schema = ", ".join(f"{name} {kind}" for name, kind in inputs.items())
    df = spark.createDataFrame(list(rows), schema)
    answers = {row["inputs"]: tuple(row)[1:] for row in scoring.scored(pipeline, df, inputs, {}).collect()}
    keys = df.selectExpr("to_json(struct(*), map('ignoreNullFields', 'false'))").collect()
    return [answers[key[0]] for key in keys]


def test_a_label_indexer_in_front_and_its_text_at_the_end(
    spark: SparkSession, parts: dict[str, Any], tmp_path: Path
) -> None:
    """With a pipeline in the pipeline, under Databricks' names, and a value that the indexer was told to skip."""
    text = IndexToString(inputCol="prediction", outputCol="said", labels=parts["label"].labels)
    inner = PipelineModel([parts["shop"], parts["features"]])
    PipelineModel([parts["label"], inner, parts["answer"], text]).save(str(tmp_path / "m"))
    pipeline, inputs, original = reopened(as_databricks_writes(tmp_path / "m"))
    assert inputs == {"shop": "string", "x": "double"}
    assert (stages.label(original), stages.known_value(stages.flat(pipeline), "shop")) == ("answer", "a")
    assert not any(isinstance(stage, PipelineModel) for stage in pipeline.stages)
    rows = [("a", 1.0), ("b", 2.0), ("z", 1.0), (None, 1.0), ("z", 1.0)]
    yes, no, unseen, missing, again = scored(spark, pipeline, inputs, *rows)
    assert (yes, no) == ((1.0, "yes", None), (0.0, "no", None))
    assert unseen == again == (None, None, "the model skips this input: it holds a value that it does not know")
    assert missing == (None, None, "no prediction without a number for: shop")


def test_an_input_may_have_a_dot_in_its_name(spark: SparkSession, parts: dict[str, Any]) -> None:
    renamed = SQLTransformer(statement="SELECT *, `a.b` AS x, 2D AS y FROM __THIS__")
    pipeline = PipelineModel([renamed, parts["assembler"], parts["line"]])
    rows = spark.createDataFrame([(3.0,), (9.0,), (None,)], "`a.b` double")
    answers = scoring.scored(pipeline, rows, {"a.b": "double"}, {"a.b": (1.0, 4.0)}).collect()
    warnings = {row["inputs"]: row["warning"] for row in answers}
    assert warnings == {
        '{"a.b":3.0}': None,
        '{"a.b":9.0}': "a.b is outside 1 to 4, the range seen in training: an extrapolation",
        '{"a.b":null}': "no prediction without a number for: a.b",
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyspark's fit leaves its threads
def test_a_cross_validated_pipeline_is_its_best_model(spark: SparkSession, table: DataFrame, tmp_path: Path) -> None:
    estimator = Pipeline(
        stages=[VectorAssembler(inputCols=["x"], outputCol="features"), LinearRegression(labelCol="y")]
    )
    grid = ParamGridBuilder().addGrid(estimator.getStages()[1].regParam, [0.0]).build()
    evaluator = RegressionEvaluator(labelCol="y")
    search = CrossValidator(estimator=estimator, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, seed=1)
    model = search.fit(table)
    pipeline, inputs, _ = imported(model, tmp_path / "m")
    assert inputs == {"x": "double"}
    rows = spark.createDataFrame([(3.0,)], "x double")
    assert scored(spark, pipeline, inputs, (3.0,))[0][0] == model.transform(rows).first()["prediction"]


def test_sql_that_adds_a_column_is_run_and_what_it_filters_is_kept(
    spark: SparkSession, parts: dict[str, Any], tmp_path: Path
) -> None:
    first = SQLTransformer(statement="SELECT *, x * 2 - x AS x1 FROM __THIS__ WHERE y < 100")
    assembler = VectorAssembler(inputCols=["x1", "y"], outputCol="features")
    last = SQLTransformer(statement="SELECT *, prediction * 10 AS tenfold FROM __THIS__")
    pipeline, inputs, _ = imported(PipelineModel([first, assembler, parts["line"], last]), tmp_path / "m")
    assert inputs == {"x": "double", "y": "double"}
    seen, filtered = scored(spark, pipeline, inputs, (1.0, 2.0), (1.0, 200.0))
    assert seen[0] == pytest.approx(20.0)
    assert filtered[2].startswith("the model skips this input")


def test_sql_that_hides_an_input_is_refused(spark: SparkSession, parts: dict[str, Any]) -> None:
    """Nobody would know whose a prediction is."""
    assembler = VectorAssembler(inputCols=["x1", "y"], outputCol="features")

    def model(statement: str) -> PipelineModel:
        return PipelineModel([SQLTransformer(statement=statement), assembler, parts["line"]])

    with pytest.raises(DataError, match="gives the name of its input x to another column"):
        wrapped(model("SELECT y, x + 1 AS x, x AS x1 FROM __THIS__"))
    pipeline, inputs, _ = wrapped(model("SELECT y, x AS x1 FROM __THIS__"))
    with pytest.raises(DataError, match="does not hand on its input x: its SQL must select every column"):
        scored(spark, pipeline, inputs, (1.0, 2.0))


def test_other_stages_that_skip_keep_their_rows_too(spark: SparkSession, parts: dict[str, Any]) -> None:
    """An assembler, and a hint that changes a column in its place; what only bears on the label is left out."""
    dead = Bucketizer(splits=[0.0, 5.0, 10.0], inputCol="label", outputCol="label_bucket")
    maybe = SQLTransformer(statement="SELECT *, nullif(x, 5) AS x1 FROM __THIS__")
    assembler = VectorAssembler(inputCols=["x1", "y"], outputCol="features", handleInvalid="skip")
    hint = VectorSizeHint(inputCol="features", size=2)
    pipeline, inputs, _ = wrapped(PipelineModel([dead, maybe, assembler, hint, parts["line"]]))
    assert inputs == {"x": "double", "y": "double"}
    assert [type(stage).__name__ for stage in pipeline.stages[:3]] == [
        *("SQLTransformer", "VectorAssembler", "VectorSizeHint")
    ]
    seen, skipped = scored(spark, pipeline, inputs, (7.0, 2.0), (5.0, 2.0))
    assert seen[0] == pytest.approx(2.0)
    assert skipped[2].startswith("the model skips this input")


def test_a_formula_says_what_it_reads(
    spark: SparkSession, table: DataFrame, parts: dict[str, Any], tmp_path: Path
) -> None:
    """As R's sparklyr saves a classifier: formula, model, text."""
    text = IndexToString(inputCol="prediction", outputCol="said", labels=["no", "yes"])

    def model(formula: str) -> PipelineModel:
        return PipelineModel([RFormula(formula=formula).fit(table), parts["answer"], text])

    shop = Input("shop", "string", None)
    for formula in ("answer ~ . - y", "answer ~ x:shop + x"):
        assert set(wrapped(model(formula), shop)[1]) == {"x", "shop"}
    pipeline, inputs, original = imported(model("answer ~ x + shop"), tmp_path / "m", shop)
    assert (inputs, stages.label(original)) == ({"x": "double", "shop": "string"}, "answer")
    assert scored(spark, pipeline, inputs, (1.0, "a"))[0][1] in ("yes", "no")


def test_one_indexer_of_label_and_features_does_not_ask_for_the_label(
    spark: SparkSession, table: DataFrame, parts: dict[str, Any]
) -> None:
    both = StringIndexer(inputCols=["answer", "shop"], outputCols=["answer_index", "shop_index"]).fit(table)
    pipeline, inputs, _ = wrapped(PipelineModel([both, parts["features"], parts["answer"]]))
    assert inputs == {"shop": "string", "x": "double"}
    assert scored(spark, pipeline, inputs, ("b", 2.0))[0][0] == 0.0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyspark's fit leaves its threads
def test_one_against_the_rest_brings_its_untrained_classifier_along(
    spark: SparkSession, table: DataFrame, parts: dict[str, Any], tmp_path: Path
) -> None:
    rows = parts["assembler"].transform(parts["label"].transform(table))
    model = OneVsRest(classifier=LogisticRegression(maxIter=2), labelCol="answer_index").fit(rows)
    pipeline, inputs, _ = imported(model, tmp_path / "m", Input("x", None, None), Input("y", None, None))
    assert scored(spark, pipeline, inputs, (1.0, 2.0))[0][0] in (0.0, 1.0)


@pytest.mark.parametrize("names", [["label"], ["assembler"], ["line", "label"], ["shop", "features"]])
def test_stages_that_predict_nothing_are_refused(parts: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(DataError, match="makes no prediction column"):
        wrapped(PipelineModel([parts[name] for name in names]))


def test_an_input_that_the_model_does_not_take_is_one_line(parts: dict[str, Any]) -> None:
    model = PipelineModel([parts["shop"], parts["features"], parts["answer"]])
    with pytest.raises(UsageError, match="no input answer; it takes shop, x"):
        wrapped(model, Input("answer", "string", None))
