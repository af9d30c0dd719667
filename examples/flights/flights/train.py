"""Trains on the last two months of the input `train` and writes a model that MLServer serves.

Knows Millwright only by paths and variables: MILLWRIGHT_INPUT_TRAIN, MILLWRIGHT_MODEL_DIR,
MILLWRIGHT_SEED, PARAM_*, and MILLWRIGHT_TRAINING_ROWS for the rows that it really used.
"""

import json
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from flights import data, schema, scores


def parameter(name: str, default: str) -> str:
    return os.environ.get(f"PARAM_{name.upper()}", default)


def pipeline(seed: int) -> Pipeline:
    """Gradient-boosted trees that take text columns as they come and bear missing weather."""
    numbers = schema.INTEGERS + schema.WEATHER
    columns = ColumnTransformer(
        [
            # A carrier or airport not seen in training becomes "missing", which the trees bear too.
            (
                "text",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan")),
                list(schema.CATEGORICAL),
            ),
            ("numbers", "passthrough", list(numbers)),
        ]
    )
    trees = HistGradientBoostingRegressor(
        max_iter=int(parameter("trees", "150")),
        learning_rate=float(parameter("learning_rate", "0.08")),
        max_leaf_nodes=int(parameter("leaves", "31")),
        categorical_features=list(range(len(schema.CATEGORICAL))),
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("trees", trees)])


def serving_settings() -> dict:
    """What MLServer needs to form a DataFrame from one tensor per column.

    `content_type: pd` asks for the DataFrame; `str` turns a BYTES column into text."""

    def tensor(name: str) -> dict:
        if name in schema.CATEGORICAL:
            return {"name": name, "datatype": "BYTES", "shape": [-1], "parameters": {"content_type": "str"}}
        return {"name": name, "datatype": "INT64" if name in schema.INTEGERS else "FP64", "shape": [-1]}

    return {
        "name": schema.MODEL_NAME,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "platform": "sklearn",
        "inputs": [tensor(name) for name in schema.FEATURES],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
        "parameters": {"uri": "./model.joblib", "content_type": "pd"},
    }


def main() -> None:
    source = Path(os.environ["MILLWRIGHT_INPUT_TRAIN"])
    target = Path(os.environ["MILLWRIGHT_MODEL_DIR"])
    seed = int(os.environ.get("MILLWRIGHT_SEED", "0"))

    rows = data.read(source)
    train = data.training(rows, window_days=int(parameter("window_days", "60")))
    holdout = data.holdout(rows)
    features = list(schema.FEATURES)
    model = pipeline(seed).fit(train[features], train[schema.LABEL])

    fitted = scores.regression(model.predict(train[features]), train[schema.LABEL])
    held_out = scores.regression(model.predict(holdout[features]), holdout[schema.LABEL])
    joblib.dump(model, target / "model.joblib")
    (target / "model-settings.json").write_text(json.dumps(serving_settings(), indent=2))
    metrics = {**held_out, "train_mae": fitted["mae"], "train_rows": len(train)}
    (target / "metrics.json").write_text(json.dumps(metrics))
    write_training_rows(train)

    first, last = train[schema.SCHEDULED].min()[:10], train[schema.SCHEDULED].max()[:10]
    print(
        f"trained on {len(train)} of {len(rows)} flights, {first} to {last}; "
        f"MAE on the {len(holdout)} held out {held_out['mae']:.2f} min"
    )


def write_training_rows(train: pd.DataFrame) -> None:
    """The features and labels trained on: the reference that live traffic is compared with.
    Without this it would be the whole input, most of which this model has never seen."""
    if path := os.environ.get("MILLWRIGHT_TRAINING_ROWS"):
        train[[*schema.FEATURES, schema.LABEL]].to_csv(path, index=False)


if __name__ == "__main__":
    main()
