"""What is shown of the names that people and programs give to files."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.files.naming import LONGEST, display_name


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("benchy.gcode", "benchy.gcode"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\C:\\farm\\part.gcode", "part.gcode"),
        ("folder/", "folder"),
        ("a\tb\r\n  c.gcode", "a b c.gcode"),
        ("we ird ünïcode#?.gcode", "we ird ünïcode#?.gcode"),
        ("evil\u202egcode.exe", "evilgcode.exe"),
        ("u\u0308ber.gcode", "über.gcode"),
        ("nul\0byte", "nulbyte"),
        ("..", ""),
        ("", ""),
        (" / ", ""),
    ],
)
def test_shows_the_last_part_of_a_name_without_what_cannot_be_seen(
    given_name: str, shown: str
) -> None:
    assert display_name(given_name) == shown


def test_a_long_name_keeps_its_ending() -> None:
    shown = display_name("x" * 500 + ".gcode")
    assert len(shown) <= LONGEST
    assert shown.endswith("x.gcode")


@given(st.text())
def test_any_name_becomes_one_short_visible_line_and_stays_that(name: str) -> None:
    shown = display_name(name)
    assert len(shown) <= LONGEST
    assert shown == shown.strip()
    assert not set(shown) & set("/\\\0\n\r\t")
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} for c in shown)
    assert display_name(shown) == shown
