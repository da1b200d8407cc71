"""A small memory for what was looked up: bounded in size and age, and never staler than a change.

A change in this process holds at once; one made by another process after `seconds`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """Values by key, for `seconds`; at most `most` of them."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._changes = 0

    def __len__(self) -> int:
        return len(self._known)

    def known(self, key: str) -> T | None:
        """What is remembered, where it is fresh."""
        found = self._known.get(key)
        return found[1] if found is not None and monotonic() < found[0] else None

    async def find(self, key: str, look: Callable[[str], Awaitable[T | None]]) -> T | None:
        """What is remembered, or else looked up; only what was found is remembered."""
        found = self.known(key)
        if found is not None:
            return found
        before = self._changes
        fresh = await look(key)
        if fresh is not None and before == self._changes:
            self._known[key] = (monotonic() + self._seconds, fresh)
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return fresh

    def forget(self) -> None:
        """Something was changed: all is looked up anew, and what is being looked up is not kept."""
        self._changes += 1
        self._known.clear()
