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
from typing import Any

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
PHASES = "examples,coverage,fuzzing"
SEED = 20261127


@dataclass(frozen=True, slots=True)
class Served:
    """A farm that listens, and the keys of its callers."""

    url: str
    keys: dict[str, str]


@contextmanager
def served(folder: Path, database: str | None = None) -> Iterator[Served]:
    """A server in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "tests.schema.server", str(folder)]
    command += [database] if database else []
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


def ask(
    farm: Served, who: str, folder: Path, examples: int, *more: str, seed: int = SEED
) -> tuple[int, str]:
    """The exit code and the output of a run; `examples` bounds the cases of each operation."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(CONFIG), "run", f"{farm.url}/openapi.json", "--phases", PHASES, "--continue-on-failure"),
        *("--checks", ",".join((*THEIRS, *OURS)), "--no-shrink", "--warnings", "off"),
        *("--max-examples", str(examples), "--seed", str(seed), "--generation-deterministic"),
        *("--request-timeout", "20", "--no-color"),
        *("--report", "json", "--report-json-path", str(folder / "report.json"), *more),
    ]
    if who != "nobody":
        command += ["-H", f"X-Api-Key: {farm.keys[who]}"]
    run = {"url": farm.url, "who": who, "keeper": farm.keys["keeper"]}
    environment = os.environ | {
        "BUILDPLATE_SCHEMA_RUN": json.dumps(run),
        "SCHEMATHESIS_HOOKS": "tests.schema.hooks",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def report(folder: Path) -> dict[str, Any]:
    """What schemathesis wrote of a run."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found
