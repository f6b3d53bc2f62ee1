"""The stages that are loaded: those whose parameters are data. What else Spark ML has, or will have, is refused."""

from search_forecast.errors import DataError
from search_forecast.models.sparkml import sql
from search_forecast.models.sparkml.metadata import Metadata

_STAGES = {
    "classification": """DecisionTreeClassificationModel FMClassificationModel GBTClassificationModel LinearSVCModel
        LogisticRegressionModel MultilayerPerceptronClassificationModel NaiveBayesModel OneVsRestModel
        RandomForestClassificationModel""",
    "clustering": "BisectingKMeansModel GaussianMixtureModel KMeansModel LocalLDAModel",
    "feature": """Binarizer BucketedRandomProjectionLSHModel Bucketizer ChiSqSelectorModel CountVectorizerModel DCT
        ElementwiseProduct FeatureHasher HashingTF IDFModel ImputerModel IndexToString Interaction MaxAbsScalerModel
        MinHashLSHModel MinMaxScalerModel NGram Normalizer OneHotEncoderModel PCAModel PolynomialExpansion RFormulaModel
        RegexTokenizer RobustScalerModel SQLTransformer StandardScalerModel StopWordsRemover StringIndexerModel
        TargetEncoderModel Tokenizer UnivariateFeatureSelectorModel VarianceThresholdSelectorModel VectorAssembler
        VectorIndexerModel VectorSizeHint VectorSlicer Word2VecModel""",
    "recommendation": "ALSModel",
    "regression": """AFTSurvivalRegressionModel DecisionTreeRegressionModel FMRegressionModel GBTRegressionModel
        GeneralizedLinearRegressionModel IsotonicRegressionModel LinearRegressionModel RandomForestRegressionModel""",
}
# In an RFormulaModel, and the untrained classifier in a OneVsRestModel; nothing that is loaded by itself.
_INNER = {
    "feature": "ColumnPruner VectorAttributeRewriter",
    "classification": """DecisionTreeClassifier FMClassifier GBTClassifier LinearSVC LogisticRegression
        MultilayerPerceptronClassifier NaiveBayes RandomForestClassifier""",
}


def _names(modules: dict[str, str]) -> set[str]:
    return {f"pyspark.ml.{module}.{name}" for module, names in modules.items() for name in names.split()}


LOADABLE = _names(_STAGES) | {"pyspark.ml.PipelineModel"}
_ALLOWED = LOADABLE | _names(_INNER)


def check(metadata: Metadata, name: str) -> None:
    """Raise DataError unless a stage's class is known to do what its parameters, being data, say."""
    if metadata.python_class not in _ALLOWED:
        raise DataError(f"{name}: a {metadata.spark_class} is none of the trained models and stages that are imported")
    if metadata.short_class == "SQLTransformer":
        sql.check(metadata, name)
