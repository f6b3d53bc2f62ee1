"""Tables of models that predict one number from an input."""

from search_forecast.lakehouse.contracts.base import LONG, RATIO, STRING, TIMESTAMP, Table, TableColumn

INFANT_GROWTH = Table(
    "gold",
    "infant_growth",
    "measurement of an infant",
    (
        TableColumn("height_cm", RATIO, "Body length, cm"),
        TableColumn("weight_kg", RATIO, "Body weight, kg"),
        TableColumn("delivery_id", STRING, "File the measurement came with: sha256 of its content, hex"),
    ),
    checks={
        "possible_height": "height_cm between 20 and 120",
        "possible_weight": "weight_kg between 0.2 and 40",
    },
)

MODEL_SCORES = Table(
    "gold",
    "model_scores",
    "(model_name, model_version, inputs), kept from the first time it was asked",
    (
        TableColumn("model_name", STRING, "Registered model"),
        TableColumn("model_version", LONG, "Its version"),
        TableColumn("inputs", STRING, "What the model was given, as a JSON object in the order of its signature"),
        TableColumn(
            "prediction", RATIO, "What it predicts, in the unit of its label; null where it can't", nullable=True
        ),
        TableColumn(
            "predicted_label",
            STRING,
            "The text that the prediction stands for, where the model says it; null elsewhere",
            nullable=True,
        ),
        TableColumn(
            "warning",
            STRING,
            "Why not to trust the prediction: an input outside the range seen in training, a range that is unknown, an "
            "input that is missing; null where nothing is known against it",
            nullable=True,
        ),
        TableColumn("scored_at", TIMESTAMP, "When the scoring run began, UTC"),
    ),
    checks={
        "positive_version": "model_version > 0",
        "predicted_or_explained": "prediction is not null or warning is not null",
    },
    cluster_by=("model_name", "model_version"),
)
