"""Where the layers of print files begin: looked for when somebody asks, and kept for the next."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING

from buildplate.files.scan.layers import LayerMarks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

KEPT = 64
"""Contents whose layers are kept, each within 0.8 MB and mostly within 10 kB."""


class LayerShelf:
    """Reads one content at a time, however many ask: it takes the disk and a thread to do it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, array[int]] = OrderedDict()
        self._turn = asyncio.Lock()

    async def starts(
        self, sha256: str, read: Callable[[], AsyncGenerator[bytes, None]]
    ) -> Sequence[int]:
        """The bytes at which the layers of a content begin; raises what reading it raises."""
        if sha256 not in self._kept:
            async with self._turn:
                if sha256 not in self._kept:
                    self._kept[sha256] = await _look(read())
                    if len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
        self._kept.move_to_end(sha256)
        return self._kept[sha256]


async def _look(content: AsyncGenerator[bytes, None]) -> array[int]:
    marks = LayerMarks()
    async with aclosing(content) as pieces:
        async for piece in pieces:
            await asyncio.to_thread(marks.feed, piece)
    return array("Q", marks.starts())
