"""What the log says, and what it must never say."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from buildplate.app.logs import set_up_logs


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("pretty", [True, False])
def test_a_traceback_shows_no_values_of_variables(
    capsys: pytest.CaptureFixture[str], *, pretty: bool
) -> None:
    set_up_logs("info", pretty=pretty)
    api_key = "-".join(reversed(["log", "the", "for", "not"]))
    try:
        int("no number")
    except ValueError:
        structlog.get_logger("test").exception("task.failed")
    said = capsys.readouterr().err
    assert "task.failed" in said
    assert api_key not in said
