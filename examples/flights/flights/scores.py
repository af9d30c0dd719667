"""How far predictions are from the truth, in the metrics' usual names."""

import numpy as np


def regression(predicted, true) -> dict[str, float]:
    """`mae` and `rmse` in the unit of the label, `r2` without one."""
    predicted, true = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    error = predicted - true
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": float(1 - (error**2).sum() / ((true - true.mean()) ** 2).sum()),
    }
