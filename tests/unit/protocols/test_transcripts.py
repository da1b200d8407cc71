"""Every dialect's own words mean what they mean: golden transcripts, one file a dialect.

A line that begins with `<` came from a printer, the `=` lines below it are what it says. After a
change that is meant: `python -m tests.unit.protocols.test_transcripts` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from buildplate.protocols.marlin import Conversation, Dialect, Heat, Reply, read_reply

FOLDER = Path(__file__).parent / "transcripts"
NAMES = ("marlin1", "marlin2", "prusa", "repetier", "smoothie")


def shown(reply: Reply) -> str:
    words = [type(reply).__name__]
    for field in fields(reply):
        value = getattr(reply, field.name)
        if field.name == "facts" or value in ("", None, False, ()):
            continue
        words.append(_shown(field.name, value))
    return " ".join(words)


def _shown(name: str, value: object) -> str:
    if isinstance(value, dict):
        return " ".join(
            f"{key}={one.actual:g}/{'' if one.target is None else f'{one.target:g}'}"
            if isinstance(one, Heat)
            else f"{key}={one:g}"
            for key, one in value.items()
        )
    return f"{name}={value}"


def golden(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("="):
            continue
        yield line
        if line.startswith("<"):
            yield from (f"= {shown(reply)}" for reply in read_reply(line[2:].encode()))


@pytest.mark.parametrize("name", NAMES)
def test_a_transcript_reads_as_it_did(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert list(golden(text)) == text.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_the_dialect_is_known_by_its_own_words(name: str) -> None:
    conversation = Conversation()
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("<"):
            conversation.receive(line[2:].encode() + b"\r\n", 0.0)
    assert conversation.dialect is Dialect(name)


@pytest.mark.parametrize("name", NAMES)
def test_single_bytes_and_one_piece_say_the_same(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    said = b"".join(line[2:].encode() + b"\n" for line in text.splitlines() if line.startswith("<"))
    whole, bytewise = Conversation(), Conversation()
    one = whole.receive(said, 0.0)
    many = [event for at in range(len(said)) for event in bytewise.receive(said[at : at + 1], 0.0)]
    assert one == many
    assert whole.oks == bytewise.oks > 0


if __name__ == "__main__":
    for each in NAMES:
        path = FOLDER / f"{each}.txt"
        path.write_text("\n".join(golden(path.read_text(encoding="utf-8"))) + "\n", "utf-8")
