"""Reads the weekly files and splits them in time. Nothing here knows where it runs."""

from pathlib import Path

import pandas as pd

from flights import schema

TYPES = {
    schema.ID: "str",
    schema.SCHEDULED: "str",
    **{name: "str" for name in schema.CATEGORICAL},
    **{name: "int64" for name in schema.INTEGERS},
    **{name: "float64" for name in schema.WEATHER},
    schema.LABEL: "float64",
}


def read(folder: Path) -> pd.DataFrame:
    """All rows of the CSV files in `folder`, in the order of the files' names."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise SystemExit(f"{folder} holds no .csv file; the Dataset's source must hold weekly files")
    frames = []
    for file in files:
        try:
            frames.append(pd.read_csv(file, dtype=TYPES, usecols=list(schema.COLUMNS)))
        except ValueError as error:
            raise SystemExit(f"{file.name}: {error}; expected the columns {', '.join(schema.COLUMNS)}") from error
    return pd.concat(frames, ignore_index=True)


def age_in_days(rows: pd.DataFrame) -> pd.Series:
    """Days from each flight to the last day of the data, which is 0."""
    day = pd.to_datetime(rows[schema.SCHEDULED].str[:10])
    return (day.max() - day).dt.days


def holdout(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that score models: those of the last `HOLDOUT_DAYS`.

    A split in time: neighbouring flights share their weather, so a random one would look better
    than the weeks to come.
    """
    return rows[age_in_days(rows) < schema.HOLDOUT_DAYS]


def training(rows: pd.DataFrame, window_days: int) -> pd.DataFrame:
    """The rows to train on: those of the last `window_days` that are not held out."""
    age = age_in_days(rows)
    kept = rows[(age >= schema.HOLDOUT_DAYS) & (age < window_days)]
    if kept.empty:
        raise SystemExit(
            f"the data span {age.max() + 1} days: without the {schema.HOLDOUT_DAYS} held out none of "
            f"the last {window_days} is left to train on"
        )
    return kept
