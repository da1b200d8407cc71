"""Layers are looked for once, whoever asks and however many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from buildplate.files import layering
from buildplate.files.layering import LayerShelf


class Store:
    """Contents, and how often each is read at a time and in all."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.at_once = self.most = 0

    async def content(self, name: str) -> AsyncGenerator[bytes, None]:
        self.read.append(name)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        yield f"G28 ; {name}\n;LAYER:0\n".encode()
        self.at_once -= 1


async def test_many_that_ask_at_once_have_each_content_read_once_and_one_at_a_time() -> None:
    store, shelf = Store(), LayerShelf()
    names = ["a", "b"] * 10
    found = await asyncio.gather(
        *(shelf.starts(name, lambda name=name: store.content(name)) for name in names)  # type: ignore[misc]
    )
    assert [list(starts) for starts in found] == [[8], [8]] * 10
    assert (sorted(store.read), store.most) == (["a", "b"], 1)


async def test_what_was_asked_for_longest_ago_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layering, "KEPT", 2)
    store, shelf = Store(), LayerShelf()
    for name in ("a", "b", "a", "c", "a", "b"):
        await shelf.starts(name, lambda name=name: store.content(name))  # type: ignore[misc]
    assert store.read == ["a", "b", "c", "b"]


async def test_a_content_that_cannot_be_read_is_tried_again() -> None:
    shelf, store = LayerShelf(), Store()

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"G28\n"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await shelf.starts("a", broken)
    assert list(await shelf.starts("a", lambda: store.content("a"))) == [8]
