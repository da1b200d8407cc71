"""What holds for every test: seeds are printed, in CI a skip is a failure, processes are ended."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import postgres
from tests.processes import StartedProcesses

if TYPE_CHECKING:
    from collections.abc import Generator

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
MAY_BE_SKIPPED_IN_CI = "needs_klipper"
# What an example takes is no property: a machine that does other things, too, makes it long.
settings.register_profile("buildplate", deadline=None)
settings.load_profile("buildplate")
STARTED = StartedProcesses()
STARTED.watch()


def pytest_report_header() -> str:
    return "skipped tests fail here (CI)" if IN_CI else "skipped tests are only reported (no CI)"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure in CI, where everything a test needs has been installed."""
    report = yield
    if item.get_closest_marker(MAY_BE_SKIPPED_IN_CI) is None:
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Fails the test that closes its loop over a process that has not ended."""
    try:
        yield
    finally:
        found = STARTED.left_behind()
        if found:
            pytest.fail("left behind: " + "\n".join(found), pytrace=False)


@pytest.fixture(autouse=True)
def _databases() -> Generator[None]:
    """Drops the PostgreSQL databases that the test made, after everything else of it ended."""
    yield
    postgres.drop_databases()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A fresh seed, printed with the test's output; BUILDPLATE_TEST_SEED repeats one."""
    given = os.environ.get("BUILDPLATE_TEST_SEED")
    value = int(given) if given else random.SystemRandom().randrange(2**32)
    print(f"seed of {request.node.name}: {value} (repeat with BUILDPLATE_TEST_SEED={value})")
    return value
