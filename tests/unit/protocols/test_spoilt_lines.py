"""Whatever happens to one byte of a line: a firmware takes the line as it was meant, or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildplate.protocols.marlin import Dialect, guard_of, numbered
from buildplate_sim.firmware.dialect import Line, Setup
from buildplate_sim.firmware.dialects import DIALECTS

SMOOTHIE = "smoothie"
CODES = (b"G1 X10.5 Y2 E0.01234", b"M104 S0", b"G28", b"G92 E0", b"T0", b"M220 S100")
LAST = 16


def spoilt(line: bytes) -> Iterator[bytes]:
    """The line with each of its bytes lost, doubled, or with one bit of it turned over."""
    for at, byte in enumerate(line):
        yield line[:at] + line[at + 1 :]
        yield line[: at + 1] + line[at:]
        for bit in range(8):
            turned = byte ^ (1 << bit)
            if turned not in b"\r\n":
                yield line[:at] + bytes((turned,)) + line[at + 1 :]


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("code", CODES)
def test_one_spoilt_byte_never_makes_another_command(name: str, code: bytes) -> None:
    guard = guard_of(Dialect.SMOOTHIE if name == SMOOTHIE else Dialect.MARLIN2)
    meant = numbered(LAST + 1, code + guard).rstrip(b"\n")
    tried = 0
    for line in spoilt(meant):
        judged = DIALECTS[name](Setup()).judge(line, LAST)
        # Without its number it is no line of the stream: that is asked for again.
        if isinstance(judged, Line) and judged.number is not None:
            assert judged.text.partition(b";")[0].strip() == code, line
        tried += 1
    assert tried > 9 * len(meant)
