"""A cell is what it was, for every spreadsheet, and none is run as a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.api.spreadsheets import BOM, FORMULA, line

RUNS = tuple(mark for mark in FORMULA if not mark.isspace())
"""What a spreadsheet takes for the beginning of a formula, white space before it aside."""


def read(raw: bytes, delimiter: str = ",") -> list[list[str]]:
    text = io.StringIO(raw.decode(), newline="")
    return list(csv.reader(text, delimiter=delimiter))


def runs(raw: bytes, delimiter: str) -> list[str]:
    """The cells that a spreadsheet which splits at this would run."""
    cells = [cell for row in read(raw, delimiter) for cell in row]
    return [cell for cell in cells if cell.lstrip(" \t\r\n").startswith(RUNS)]


@pytest.mark.parametrize("begins", FORMULA)
def test_what_begins_as_a_formula_is_text(begins: str) -> None:
    assert read(line([f"{begins}1+1"])) == [[f"'{begins}1+1"]]
    assert read(line([f"  {begins}1+1"])) == [[f"'  {begins}1+1"]]


def test_numbers_stay_numbers_and_nothing_is_nothing() -> None:
    assert line([12, -3, None, "PLA"]) == b"12,-3,,PLA\r\n"


def test_marks_and_ends_of_lines_stay_in_their_cell() -> None:
    cells = ['40 "brackets"', "a,b", "two\nlines", "x;y", " wide "]
    assert read(line(cells) + line(["next"])) == [cells, ["next"]]


def test_the_beginning_says_that_it_is_utf8() -> None:
    assert (BOM + line(["Würfel"])).decode("utf-8-sig") == "Würfel\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "bracket;=1+1;b",
        "bracket; @SUM(1)",
        'bracket;"=1+1;b',
        "first line\n=1+1",
        "first line\r\n\t+1",
        "bracket\t-1",
        "bracket;＝1",  # noqa: RUF001
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_a_spreadsheet_that_splits_elsewhere_runs_nothing_either(text: str, delimiter: str) -> None:
    assert runs(line([12, text, "end"]), delimiter) == []


def test_what_only_looks_like_a_formula_further_on_stays_as_it_is() -> None:
    cells = ["a - b", "x=1", "a; b", "two\nlines", "mail@example.org"]
    assert read(line(cells)) == [cells]


MARKS = st.sampled_from([*FORMULA, ";", '"', "'", ",", " ", "a", "1"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text(MARKS)


@given(st.lists(TEXTS))
def test_no_text_of_anybodys_breaks_out_of_its_cell(cells: list[str]) -> None:
    raw = line([*cells, "end"])
    found = read(raw)
    assert len(found) == 1
    assert [one.replace("'", "") for one in found[0][:-1]] == [
        one.replace("'", "") for one in cells
    ]
    assert not any(one.startswith(FORMULA) for one in found[0])


@given(st.lists(TEXTS), st.sampled_from(";\t,"))
def test_nothing_of_anybodys_is_run_wherever_lines_are_split(
    cells: list[str], delimiter: str
) -> None:
    assert runs(line([12, *cells, "end"]), delimiter) == []
