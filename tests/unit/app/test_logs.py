"""What the log says, and what it must never say."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from buildplate.api.log_levels import ROOMS, LogLevel, levels, set_levels
from buildplate.app import logs
from buildplate.app.logs import set_up_logs
from buildplate.app.redaction import HIDDEN, Redaction


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    set_levels(dict.fromkeys(ROOMS))


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


SHOWN = "its mate's" + '"abc'
KEY = "bp_" + "k" * 43


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("_logging_as_before")
def test_a_line_is_json_with_its_time_level_and_room(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("info", pretty=False)
    structlog.get_logger("fleet").warning("printer.link", printer_id="p1")
    (line,) = said(capsys)
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {
        "event": "printer.link",
        "level": "warning",
        "logger": "fleet",
        "printer_id": "p1",
    }


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize(
    "field",
    [
        {"api_key": "abc"},
        {"connection": {"url": "http://x", "password": "abc"}},
        {"headers": [{"Authorization": "abc"}]},
        {"error": f"refused {KEY} abc"[:-4]},
        {"error": "http://me:abc@printer/"},
        {"error": "the key learnt-abc was refused"},
        {"error": 'the "quoted\\" abc learnt'},
        {"error": 'it was pä"ss-abc'},
        {"error": f"it was {[SHOWN]!r}"},
        {"error": "went to http://me:pw@printer/abc?x"},
    ],
)
def test_no_secret_gets_into_a_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    field: dict[str, Any],
    *,
    pretty: bool,
) -> None:
    redaction = Redaction()
    redaction.learn("learnt-abc")
    redaction.learn('quoted\\" abc learnt')
    redaction.learn('pä"ss-abc')
    redaction.learn("its mate's\"abc")
    redaction.learn("http://me:pw@printer/abc")
    monkeypatch.setattr(logs, "REDACTION", redaction)
    set_up_logs("info", pretty=pretty)
    structlog.get_logger("fleet").info("something", **field)
    text = capsys.readouterr().err
    assert "something" in text
    assert "abc" not in text
    assert KEY not in text
    assert HIDDEN in text


@pytest.mark.usefixtures("_logging_as_before")
def test_no_secret_gets_into_a_traceback_or_into_the_lines_of_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    redaction = Redaction()
    redaction.learn("learnt-secret")
    monkeypatch.setattr(logs, "REDACTION", redaction)
    set_up_logs("info", pretty=False)
    try:
        raise ValueError("learnt-secret")  # noqa: TRY301 (a careless library)
    except ValueError:
        structlog.get_logger("fleet").exception("failed")
    logging.getLogger("some.library").warning("sending %s", "learnt-secret")
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "sending" in text
    assert "learnt-secret" not in text


def test_many_secrets_are_learnt_without_a_pattern_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redaction = Redaction()
    with monkeypatch.context() as forbidden:
        forbidden.setattr(re, "compile", None)
        for number in range(300):
            redaction.learn(f"secret-{number:03}")
    line = " ".join(f"secret-{number:03}" for number in range(300))
    assert redaction.text(line) == " ".join([HIDDEN] * 300)


def test_of_two_secrets_that_begin_alike_none_leaves_a_rest() -> None:
    redaction = Redaction()
    redaction.learn("abcdef")
    redaction.learn("abcdefghij")
    assert redaction.text("abcdefghij, abcdef") == f"{HIDDEN}, {HIDDEN}"


def test_what_is_no_secret_stays_readable() -> None:
    redaction = Redaction()
    redaction.learn("short")
    redaction.learn(12345678)
    line = {"secrets": 3, "key_name": "a1b2", "path": "/api/v1/keys", "printers": ["short"]}
    assert redaction.fields(None, "info", dict(line)) == line
    assert redaction.text("in short, 12345678") == "in short, 12345678"


@pytest.mark.usefixtures("_logging_as_before")
def test_a_rooms_level_changes_while_it_runs_and_no_other_rooms(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs("info", pretty=False)
    fleet, dispatch = structlog.get_logger("fleet"), structlog.get_logger("dispatch")
    assert set(levels().values()) == {LogLevel.INFO}
    set_levels({"fleet": LogLevel.DEBUG, "dispatch": LogLevel.ERROR})
    for log in (fleet, dispatch):
        log.debug("first")
        log.warning("second")
    set_levels({"fleet": None, "dispatch": None})
    for log in (fleet, dispatch):
        log.debug("third")
        log.info("fourth")
    assert [(line["logger"], line["event"]) for line in said(capsys)] == [
        ("fleet", "first"),
        ("fleet", "second"),
        ("fleet", "fourth"),
        ("dispatch", "fourth"),
    ]
