"""More of it by hand: `python -m tests.schema [--examples 200] [--postgres] [--seed N] [WHO …]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests import postgres
from tests.schema.run import ask, served
from tests.schema.table import WHO


def main() -> int:
    """Exit code 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", nargs="*", default=WHO, metavar="WHO", help=", ".join(WHO))
    parser.add_argument("--examples", default="100", help="cases of each operation at most")
    parser.add_argument("--seed", default="1", help="repeats a run")
    parser.add_argument("--postgres", action="store_true", help="with PostgreSQL underneath")
    said = parser.parse_args()
    phases = ("--phases", "examples,coverage,fuzzing", "--max-examples", said.examples)
    found = False
    for who in said.who:
        with tempfile.TemporaryDirectory(prefix="buildplate-schema-") as name:
            folder = Path(name)
            (folder / "farm").mkdir()
            database = postgres.new_database(empty=True) if said.postgres else None
            with served(folder / "farm", database) as farm:
                run = ask(farm, who, folder, *phases, "--seed", said.seed)
            found |= run.failed
            print(run.said if run.failed else f"{who}: {run.calls()} calls, nothing found")
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
