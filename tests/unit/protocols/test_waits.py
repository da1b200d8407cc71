"""A firmware is told to leave a wait for heat only where it cannot wait for a person instead."""

from __future__ import annotations

import pytest

from buildplate.protocols.marlin import numbered, waits_for_heat_alone


def sent(*codes: str) -> bytes:
    return b"".join(numbered(number, code.encode()) for number, code in enumerate(codes, 7))


@pytest.mark.parametrize(
    "codes",
    [
        ("M109 S200",),
        ("m190 s60", "G28"),
        ("M109 S200;",),
        ("M104 S200", "M105", "M190 S60", "M104 S200", "M109 S200", "M82", "G92 E0"),
        ("G1 Z5 F3000", "M191 S40", "M400", "M114"),
        (
            "M190 S60",
            "M302 P1",
            "M413 S0",
            "M486 S2",
            "M92 E400",
            "M593 X F40",
            "M211 S0",
            "M150 R9",
        ),
        ("M190 S60", "M145 S0", "M140 S60", "M155 S1", "M420 S1", "M569 S1"),
        ("M116",),
        ("M303 E0 S200 C8",),
    ],
)
def test_a_wait_for_heat_among_lines_that_wait_for_nobody(codes: tuple[str, ...]) -> None:
    assert waits_for_heat_alone(sent(*codes))


@pytest.mark.parametrize(
    "codes",
    [
        (),
        ("G1 X1", "M104 S200"),
        ("M600",),
        ("M600", "M109 S200"),
        ("M109 S200", "M600"),
        ("M109 S200", "M0"),
        ("M109 S200", "M862.3 P MK3S"),
        ("M109 S200", "START_PRINT"),
        ("M109 S200", "T1"),
        ("M109 S200", "G29"),
        ("M1090 S200",),
        ("M117 M109 S200",),
    ],
)
def test_what_may_wait_for_a_person_or_is_not_known_is_none(codes: tuple[str, ...]) -> None:
    assert not waits_for_heat_alone(sent(*codes))
