"""The weekly files as the client needs them: rows of text, chosen and ordered by a seed."""

import csv
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from flights import schema

Row = dict[str, str]


@dataclass(frozen=True)
class Week:
    """What is sent as one week of traffic."""

    name: str
    """First day, or `shuffled-01` and so on."""
    rows: list[Row]


def files(folder: Path) -> dict[str, Path]:
    """Weekly files by their first day, oldest first."""
    found = {file.stem: file for file in sorted(folder.glob("*.csv"))}
    if not found:
        raise SystemExit(f"{folder} holds no weekly files (YYYY-MM-DD.csv)")
    return found


def chosen(file: Path, count: int, seed: int) -> list[Row]:
    """`count` rows of a file, in the order of departure; which ones depends on seed and ids."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    if len(rows) < count:
        raise SystemExit(
            f"{file.name} has {len(rows)} flights, but a week of traffic needs {count} (minLabels of "
            "the policy's quality trigger): lower minLabels, or build the image with more rows per week"
        )
    lottery = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row[schema.ID]}".encode()).digest())
    kept = {row[schema.ID] for row in lottery[:count]}
    return [row for row in rows if row[schema.ID] in kept]


def between(folder: Path, first: str, last: str, count: int, seed: int) -> list[Week]:
    """Weeks from `first` to `last`, both included, in the order of time."""
    names = [name for name in files(folder) if first <= name <= last]
    if not names:
        raise SystemExit(f"no weekly file is between {first} and {last} in {folder}")
    return [Week(name, chosen(folder / f"{name}.csv", count, seed)) for name in names]


def shuffled(weeks: list[Week], seed: int) -> list[Week]:
    """The same rows in as many weeks of the same sizes, but each week a mix of all times."""
    rows = [row for week in weeks for row in week.rows]
    random.Random(seed).shuffle(rows)
    mixed, start = [], 0
    for number, week in enumerate(weeks, 1):
        mixed.append(Week(f"shuffled-{number:02}", rows[start : start + len(week.rows)]))
        start += len(week.rows)
    return mixed
