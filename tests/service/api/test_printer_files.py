"""What a printer's host knows of the file in print, over HTTP: of others' files, not of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio

from buildplate.drivers.sdk import HostConfused, HostFile, Picture
from tests.gcode_samples import png
from tests.service.api.paper import PaperDriver, PaperHost
from tests.service.api.surface import Surface, open_surface

pytestmark = pytest.mark.asyncio(loop_scope="module")
THEIRS = HostFile(
    "shelf/vase.gcode",
    version="1",
    slicer="PrusaSlicer 2.7.4",
    estimated_s=5400.0,
    filament_mm=6120.5,
    filament_g=18.4,
    layers=120,
    layer_height=0.2,
    has_picture=True,
)
JPEG = b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x0b\x08\0\x20\0\x30 and so on"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surface]:
    """One farm for all of this."""
    async with open_surface(tmp_path_factory.mktemp("farm")) as found:
        yield found


async def prints_theirs(surface: Surface, name: str) -> tuple[PaperHost, str]:
    """A printer that prints what somebody began at it: its host, and its path."""
    printer = await surface.printer(name)
    host, path = surface.floor[name], f"/api/v1/printers/{printer['id']}"
    host.printed, host.picture = THEIRS, png(48, 48)
    await host.print_foreign(THEIRS.path)
    await surface.poll(f"{path}/state", lambda seen: seen["activity"] == "foreign")
    return host, path


async def test_the_file_in_print_is_told_as_far_as_its_host_knows_it(surface: Surface) -> None:
    _, path = await prints_theirs(surface, "told")
    file = (await surface.client.get(f"{path}/equipment")).json()["file"]
    known = {name: file[name] for name in ("name", "slicer", "estimated_s", "layers", "chamber_c")}
    assert known == {
        "name": "shelf/vase.gcode",
        "slicer": "PrusaSlicer 2.7.4",
        "estimated_s": 5400.0,
        "layers": 120,
        "chamber_c": None,
    }
    assert file["has_thumbnail"]
    assert not {"version", "path"} & file.keys()


async def test_its_picture_is_fetched_once_and_kept_by_its_tag(surface: Surface) -> None:
    host, path = await prints_theirs(surface, "picture")
    first = await surface.client.get(f"{path}/thumbnail")
    assert (first.status_code, first.content) == (200, host.picture)
    assert first.headers["content-type"] == "image/png"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    assert (await surface.client.get(f"{path}/thumbnail", headers=known)).status_code == 304
    tag = (await surface.client.get(f"{path}/equipment")).json()["file"]["tag"]
    tagged = await surface.client.get(f"{path}/thumbnail", params={"tag": tag})
    assert tagged.headers["cache-control"] == "private, max-age=86400"
    assert host.asked.count("picture") == 1

    host.printed, host.picture = replace(THEIRS, version="2"), JPEG
    other = await surface.client.get(f"{path}/thumbnail", headers=known)
    assert (other.status_code, other.content) == (200, JPEG)
    assert other.headers["content-type"] == "image/jpeg"
    old = await surface.client.get(f"{path}/thumbnail", params={"tag": tag})
    assert (old.status_code, old.json()["code"]) == (404, "no_printer_thumbnail")


@pytest.mark.parametrize("content", [b"<svg onload='x()'/>", b"GIF89a", b"<html>", b""])
async def test_nothing_but_a_png_or_a_jpeg_is_shown(surface: Surface, content: bytes) -> None:
    host, path = await prints_theirs(surface, f"no {content!r}")
    host.picture = content
    for _ in range(2):
        answer = await surface.client.get(f"{path}/thumbnail")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_printer_thumbnail")
    assert host.asked.count("picture") == 1, "it is not asked for again"


NO_PICTURES = [
    Picture(b"<script>x()</script>", "text/html"),
    Picture(png(8, 8) + bytes(33 << 20), "image/png"),
    Picture(
        png(1, 1).replace(b"IHDR\0\0\0\1\0\0\0\1", b"IHDR\0\0\xea\x60\0\0\xea\x60"), "image/png"
    ),
]


@pytest.mark.parametrize("given", NO_PICTURES, ids=["html", "33 MiB", "60000 pixels"])
async def test_what_no_browser_should_get_is_not_passed_on_whatever_the_driver(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, given: Picture
) -> None:
    _, path = await prints_theirs(surface, f"given {len(given.data)}")
    monkeypatch.setattr(PaperDriver, "picture", AsyncMock(return_value=given))
    answer = await surface.client.get(f"{path}/thumbnail")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_printer_thumbnail")


async def test_a_type_that_the_driver_claims_is_not_believed(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, path = await prints_theirs(surface, "claimed")
    claimed = Picture(host.picture, "text/html")
    monkeypatch.setattr(PaperDriver, "picture", AsyncMock(return_value=claimed))
    answer = await surface.client.get(f"{path}/thumbnail")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


async def test_a_picture_that_the_host_failed_to_give_is_asked_for_again(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, path = await prints_theirs(surface, "failed once")
    given = AsyncMock(side_effect=[HostConfused("it answered 503"), Picture.of(host.picture)])
    monkeypatch.setattr(PaperDriver, "picture", given)
    answers = [await surface.client.get(f"{path}/thumbnail") for _ in range(3)]
    assert [one.status_code for one in answers] == [404, 200, 200]
    assert given.await_count == 2


async def test_that_another_file_is_printed_by_now_says_nothing_of_the_first(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, path = await prints_theirs(surface, "overtaken")

    async def overtaken(_: PaperDriver, file: HostFile) -> None:
        host.printed = replace(file, path="next.gcode")

    with monkeypatch.context() as first:
        first.setattr(PaperDriver, "picture", overtaken)
        assert (await surface.client.get(f"{path}/thumbnail")).status_code == 404
    host.printed = THEIRS
    assert (await surface.client.get(f"{path}/thumbnail")).content == host.picture


async def test_who_asks_a_host_that_does_not_answer_waits_one_time_and_not_for_all_others(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, path = await prints_theirs(surface, "stalled")
    assert host.asked == []
    controls = surface.farm.controls
    short = replace(controls._parts.timings, request=0.3)
    monkeypatch.setattr(controls, "_parts", replace(controls._parts, timings=short))

    async def stall(_: PaperDriver, __: HostFile) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(PaperDriver, "picture", stall)
    begin = time.monotonic()
    verbs = [*["thumbnail"] * 8, "equipment"]
    answers = await asyncio.gather(*(surface.client.get(f"{path}/{verb}") for verb in verbs))
    assert {one.status_code for one in answers[:8]} == {409}
    assert time.monotonic() - begin < 8 * short.request


@pytest.mark.parametrize("written", ["{0}", "/{0}", "old/{0}", "{1}", "a\\{1}"])
async def test_a_printer_tells_nothing_of_a_file_of_ours(surface: Surface, written: str) -> None:
    host, path = await prints_theirs(surface, f"ours {written}")
    name = "bp-0192f0c1e9a77000a1b2c3d4e5f60718-1.gcode"
    host.printed = replace(THEIRS, path=written.format(name, name.upper()))
    await host.finish()
    await host.print_foreign(host.printed.path)
    assert (await surface.client.get(f"{path}/equipment")).json()["file"] is None
    assert (await surface.client.get(f"{path}/thumbnail")).status_code == 404
    assert "picture" not in host.asked


async def test_equipment_is_read_anew_when_another_print_begins(surface: Surface) -> None:
    host, path = await prints_theirs(surface, "next")
    assert (await surface.client.get(f"{path}/equipment")).json()["file"]["name"] == THEIRS.path
    host.printed = replace(THEIRS, path="next.gcode")
    await host.finish()
    await surface.poll(f"{path}/state", lambda seen: seen["activity"] == "idle")
    assert (await surface.client.get(f"{path}/equipment")).json()["file"]["name"] == "next.gcode"


async def test_a_device_that_was_just_switched_is_told_as_it_is(surface: Surface) -> None:
    printer = await surface.printer("switched")
    path = f"/api/v1/printers/{printer['id']}"
    before = (await surface.client.get(f"{path}/equipment")).json()["power"]
    asked = await surface.client.post(f"{path}/power", json={"device": "light", "on": False})
    command = f"/api/v1/commands/{asked.json()['command_id']}"
    await surface.poll(command, lambda seen: seen.get("state") == "answered")
    after = (await surface.client.get(f"{path}/equipment")).json()["power"]
    assert [before, after] == [
        [{"name": "light", "on": on, "locked": False}] for on in (True, False)
    ]


async def test_of_a_printer_out_of_reach_no_picture_is_known(surface: Surface) -> None:
    host, path = await prints_theirs(surface, "gone")
    await host.vanish()
    await surface.poll(f"{path}/state", lambda seen: seen["link"] == "offline")
    answer = await surface.client.get(f"{path}/thumbnail")
    assert (answer.status_code, answer.json()["code"]) == (409, "printer_not_online")
