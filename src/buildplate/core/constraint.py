"""The shapes of a hard constraint: one of some values, one thing offered, a fit, an amount.

Each shape answers for one pair (`unmet`, with the reason in words) and, through `index`, for a
whole fleet at once as a set of bits. Both ask the same functions, so that explaining and planning
cannot disagree. Bit n of a set stands for the n-th printer of the fleet that was indexed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from buildplate.core.reasons import WaitReason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from buildplate.core.jobs import JobFacts
    from buildplate.core.printers import Printer
    from buildplate.core.reasons import Reason, Unblock

    Index = Callable[[JobFacts], int]
    Amount = tuple[int, float]

Need = TypeVar("Need", bound="Hashable")
Have = TypeVar("Have", bound="Hashable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint(ABC, Generic[Need]):
    """What a job needs of a printer, the reason where it is not met, and what helps then.

    `needs` gives what a job asks, each of which must be met; nothing means any printer will do.
    """

    code: Reason
    needs: Callable[[JobFacts], Sequence[Need]]
    say: Callable[[Sequence[Need], Printer], str]
    unblock: Callable[[Sequence[Need], Printer, JobFacts], Unblock]

    @abstractmethod
    def unmet(self, job: JobFacts, printer: Printer) -> list[Need]:
        """What the job asks and the printer does not offer."""

    @abstractmethod
    def index(self, fleet: Sequence[Printer]) -> Index:
        """Prepare to answer, for any job, which printers of the fleet meet the constraint."""

    def reason(self, job: JobFacts, printer: Printer) -> WaitReason | None:
        """Why the job cannot use the printer, or None where this constraint lets it."""
        unmet = self.unmet(job, printer)
        if not unmet:
            return None
        unblock = self.unblock(unmet, printer, job)
        return WaitReason(printer.id, self.code, self.say(unmet, printer), unblock)


def _bits_by_value(have: Callable[[Printer], Have], fleet: Sequence[Printer]) -> dict[Have, int]:
    bits: dict[Have, int] = {}
    for n, printer in enumerate(fleet):
        value = have(printer)
        bits[value] = bits.get(value, 0) | 1 << n
    return bits


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Constraint[frozenset[Have]], Generic[Have]):
    """A printer's value must be among those the job accepts."""

    have: Callable[[Printer], Have]

    def unmet(self, job: JobFacts, printer: Printer) -> list[frozenset[Have]]:
        """The accepted values, where the printer's is none of them."""
        have = self.have(printer)
        return [need for need in self.needs(job) if have not in need]

    def index(self, fleet: Sequence[Printer]) -> Index:
        """Look the accepted values up."""
        everyone = (1 << len(fleet)) - 1
        bits = _bits_by_value(self.have, fleet)

        needs = self.needs

        def meets(job: JobFacts) -> int:
            found = everyone
            for need in needs(job):
                accepted = 0
                for value in need:
                    accepted |= bits.get(value, 0)
                found &= accepted
            return found

        return meets


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers(Constraint[Need], Generic[Need, Have]):
    """What the job asks must be among the things a printer offers.

    Where `given` is set, only printers that offer that are judged: what else they lack is the
    matter of another constraint.
    """

    have: Callable[[Printer], frozenset[Have]]
    want: Callable[[Need], Have]
    given: Callable[[Need], Have] | None = None

    def unmet(self, job: JobFacts, printer: Printer) -> list[Need]:
        """What the job asks and the printer does not offer."""
        have = self.have(printer)
        given = self.given
        return [
            need
            for need in self.needs(job)
            if self.want(need) not in have and (given is None or given(need) in have)
        ]

    def index(self, fleet: Sequence[Printer]) -> Index:
        """Look up who offers it."""
        everyone = (1 << len(fleet)) - 1
        offered: dict[Have, int] = {}
        for things, printers in _bits_by_value(self.have, fleet).items():
            for thing in things:
                offered[thing] = offered.get(thing, 0) | printers

        def meets(job: JobFacts) -> int:
            found = everyone
            for need in self.needs(job):
                fitting = offered.get(self.want(need), 0)
                if self.given is not None:
                    fitting |= everyone & ~offered.get(self.given(need), 0)
                found &= fitting
            return found

        return meets


@dataclass(frozen=True, slots=True, kw_only=True)
class Suits(Constraint[Need], Generic[Need, Have]):
    """A printer's value must suit what the job asks, as `allows` judges."""

    have: Callable[[Printer], Have]
    allows: Callable[[Need, Have], bool]

    def unmet(self, job: JobFacts, printer: Printer) -> list[Need]:
        """What the job asks here and the printer's value does not suit."""
        have = self.have(printer)
        return [need for need in self.needs(job) if not self.allows(need, have)]

    def index(self, fleet: Sequence[Printer]) -> Index:
        """Judge each pair of different values once."""
        everyone = (1 << len(fleet)) - 1
        bits = _bits_by_value(self.have, fleet)
        judged: dict[Need, int] = {}

        def judge(need: Need) -> int:
            found = 0
            for have, printers in bits.items():
                if self.allows(need, have):
                    found |= printers
            judged[need] = found
            return found

        def meets(job: JobFacts) -> int:
            found = everyone
            for need in self.needs(job):
                known = judged.get(need)
                found &= judge(need) if known is None else known
            return found

        return meets


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffices(Constraint["Amount"]):
    """What a printer has of a thing, by key, must be at least what the job needs.

    An amount the printer does not know stands in nobody's way.
    """

    have: Callable[[Printer], Sequence[tuple[int, float | None]]]

    def unmet(self, job: JobFacts, printer: Printer) -> list[Amount]:
        """What the job needs more of than the printer has."""
        have = dict(self.have(printer))
        found = []
        for key, amount in self.needs(job):
            left = have.get(key)
            if left is not None and left < amount:
                found.append((key, amount))
        return found

    def index(self, fleet: Sequence[Printer]) -> Index:
        """Sort what is there by amount, so that one search answers."""
        everyone = (1 << len(fleet)) - 1
        stock: dict[int, list[tuple[float, int]]] = {}
        for n, printer in enumerate(fleet):
            for key, left in self.have(printer):
                if left is not None:
                    stock.setdefault(key, []).append((left, n))
        shelves = {key: _shelf(everyone, amounts) for key, amounts in stock.items()}

        def meets(job: JobFacts) -> int:
            found = everyone
            for key, amount in self.needs(job):
                shelf = shelves.get(key)
                if shelf is not None:
                    amounts, enough = shelf
                    found &= enough[bisect_left(amounts, amount)]
            return found

        return meets


def _shelf(everyone: int, stock: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Amounts in rising order, and for each place the printers that have at least as much."""
    stock.sort()
    enough = [everyone]
    for _, n in stock:
        enough.append(enough[-1] & ~(1 << n))
    return [amount for amount, _ in stock], enough
