"""This node's right to command printers, and how long it may trust it without asking again."""

from __future__ import annotations

from collections.abc import Callable


class Lease:
    """A deadline on the boot-time clock: after it, nothing physical is sent before a renewal.

    On SQLite the process lock proves that no other owner lives, so a renewal only needs to find
    the lock still held; a node that was frozen still has to renew before its next command.
    """

    def __init__(self, life: float, clock: Callable[[], float], proof: Callable[[], bool]) -> None:
        self._life = life
        self._clock = clock
        self._proof = proof
        self._deadline = 0.0

    def renew(self) -> bool:
        """Extend the deadline if the proof holds; the clock is read before the proof."""
        before = self._clock()
        if not self._proof():
            return False
        self._deadline = before + self._life
        return True

    @property
    def lives(self) -> bool:
        """Whether a physical command may be sent now, without asking again."""
        return self._clock() < self._deadline

    def hold(self) -> bool:
        """Whether a physical command may be sent now, after a renewal if one is due."""
        return self.lives or self.renew()
