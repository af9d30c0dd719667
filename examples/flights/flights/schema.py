"""What a row of the weekly files holds, shared by everything that reads, trains on or sends rows."""

MODEL_NAME = "flights-delay"
"""Name that the model server answers to: `/v2/models/flights-delay/infer`."""

ID = "id"
"""Unique over all rows: day, carrier, flight number and origin."""

SCHEDULED = "scheduled_departure"
"""RFC 3339 with New York's offset, so that the first ten characters are the local day."""

LABEL = "air_time"
"""Minutes in the air: known only after the flight has landed."""

CATEGORICAL = ("carrier", "origin", "dest")

INTEGERS = ("distance", "departure_minute", "weekday")
"""Miles; minutes since midnight, local; Monday is 0."""

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "visib")
"""At the origin in the hour of departure: degrees F, degrees F, %, degrees, mph, inches, miles.
A station that gave no value leaves the field empty."""

FEATURES = CATEGORICAL + INTEGERS + WEATHER

COLUMNS = (ID, SCHEDULED, *FEATURES, LABEL)

HOLDOUT_DAYS = 7
"""The last days of the data score models and train none: the trainer leaves them out and the
evaluation uses nothing else."""
