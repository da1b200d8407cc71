"""Printers are handed out so that nobody ahead loses one to those behind, and no one needlessly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.matching import Matching, bits

MASKS = st.lists(st.integers(0, 63), max_size=8)


def most(masks: list[int]) -> int:
    """The most of them that can have a printer each, found by trying everything."""
    if not masks:
        return 0
    first, *rest = masks
    with_first = [1 + most([mask & ~(1 << bit) for mask in rest]) for bit in bits(first)]
    return max([most(rest), *with_first])


@given(MASKS)
def test_a_print_is_left_out_only_if_those_ahead_need_every_printer_it_could_have(
    masks: list[int],
) -> None:
    matching = Matching(0b111111)
    placed: list[int] = []
    for who, mask in enumerate(masks):
        possible = most([*(masks[n] for n in placed), mask]) > len(placed)
        assert matching.place(who, mask) is possible
        if possible:
            placed.append(who)
    assert sorted(matching.held) == placed
    assert len(set(matching.held.values())) == len(placed)
    assert all(masks[who] >> bit & 1 for who, bit in matching.held.items())
    assert matching.free == 0b111111 & ~sum(1 << bit for bit in matching.held.values())


@given(MASKS, MASKS)
def test_holders_whose_choice_widens_later_still_make_room(
    first: list[int], second: list[int]
) -> None:
    matching = Matching(0b000111)
    placed = [who for who, mask in enumerate(first) if matching.place(who, mask & 0b000111)]
    for who in placed:
        matching.widen(who, first[who])
    matching.free |= 0b111000
    for who, mask in enumerate(second, len(first)):
        sure = [*first, *second]
        possible = most([*(sure[n] for n in matching.held), mask]) > len(matching.held)
        assert matching.place(who, mask) is possible
    assert set(placed) <= set(matching.held)


def test_the_lowest_free_printer_is_taken_but_not_one_to_be_avoided() -> None:
    matching = Matching(0b1111)
    matching.place(0, 0b1110, rather_not=0b0010)
    matching.place(1, 0b0011, rather_not=0b0011)
    assert matching.held == {0: 2, 1: 0}
