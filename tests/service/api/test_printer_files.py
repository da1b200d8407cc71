"""What a printer's host knows of the file in print, over HTTP: of others' files, not of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from buildplate.drivers.sdk import HostFile
from tests.gcode_samples import png
from tests.service.api.paper import PaperHost
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
JPEG = b"\xff\xd8\xff\xe0 and so on"


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
    assert (old.status_code, old.json()["code"]) == (404, "no_thumbnail")


@pytest.mark.parametrize("content", [b"<svg onload='x()'/>", b"GIF89a", b"<html>", b""])
async def test_nothing_but_a_png_or_a_jpeg_is_shown(surface: Surface, content: bytes) -> None:
    host, path = await prints_theirs(surface, f"no {content!r}")
    host.picture = content
    for _ in range(2):
        answer = await surface.client.get(f"{path}/thumbnail")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_thumbnail")
    assert host.asked.count("picture") == 1, "it is not asked for again"


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
