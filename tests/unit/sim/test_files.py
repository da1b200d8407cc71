"""Names, histories and mixed uploads of the simulators; the demo's sample files."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from buildplate_sim.gcode import Does, scan
from buildplate_sim.octoprint.shelf import BadNameError, BadTypeError, Shelf, sanitised
from buildplate_sim.proxy.mixing import exchanged
from buildplate_sim.samples import CUBE, VASE, Sample, gcode, thumbnail, write_samples

if TYPE_CHECKING:
    from pathlib import Path


def store(shelf: Shelf, path: str, content: bytes) -> None:
    incoming = shelf.incoming()
    incoming.feed(content)
    shelf.keep(incoming, path, path, "me")


def test_names_lose_what_no_file_system_takes() -> None:
    assert sanitised("we ird ünïcode#?.gcode") == "we ird ünïcode#.gcode"
    for bad in ("", ".", ".."):
        with pytest.raises(BadNameError):
            sanitised(bad)


def test_uploads_stay_in_their_folder_and_are_printable(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.target("", "a/b.gcode") == "a/b.gcode"
    assert shelf.target("x/y", "c.gco") == "x/y/c.gco"
    with pytest.raises(BadNameError):
        shelf.target("", "../up.gcode")
    with pytest.raises(BadTypeError):
        shelf.target("", "model.txt")


def test_a_history_outlives_the_program_and_dies_with_its_file(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    store(shelf, "a.gcode", b"G28\n")
    shelf.log_print("a.gcode", success=True, seconds=12.5, date=1.0)
    shelf.log_print("a.gcode", success=False, seconds=None, date=2.0)
    again = Shelf(tmp_path)
    prints = again.entry(again.files["a.gcode"], "http://x")["prints"]
    assert prints == {"success": 1, "failure": 1, "last": {"date": 2.0, "success": False}}
    store(again, "a.gcode", b"G28\n")
    assert "prints" in again.entry(again.files["a.gcode"], "http://x")
    store(again, "a.gcode", b"G29\n")
    assert "prints" not in again.entry(again.files["a.gcode"], "http://x")
    again.remove("a.gcode")
    again.log_print("a.gcode", success=True, seconds=1.0, date=3.0)
    assert Shelf(tmp_path).files == {}


def test_an_upload_that_broke_off_leaves_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    broken = shelf.incoming()
    broken.feed(b"G28\n")
    broken.close()
    assert list(Shelf(tmp_path)._incoming.iterdir()) == []


def test_mixed_uploads_swap_their_files_and_keep_their_lengths() -> None:
    def body(name: bytes, content: bytes) -> bytearray:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name
        return bytearray(head + b'"\r\n\r\n' + content + b"\r\n--b--\r\n")

    one, two = exchanged(body(b"one", b"aaaa"), body(b"two", b"bbbbbb"))
    assert one == body(b"one", b"bbbb")
    assert two == body(b"two", b"aaaaaa")


@pytest.mark.parametrize("sample", [CUBE, VASE])
def test_a_sample_prints_as_long_as_it_says(sample: Sample) -> None:
    text = gcode(sample)
    said = re.search(r"; estimated printing time \(normal mode\) = (\d+)m (\d+)s", text)
    assert said is not None
    content = text.encode("ascii")
    program = scan(content, len(content))
    seconds = int(said[1]) * 60 + int(said[2])
    assert program.moving_s == pytest.approx(seconds, rel=0.15)
    assert {step.does for step in program.steps} == {Does.MOVE, Does.HEAT, Does.HEAT_AND_WAIT}
    assert re.search(r"; total layers count = \d+\n", text)
    assert re.search(r"; filament used \[g\] = \d+\.\d+\n", text)


@pytest.mark.parametrize("sample", [CUBE, VASE])
def test_a_sample_carries_a_thumbnail_that_is_a_png(sample: Sample) -> None:
    text = gcode(sample)
    block = re.search(r"; thumbnail begin 48x48 (\d+)\n(.*?); thumbnail end", text, re.DOTALL)
    assert block is not None
    encoded = block[2].replace("; ", "").replace("\n", "")
    assert len(encoded) == int(block[1])
    picture = base64.b64decode(encoded)
    assert picture == thumbnail(sample)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack("!II", picture[16:24]) == (48, 48)
    length = struct.unpack("!I", picture[33:37])[0]
    assert len(zlib.decompress(picture[41 : 41 + length])) == 48 * (48 * 4 + 1)


def test_samples_stay_on_a_bed_of_220_mm(tmp_path: Path) -> None:
    for path in write_samples(tmp_path):
        places = re.findall(r"^G[01] X([\d.]+) Y([\d.]+)", path.read_text(), re.MULTILINE)
        assert all(0 <= float(x) <= 220 and 0 <= float(y) <= 220 for x, y in places)
