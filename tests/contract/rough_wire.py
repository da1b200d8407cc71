"""A bad stretch of cable in front of a TCP port.

Single bytes, spoilt bytes, or few at a time for a serial line; torn frames and stalls for the web.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

CHUNK = 4096
SPOILT_LINES = 0.015
SURELY, OF = 12, 25
"""Each way the twelfth of 25 lines is spoilt whatever the dice say: chance may leave a short print
alone."""
SLOW_CHUNK, SLOW_S = 60, 0.005
"""12 kB/s, as a line of 115,200 baud carries them."""

LONGEST_PIECE = 23
STALLS, STALL_S = 0.1, 0.4

Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter, random.Random], Awaitable[None]]


async def single_bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: random.Random
) -> None:
    """Each byte on its own."""
    while data := await reader.read(CHUNK):
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)


async def lossy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dice: random.Random
) -> None:
    """Now and then a byte of a line is lost, doubled or another one; never two in one line."""
    nth = 0
    while line := await reader.readline():
        nth += 1
        bad = nth % OF == SURELY or dice.random() < SPOILT_LINES
        writer.write(spoilt(line, dice) if bad else line)
        await writer.drain()


def spoilt(line: bytes, dice: random.Random) -> bytes:
    """The line with one byte lost, doubled, or with one of its bits turned over."""
    at = dice.randrange(len(line))
    kind, byte = dice.randrange(3), line[at]
    instead = (b"", bytes((byte, byte)), bytes((byte ^ (1 << dice.randrange(7)),)))[kind]
    return line[:at] + instead + line[at + 1 :]


async def slow(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: random.Random
) -> None:
    """Some bytes at a time, each lot after a while."""
    while data := await reader.read(SLOW_CHUNK):
        await asyncio.sleep(SLOW_S)
        writer.write(data)
        await writer.drain()


async def torn(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dice: random.Random
) -> None:
    """Pieces that begin and end anywhere: within a frame's head, within a letter of a text."""
    while data := await reader.read(CHUNK):
        at = 0
        while at < len(data):
            end = at + dice.randint(1, LONGEST_PIECE)
            writer.write(data[at:end])
            await writer.drain()
            await asyncio.sleep(0)
            at = end


async def stalling(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dice: random.Random
) -> None:
    """Now and then nothing comes for a while, and then all of it."""
    while data := await reader.read(CHUNK):
        if dice.random() < STALLS:
            await asyncio.sleep(STALL_S)
        writer.write(data)
        await writer.drain()


MANNERS: dict[str, Manner] = {"single bytes": single_bytes, "lossy": lossy, "slow": slow}
WEB_MANNERS: dict[str, Manner] = {"torn": torn, "stalling": stalling}


@asynccontextmanager
async def rough(
    target: tuple[str, int], manner: Manner, seed: int
) -> AsyncIterator[tuple[str, int]]:
    """The address of such a cable to `target`, for the block."""
    dice = random.Random(seed)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await manner(reader, writer, dice)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far, near = await asyncio.open_connection(*target)
        await asyncio.gather(carry(reader, near), carry(far, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()
