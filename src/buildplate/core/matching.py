"""Give printers to prints, one each, so that nobody ahead in the queue loses one to those behind.

Prints are placed one after the other. If all printers of a print are taken, those who hold them
move aside to others of theirs where that frees one. So as many prints start as can, and a print is
left out only if those ahead of it need every printer it could have.

Printers are bits: of several free ones the lowest is taken, so the caller numbers the printers in
the order in which they are to be used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Matching:
    """Who holds which printer; `held` maps a print's place in the queue to its printer's bit."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.held: dict[int, int] = {}
        self._holder: dict[int, int] = {}
        self._can: dict[int, int] = {}
        self._dead = 0  # printers from which no chain of moves leads to a free one, ever again

    def place(self, who: int, can: int, rather_not: int = 0) -> bool:
        """Give `who` one of the printers in `can`, one in `rather_not` only if no other is free.

        Answers whether it got one; those who had one before still have one.
        """
        self._can[who] = can
        open_ = can & self.free
        if open_:
            self._give(who, open_ & ~rather_not or open_)
            return True
        return bool(can & ~self._dead) and self._move_aside(who)

    def widen(self, who: int, can: int) -> None:
        """Let a holder be moved to any printer in `can` from now on."""
        self._can[who] = can
        self._dead = 0

    def _give(self, who: int, choice: int) -> None:
        bit = (choice & -choice).bit_length() - 1
        self.free &= ~(1 << bit)
        self.held[who] = bit
        self._holder[bit] = who

    def _move_aside(self, who: int) -> bool:
        wanted_by: dict[int, int] = {}
        seen = self._dead
        asking = [who]
        for claimant in asking:
            reach = self._can[claimant] & ~seen
            seen |= reach
            if reach & self.free:
                self._pass_on(claimant, reach & self.free, who, wanted_by)
                return True
            for bit in bits(reach):
                wanted_by[bit] = claimant
                asking.append(self._holder[bit])
        self._dead = seen
        return False

    def _pass_on(self, claimant: int, choice: int, who: int, wanted_by: dict[int, int]) -> None:
        """Move along the chain, from the free printer back to the one who asked."""
        while claimant != who:
            left = self.held[claimant]
            self._give(claimant, choice)
            choice, claimant = 1 << left, wanted_by[left]
        self._give(who, choice)
