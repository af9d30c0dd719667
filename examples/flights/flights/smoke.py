"""The test gate: sends known flights to the stage before and looks whether the answers are sane.

It asks for little on purpose: how good a model is, the evaluation says. This finds a server that
answers, but with rubbish: NaN, one and the same number, hours for a hop to Boston."""

import argparse
import math
import os
from pathlib import Path

from flights import feed, inference, weeks

ROWS = 20
SHORTEST, LONGEST = 15.0, 720.0
"""Minutes. No scheduled flight from New York in 2013 was outside."""


def problems(rows: list[weeks.Row], predictions: list[float]) -> list[str]:
    """What is wrong with the answers, in words."""
    found = [
        f"{row['id']} to {row['dest']}: {value} minutes is not between {SHORTEST:.0f} and {LONGEST:.0f}"
        for row, value in zip(rows, predictions, strict=True)
        if value is None or not math.isfinite(value) or not SHORTEST <= value <= LONGEST
    ]
    if found:
        return found
    near = min(range(len(rows)), key=lambda i: int(rows[i]["distance"]))
    far = max(range(len(rows)), key=lambda i: int(rows[i]["distance"]))
    if predictions[near] >= predictions[far]:
        found.append(
            f"{predictions[near]:.0f} minutes to {rows[near]['dest']} ({rows[near]['distance']} miles) is not less "
            f"than {predictions[far]:.0f} to {rows[far]['dest']} ({rows[far]['distance']} miles)"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--week", default="2013-02-22", help="the week that the flights are from")
    parser.add_argument("--weeks", type=Path, default=feed.WEEKS)
    args = parser.parse_args()
    rows = weeks.chosen(args.weeks / f"{args.week}.csv", ROWS, seed=0)
    endpoint = os.environ["MILLWRIGHT_ENDPOINT"]
    version = os.environ.get("MILLWRIGHT_VERSION", "?")
    try:
        predictions = inference.Client(endpoint).predict(f"smoke-v{version}", rows).predictions
    except inference.Unanswered as error:
        raise SystemExit(f"version {version} gave no answer: {error}") from error
    if found := problems(rows, predictions):
        raise SystemExit(f"version {version} at {endpoint} failed:\n" + "\n".join(found))
    print(
        f"version {version} at {endpoint}: {len(predictions)} sane answers, "
        f"{min(predictions):.0f} to {max(predictions):.0f} minutes"
    )


if __name__ == "__main__":
    main()
