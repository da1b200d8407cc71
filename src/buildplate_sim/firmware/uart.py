"""What a UART reads when the other side sends at another speed: sampled bit by bit."""

from __future__ import annotations

TOLERANCE = 0.04
"""Speeds that differ by less are read without an error, as by a real UART."""

BITS = 10
"""Start bit, eight data bits, stop bit."""


def same_speed(sent: float, read: float) -> bool:
    """Whether a UART at `read` baud understands one at `sent` baud."""
    return abs(sent / read - 1) < TOLERANCE


def misread(data: bytes, sent: float, read: float) -> bytes:
    """`data`, sent without a pause at `sent` baud, as one reads it who listens at `read` baud.

    A byte whose stop bit is missing (a framing error) is read as it was sampled.
    """
    if same_speed(sent, read):
        return data
    levels = _levels(data)
    per_bit = sent / read
    out, at = bytearray(), 0.0
    while (start := _falling(levels, at)) is not None:
        byte = 0
        for bit in range(8):
            byte |= _level(levels, start + (bit + 1.5) * per_bit) << bit
        out.append(byte)
        at = start + (BITS - 0.5) * per_bit
    return bytes(out)


def _levels(data: bytes) -> list[int]:
    """The line's level in each bit's time; high where nothing is sent."""
    levels = [1]
    for byte in data:
        levels.append(0)
        levels += [(byte >> bit) & 1 for bit in range(8)]
        levels.append(1)
    return levels


def _level(levels: list[int], at: float) -> int:
    index = int(at)
    return levels[index] if index < len(levels) else 1


def _falling(levels: list[int], at: float) -> float | None:
    """The next start of a start bit at or after `at`."""
    index = int(at)
    before = levels[index] if index < len(levels) else 1
    for place in range(index + 1, len(levels)):
        if before and not levels[place]:
            return float(place)
        before = levels[place]
    return None
