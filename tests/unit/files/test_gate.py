"""What is refused while it is uploaded, and that the way it arrives does not matter."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.files.errors import EmptyFile, FileError, InvalidUtf8, NotGcode
from buildplate.files.gate import HEAD, GcodeGate
from tests.gcode_samples import png, square_tower
from tests.unit.files.pieces import bytewise, cuts

FRAGMENTS = st.sampled_from(
    [
        b"G1 X10 Y10 E1\n",
        b"; comment\n",
        "; größer\n".encode(),
        b"N12 G28*22\r\n",
        b"\n",
        b"PRINT_START\n",
        b"solid ",
        b"facet",
        b"\0",
        b"\xc3",
        b"\xbc",
        b"\xff\xfe",
        b"PK\x03\x04",
        b"\xef\xbb\xbf",
        b"x" * 600,
        b"\r",
        b" T1",
        b"m104 S200\n",
    ]
)


def verdict(pieces: list[bytes]) -> str:
    gate = GcodeGate()
    try:
        for piece in pieces:
            gate.feed(piece)
        gate.finish()
    except FileError as refused:
        return f"{refused.code}: {refused} {refused.hint}"
    return "accepted"


def a_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("3D/3dmodel.model", "<model/>")
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        square_tower(),
        b"G28",
        b"g28\n",
        b"  G28\n",
        b"N1 G28*18\n",
        b"T0\n",
        b"M104S200\n",
        b"\xef\xbb\xbfG28\n",
        "; größer als ∅ 3 mm\nG28\n".encode(),
        b"; " + b"x" * 5000 + b"\nG28\n",
        b"PRINT_START BED=60\nG1 X10\n",
    ],
)
def test_accepts_gcode(content: bytes) -> None:
    assert verdict([content]) == "accepted"
    assert verdict(bytewise(content)) == "accepted"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty_file", "empty"),
        (b" \r\n\t\n", "empty_file", "empty"),
        (b"\xef\xbb\xbf", "empty_file", "empty"),
        (b"GCDE\x01\x00\x00\x00", "not_gcode", "binary G-code"),
        (a_zip(), "not_gcode", "3MF"),
        (gzip.compress(b"G28\n", mtime=0), "not_gcode", "gzip"),
        (png(8, 8), "not_gcode", "picture"),
        (b"part" + b"\0" * 80 + b"G28\n", "not_gcode", "binary"),
        (b"solid cube\n facet normal 0 0 1\n", "not_gcode", "STL"),
        (b"G28\n" * 500 + b"\0", "not_gcode", "binary"),
        ("G28\n".encode("utf-16"), "not_gcode", "UTF-16"),
        (b"; just words\nhello\n", "not_gcode", "no G-code command"),
        (b"GHOST\nMILK\nTEA\n", "not_gcode", "no G-code command"),
        (b"; G1 X10\n", "not_gcode", "no G-code command"),
        (b"G28\n; gr\xf6\xdfer\n", "invalid_utf8", "UTF-8"),
        (b"G28\n" * 400 + b"; gr\xf6\xdfer\n", "invalid_utf8", "UTF-8"),
        (b"G28\n; cut off \xc3", "invalid_utf8", "UTF-8"),
        (b"G28\n; \xc3\0", "invalid_utf8", "UTF-8"),
        (b"G28\n; \xed\xa0\x80\n", "invalid_utf8", "UTF-8"),
    ],
)
def test_refuses_what_no_printer_could_execute_and_says_what_to_do(
    content: bytes, code: str, says: str
) -> None:
    whole = verdict([content])
    assert whole.startswith(f"{code}: ")
    assert says in whole
    assert verdict(bytewise(content)) == whole


@given(st.data(), st.lists(FRAGMENTS, max_size=8).map(b"".join))
def test_the_verdict_does_not_depend_on_the_pieces(data: st.DataObject, content: bytes) -> None:
    assert verdict(data.draw(cuts(content))) == verdict([content])


@given(st.binary(max_size=3 * HEAD))
def test_any_bytes_get_a_verdict(content: bytes) -> None:
    assert verdict([content]) == verdict(bytewise(content))


@given(st.text(max_size=300))
def test_any_text_with_a_command_is_accepted_unless_it_holds_a_nul(text: str) -> None:
    content = b"G28\n" + text.encode("utf-8", "ignore")
    expected = "not_gcode" if b"\0" in content else "accepted"
    assert verdict([content]).startswith(expected)


def test_a_character_cut_off_is_not_completed_by_a_later_piece() -> None:
    assert verdict([b"G28\n" * HEAD, b"\xc3", b"abc", b"\xbc\n"]).startswith("invalid_utf8")
    assert verdict([b"G28\n" * HEAD, b"\xc3", b"\xbc\n"]) == "accepted"


@pytest.mark.parametrize(("rest", "code"), [(b"\0\xff", "not_gcode"), (b"\xff\0", "invalid_utf8")])
def test_the_earlier_of_two_faults_decides(rest: bytes, code: str) -> None:
    content = b"G28\n" * HEAD + rest
    assert verdict([content]).startswith(code)
    assert verdict([content[:-1], content[-1:]]).startswith(code)


def test_refuses_before_the_end_has_come() -> None:
    gate = GcodeGate()
    gate.feed(b"G28\n" * HEAD)
    with pytest.raises(NotGcode):
        gate.feed(b"\0")
    gate = GcodeGate()
    gate.feed(b"G28\n" * HEAD)
    with pytest.raises(InvalidUtf8):
        gate.feed(b"\xff")
    with pytest.raises(EmptyFile):
        GcodeGate().finish()
