"""What a printer does with its time, and what share of it was work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from buildplate.core.printers import (
    Activity,
    Bed,
    Link,
    Printer,
    PrinterModel,
    PrinterSpec,
    PrinterStatus,
)
from buildplate.core.spells import Pastime, pastime, utilization

SPEC = PrinterSpec("p", 1, "Left", PrinterModel("Paper"))
READY = PrinterStatus(Link.ONLINE, Activity.IDLE, Bed.CLEAR, bed_version=1, starts=0)


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({}, {}, Pastime.IDLE),
        ({}, {"bed": Bed.OCCUPIED}, Pastime.WAITING),
        ({}, {"bed": Bed.UNKNOWN}, Pastime.WAITING),
        ({}, {"active_print_id": "x"}, Pastime.PRINTING),
        ({}, {"activity": Activity.OURS, "active_print_id": "x"}, Pastime.PRINTING),
        ({}, {"activity": Activity.PAUSED, "active_print_id": "x"}, Pastime.WAITING),
        ({}, {"active_print_id": "x", "needs_attention": True}, Pastime.WAITING),
        ({}, {"activity": Activity.FOREIGN}, Pastime.FOREIGN),
        ({}, {"activity": Activity.HALTED}, Pastime.WAITING),
        ({}, {"activity": Activity.HALTED, "powered": False}, Pastime.OFFLINE),
        ({}, {"activity": Activity.UNKNOWN}, Pastime.OFFLINE),
        ({}, {"link": Link.OFFLINE, "active_print_id": "x"}, Pastime.OFFLINE),
        ({}, {"link": Link.AUTH_REQUIRED}, Pastime.OFFLINE),
        ({"enabled": False}, {"link": Link.DISABLED}, Pastime.DISABLED),
        ({"maintenance": True}, {}, Pastime.DISABLED),
    ],
)
def test_each_moment_has_one_word(
    spec: dict[str, Any], status: dict[str, Any], expected: Pastime
) -> None:
    printer = Printer(replace(SPEC, **spec), replace(READY, **status))
    assert pastime(printer) is expected


def test_utilization_is_the_printing_share_of_the_working_time() -> None:
    seconds = {
        Pastime.PRINTING: 30.0,
        Pastime.FOREIGN: 10.0,
        Pastime.IDLE: 10.0,
        Pastime.WAITING: 5.0,
        Pastime.OFFLINE: 5.0,
        Pastime.DISABLED: 1000.0,
        Pastime.UNWATCHED: 1000.0,
    }
    assert utilization(seconds) == 0.5
    assert utilization({Pastime.DISABLED: 5.0}) is None
    assert utilization({Pastime.IDLE: 5.0}) == 0.0
