"""A host on a simulated board's port that knows as little as one can: no code of ours reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import reduce
from operator import xor
from typing import Any

import pytest
import serialx

WITHIN_S = 8.0


class Terminal:
    """Reads everything that a board says and keeps it."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self.heard = b""
        self.number = 0

    async def read(self) -> None:
        """Listen until the port is gone."""
        with suppress(OSError, EOFError):
            while data := await self._reader.read(65536):
                self.heard += data

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def send(self, text: str) -> None:
        """A line with its number and sum."""
        self.number += 1
        self.write(numbered(self.number, text))

    def renumber(self) -> None:
        self.number = 0
        self.write(numbered(0, "M110 N0"))

    def forget(self) -> None:
        self.heard = b""

    @property
    def text(self) -> str:
        return self.heard.decode("latin-1").replace("\r", "")

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    async def until(self, wanted: str, within: float = WITHIN_S) -> str:
        """Wait until the board has said this; all it has said by then."""
        try:
            async with asyncio.timeout(within):
                while wanted not in self.text:
                    await asyncio.sleep(0.002)
        except TimeoutError:
            pytest.fail(f"no {wanted!r} in {self.text!r}")
        return self.text

    async def said(self, *wanted: str) -> None:
        """Wait for lines, in this order, others in between."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not _in_order(wanted, self.lines[:-1]):
                    await asyncio.sleep(0.002)
        except TimeoutError:
            pytest.fail(f"not {wanted} in {self.lines}")

    async def ask(self, line: str) -> str:
        """Send a bare line; all that was said until it was answered."""
        self.forget()
        self.write(line.encode() + b"\n")
        await self.answered()
        return self.text

    async def answered(self, times: int = 1) -> None:
        """Wait until so many `ok`s have been heard."""
        async with asyncio.timeout(WITHIN_S):
            while sum(line.startswith("ok") for line in self.lines[:-1]) < times:
                await asyncio.sleep(0.002)

    async def silent(self, seconds: float) -> None:
        """Nothing is said for so long."""
        before = self.heard
        await asyncio.sleep(seconds)
        assert self.heard == before


def numbered(number: int, text: str) -> bytes:
    body = f"N{number} {text}".encode()
    return body + b"*%d\n" % reduce(xor, body, 0)


def _in_order(wanted: tuple[str, ...], lines: list[str]) -> bool:
    left = iter(lines)
    return all(any(line == one for line in left) for one in wanted)


@asynccontextmanager
async def terminal(port: str, baud: int = 115200) -> AsyncIterator[Terminal]:
    """The port opened at this speed."""
    async with asyncio.timeout(WITHIN_S):
        reader, writer = await serialx.open_serial_connection(url=port, baudrate=baud)
    host = Terminal(reader, writer)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(host.read())
        try:
            yield host
        finally:
            listening.cancel()
            writer.close()
