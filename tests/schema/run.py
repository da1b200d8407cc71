"""One run of schemathesis as one caller, against a server of its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("beyond_its_role", "beyond_its_groups", "says_what_to_do")
THEIRS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
)
CONFIG = Path(__file__).with_name("schemathesis.toml")
BAD = 400
SHORT = ("--phases", "examples,fuzzing", "--max-examples", "4", "--generation-deterministic")
"""Each operation a few times, whatever the chance."""
WHOLE = ("--phases", "examples,coverage", "--max-examples", "2", "--generation-deterministic")
"""Each field of each operation at its bounds, beyond them, and missing."""


@dataclass(frozen=True, slots=True)
class Served:
    """A farm that listens, and the keys of its callers."""

    url: str
    keys: dict[str, str]


@contextmanager
def served(
    folder: Path, database: str | None = None, *, mischief: bool = False
) -> Iterator[Served]:
    """A server in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "tests.schema.server", str(folder)]
    command += ["--database", database] if database else []
    command += ["--mischief"] if mischief else []
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = process.stdout.readline()
            assert line, (folder / "server.log").read_text(encoding="utf-8")
            yield Served(**json.loads(line))
            process.stdin.close()
            assert process.wait(30) == 0
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of schemathesis ended: what it says, and its calls by method, path and status."""

    failed: bool
    said: str
    answered: list[tuple[str, str, int, int]]

    def calls(self) -> int:
        """How many calls were answered."""
        return sum(count for *_, count in self.answered)

    def succeeded(self) -> set[tuple[str, str]]:
        """The operations that did what they were asked for at least once."""
        return {(method, path) for method, path, status, _ in self.answered if status < BAD}


def ask(farm: Served, who: str, folder: Path, *more: str) -> Run:
    """Have schemathesis ask everything as one caller; `more` are its options."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(CONFIG), "run", f"{farm.url}/openapi.json"),
        *("--checks", ",".join((*THEIRS, *OURS)), "--continue-on-failure", "--no-shrink"),
        *("--warnings", "off", "--no-color", "--request-timeout", "20", *more),
    ]
    if who != "nobody":
        command += ["-H", f"X-Api-Key: {farm.keys[who]}"]
    answered = folder / "answered.json"
    run = {"url": farm.url, "who": who, "keeper": farm.keys["keeper"], "answered": str(answered)}
    environment = os.environ | {
        "BUILDPLATE_SCHEMA_RUN": json.dumps(run),
        "SCHEMATHESIS_HOOKS": "tests.schema.hooks",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1), said
    found = json.loads(answered.read_text(encoding="utf-8"))
    return Run(done.returncode == 1, said, [tuple(one) for one in found])
