"""Scores one model on the last days of the data: metrics.json and predictions.csv.

Runs once for the new model and once for the one in production, on the same rows, which neither
was trained on.
"""

import json
import os
from pathlib import Path

import joblib
import pandas as pd

from flights import data, schema, scores


def main() -> None:
    model = joblib.load(Path(os.environ["MILLWRIGHT_MODEL_DIR"]) / "model.joblib")
    target = Path(os.environ["MILLWRIGHT_OUTPUT_DIR"])
    rows = data.read(Path(os.environ["MILLWRIGHT_INPUT_DATA"]))
    holdout = data.holdout(rows)

    predicted = model.predict(holdout[list(schema.FEATURES)])
    metrics = scores.regression(predicted, holdout[schema.LABEL])
    (target / "metrics.json").write_text(json.dumps(metrics))
    pd.DataFrame({"prediction": predicted, "label": holdout[schema.LABEL]}).to_csv(
        target / "predictions.csv", index=False
    )
    print(
        f"{len(holdout)} flights of the last {schema.HOLDOUT_DAYS} days: "
        + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    )


if __name__ == "__main__":
    main()
