"""Which lines a firmware waits in: for heat, or, as far as anybody knows, for a person."""

from __future__ import annotations

import re

_HEAT = re.compile(rb"N\d+ M(?:109|116|19[0-3]|303)(?!\d)", re.IGNORECASE)
"""Nozzle, all heaters, bed, chamber, probe, cooler, and the tuning of a heater: M108 ends these."""
_NOBODY = re.compile(
    rb"N\d+ (?:G(?:[0-5]|1[01789]|2[018]|9[0-2])"
    rb"|M(?:7[35]|8[2-5]|92|10[4-7]|11[0478]|14[015]|15[05]|20[1-5]|211|22[01]|27|302|31|4(?:00|13|20)"
    rb"|486|569|593|900))(?![\d.])",
    re.IGNORECASE,
)
"""Moves, settings, questions and texts: at none of them a firmware waits for a person."""


def waits_for_heat_alone(lines: bytes) -> bool:
    """Whether one of these numbered lines waits for heat, and none may wait for a person.

    A line that is not known counts as one that may: M108, which ends a wait for heat, is also the
    answer of a person, and what a firmware does upon that is seen by nobody. It may work on any of
    the lines by the time that a byte reaches it.
    """
    heat = False
    for line in lines.split(b"\n"):
        if _HEAT.match(line):
            heat = True
        elif line and not _NOBODY.match(line):
            return False
    return heat
