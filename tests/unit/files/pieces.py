"""Cutting a content into pieces, as a network does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


@st.composite
def cuts(draw: st.DrawFn, content: bytes) -> list[bytes]:
    """The content in random pieces, some of them empty."""
    places = draw(st.lists(st.integers(0, len(content)), max_size=12))
    bounds = [0, *sorted(places), len(content)]
    return [content[start:end] for start, end in pairwise(bounds)]


def bytewise(content: bytes) -> list[bytes]:
    """The content byte by byte."""
    return [content[place : place + 1] for place in range(len(content))]
