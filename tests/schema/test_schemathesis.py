"""Whatever is asked, by whomever: no 5xx, nothing undocumented, nothing beyond a role or group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildplate import __version__
from buildplate.api.application import openapi_document
from buildplate.api.illustrations import operations
from tests.schema.run import SHORT, WHOLE, Served, ask, served
from tests.schema.table import WHO, access_table

# A printer that is online and can do it, at that very moment: test_controls.py.
CONTROLS = (
    *("home", "jog", "extrude", "temperature", "fan", "speed", "macro", "z-offset", "gcode"),
    *("power", "exclude-object", "emergency-stop"),
)
NEEDS_LUCK = {
    # Tokens and passwords that no generator guesses: test_sessions.py, test_first_steps.py.
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/token"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/me/password"),
    ("POST", "/api/v1/setup"),
    # The protocol's version in a header, and an upload of one's own: test_uploads.py.
    ("POST", "/api/v1/uploads"),
    ("HEAD", "/api/v1/uploads/{upload_id}"),
    ("PATCH", "/api/v1/uploads/{upload_id}"),
    ("DELETE", "/api/v1/uploads/{upload_id}"),
    # A job whose copies have failed: test_jobs.py.
    ("POST", "/api/v1/jobs/{job_id}/retry"),
    # A printer that prints, or a print that asks for a person, at that very moment: test_prints.py.
    ("POST", "/api/v1/prints/{print_id}/confirm"),
    ("POST", "/api/v1/prints/{print_id}/pause"),
    ("POST", "/api/v1/prints/{print_id}/resume"),
    ("POST", "/api/v1/prints/{print_id}/resolve"),
    ("POST", "/api/v1/printers/{printer_id}/pause"),
    ("POST", "/api/v1/printers/{printer_id}/resume"),
    ("POST", "/api/v1/printers/{printer_id}/cancel"),
    ("POST", "/api/v1/printers/{printer_id}/assign"),
    ("GET", "/api/v1/commands/{command_id}"),
    # A printer that nobody has disconnected meanwhile: test_controls.py.
    ("GET", "/api/v1/printers/{printer_id}/equipment"),
    # A printer on which somebody else prints a file with a picture: test_printer_files.py.
    ("GET", "/api/v1/printers/{printer_id}/thumbnail"),
    *(("POST", f"/api/v1/printers/{{printer_id}}/{verb}") for verb in CONTROLS),
}
FEW = 0.25
"""So many of the other paths may find nothing that they could act on; all the others do."""


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "farm"
    folder.mkdir()
    with served(folder) as found:
        yield found


def everything() -> set[tuple[str, str]]:
    document = json.loads(json.dumps(openapi_document(__version__)))
    return {(method.upper(), path) for path, method, _ in operations(document)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", WHO)
def test_no_request_of_anybody_breaks_what_the_document_and_the_table_promise(
    farm: Served, tmp_path: Path, who: str
) -> None:
    run = ask(farm, who, tmp_path, *(WHOLE if who == "admin" else SHORT))
    assert not run.failed, run.said
    table = access_table()
    allowed = {call for call in everything() if table[call][who] != "–"}
    assert run.succeeded() <= allowed | {("GET", path) for _, path in allowed}
    worth = allowed - NEEDS_LUCK
    missed = worth - run.succeeded()
    print(f"{who}: {run.calls()} calls, {len(run.succeeded())} of {len(allowed)} paths did it")
    assert len(missed) <= FEW * len(worth), f"never met anything: {sorted(missed)}"
