"""Puts weekly files into the Dataset's folder: what an airline's nightly export would do."""

import argparse
import os
import shutil
from pathlib import Path

from flights import weeks

WEEKS = Path("/data/weeks")


def put(source: Path, target: Path, until: str) -> list[str]:
    """Copies the weeks up to `until` (included) that are not there yet; returns their names.

    A file appears whole: whoever lists the folder meanwhile sees it complete or not at all."""
    added = []
    for name, file in weeks.files(source).items():
        place = target / file.name
        if name > until or place.exists():
            continue
        part = target / f".{file.name}.part"
        shutil.copyfile(file, part)
        os.replace(part, place)
        added.append(name)
    return added


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weeks", type=Path, default=WEEKS, help="folder with all weekly files")
    parser.add_argument("--output", type=Path, required=True, help="the Dataset's folder")
    parser.add_argument("--until", required=True, help="first day of the last week to put, YYYY-MM-DD")
    args = parser.parse_args()
    added = put(args.weeks, args.output, args.until)
    print(f"{len(added)} weeks added to {args.output}: {', '.join(added) or 'all were there'}")


if __name__ == "__main__":
    main()
