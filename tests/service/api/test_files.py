"""Print files over HTTP: what arrives is what is stored, and what cannot be printed is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import httpx
import pytest

from buildplate.access.model import Role
from buildplate.api import files
from tests.service.api.people import browser, user
from tests.service.api.surface import GCODE, Surface

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 60).decode()
PICTURE = f"; thumbnail begin 16x16 {len(PNG)}\n; {PNG}\n; thumbnail end\n".encode()


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def raw(surface: Surface, content: bytes, **headers: str) -> httpx.Response:
    named = {"x-filename": "a.gcode"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await surface.client.post("/api/v1/files", content=content, headers=named)


async def test_a_file_comes_back_as_it_was_uploaded(surface: Surface) -> None:
    content = GCODE.rstrip(b"\n")
    answer = await raw(surface, content, x_filename="W%C3%BCrfel%20%231.gcode")
    file = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/files/{file['id']}"
    assert (file["name"], file["size"]) == ("Würfel #1.gcode", len(content))
    assert (file["sha256"], file["state"]) == (hashlib.sha256(content).hexdigest(), "ready")
    fetched = await surface.client.get(f"/api/v1/files/{file['id']}/content")
    assert fetched.content == content
    assert fetched.headers["content-length"] == str(len(content))
    assert "W%C3%BCrfel" in fetched.headers["content-disposition"]
    assert (await surface.client.get(f"/api/v1/files/{file['id']}")).json() == file


async def test_a_form_s_file_is_the_same_as_the_raw_content(surface: Surface) -> None:
    first = await raw(surface, GCODE)
    answer = await surface.client.post("/api/v1/files", files={"file": ("b.gcode", GCODE)})
    assert (first.status_code, answer.status_code) == (201, 200)
    assert answer.json() == first.json()
    listed = (await surface.client.get("/api/v1/files")).json()["items"]
    assert listed == [first.json()]


@pytest.mark.parametrize("kind", ["raw", "form"])
async def test_the_announced_digest_is_checked(surface: Surface, kind: str) -> None:
    request = surface.client.build_request(
        "POST", "/api/v1/files", files={"file": ("b.gcode", GCODE)}
    )
    body = request.read() if kind == "form" else GCODE
    headers = {"content-type": request.headers["content-type"]} if kind == "form" else {}
    wrong = await raw(surface, body, content_digest=digest(b"other"), **headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "digest_mismatch")
    odd = await raw(surface, body, content_digest="sha-256=abc", **headers)
    assert (odd.status_code, odd.json()["code"]) == (422, "bad_digest")
    assert (await surface.client.get("/api/v1/files")).json()["items"] == []
    right = await raw(surface, body, content_digest=digest(body), **headers)
    assert right.status_code == 201


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b" \n\n", "empty_file"),
        (b" " * 600, "empty_file"),
        (b"PK\x03\x04" + b"x" * 600, "not_gcode"),
        (b'{"file_url": "http://x"}', "not_gcode"),
        (GCODE + b"; \xff\xff\n", "invalid_utf8"),
    ],
)
async def test_what_no_printer_could_execute_is_refused(
    surface: Surface, content: bytes, code: str
) -> None:
    answer = await raw(surface, content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await surface.client.get("/api/v1/files")).json()["items"] == []


async def test_a_body_that_is_neither_form_nor_named_is_refused(surface: Surface) -> None:
    bare = await surface.client.post("/api/v1/files", content=GCODE)
    assert (bare.status_code, bare.json()["code"]) == (422, "bad_multipart")
    assert "X-Filename" in bare.json()["hint"]
    other = await surface.client.post("/api/v1/files", files={"upload": ("a.gcode", GCODE)})
    assert (other.status_code, other.json()["code"]) == (422, "bad_multipart")


async def test_a_file_is_renamed_for_people(surface: Surface) -> None:
    file = await surface.file()
    path = f"/api/v1/files/{file['id']}"
    renamed = await surface.client.patch(path, json={"name": "../bracket v2.gcode"})
    assert renamed.json() == file | {"name": "bracket v2.gcode"}
    assert (await surface.client.patch(path, json={"name": "."})).json()["code"] == "bad_name"
    assert (await surface.client.patch(path, json={"state": "ready"})).status_code == 422


async def test_a_rename_names_the_version_it_is_made_against(surface: Surface) -> None:
    file = await surface.file()
    path = f"/api/v1/files/{file['id']}"
    tag = (await surface.client.get(path)).headers["etag"]
    first = await surface.client.patch(path, json={"name": "A.gcode"}, headers={"if-match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] == (await surface.client.get(path)).headers["etag"] != tag
    late = await surface.client.patch(path, json={"name": "B.gcode"}, headers={"if-match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "version_mismatch")
    assert (await surface.client.get(path)).json()["name"] == "A.gcode"
    free = await surface.client.patch(path, json={"name": "B.gcode"}, headers={"if-match": "*"})
    assert free.json()["name"] == "B.gcode"


async def test_of_renames_made_at_once_against_one_version_one_holds(surface: Surface) -> None:
    file = await surface.file()
    path = f"/api/v1/files/{file['id']}"
    tag = {"if-match": (await surface.client.get(path)).headers["etag"]}
    names = ["A.gcode", "B.gcode", "C.gcode"]
    answers = await asyncio.gather(
        *(surface.client.patch(path, json={"name": name}, headers=tag) for name in names)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


async def test_a_file_that_a_job_needs_stays(surface: Surface) -> None:
    job = await surface.job(hold=True)
    path = f"/api/v1/files/{job['file_id']}"
    refused = await surface.client.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "file_in_use")
    await surface.client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert (await surface.client.delete(path)).status_code == 204
    for gone in (path, f"{path}/content", f"{path}/analysis", f"{path}/thumbnail"):
        assert (await surface.client.get(gone)).json()["code"] == "file_not_found"
    assert (await surface.client.delete(path)).status_code == 404
    assert (await raw(surface, GCODE)).status_code == 201


async def test_what_the_content_says_is_shown(surface: Surface) -> None:
    file = (await raw(surface, GCODE)).json()
    analysis = (await surface.client.get(f"/api/v1/files/{file['id']}/analysis")).json()
    assert analysis == file["analysis"]
    assert analysis["print_box"]["max_x"] == 20
    assert analysis["has_thumbnail"] is False
    missing = await surface.client.get(f"/api/v1/files/{file['id']}/thumbnail")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_thumbnail")


async def test_the_slicer_s_picture_is_served_as_what_it_is(surface: Surface) -> None:
    file = (await raw(surface, PICTURE + GCODE)).json()
    picture = await surface.client.get(f"/api/v1/files/{file['id']}/thumbnail")
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.content == base64.b64decode(PNG)


async def test_who_sent_a_file_first_is_told_and_to_nobody_of_other_groups(
    surface: Surface,
) -> None:
    await user(surface, Role.OPERATOR)
    page = await browser(surface)
    sent = await page.post("/api/v1/files", content=GCODE, headers={"x-filename": "a.gcode"})
    assert sent.json()["sent_by"] == "user ann"
    again = (await raw(surface, GCODE)).json()
    assert (again["id"], again["sent_by"]) == (sent.json()["id"], "user ann")
    key = (await raw(surface, GCODE + b"; more\n")).json()
    assert key["sent_by"] == "key first admin"
    path = f"/api/v1/files/{again['id']}"
    renamed = await surface.client.patch(path, json={"name": "b.gcode"})
    assert renamed.json()["sent_by"] == "user ann"
    made = await surface.farm.keys.create("left", Role.OPERATOR, groups=frozenset({"left"}))
    async with surface.with_key(made.secret) as confined:
        for found in (
            (await confined.get(path)).json(),
            (await confined.get("/api/v1/files")).json()["items"][1],
        ):
            assert (found["id"], found["sent_by"]) == (again["id"], None)


async def test_a_picture_that_is_known_already_is_not_sent_again(surface: Surface) -> None:
    path = f"/api/v1/files/{(await raw(surface, PICTURE + GCODE)).json()['id']}/thumbnail"
    other = f"/api/v1/files/{(await raw(surface, PICTURE * 2 + GCODE)).json()['id']}/thumbnail"
    first = await surface.client.get(path)
    tag = {"if-none-match": first.headers["etag"]}
    again = await surface.client.get(path, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert (await surface.client.get(other, headers=tag)).status_code == 200
    await surface.client.delete(path.removesuffix("/thumbnail"))
    assert (await surface.client.get(path, headers=tag)).status_code == 404


async def test_a_file_tells_where_its_layers_begin(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = GCODE + b";LAYER_CHANGE\nG1 X5 E1\n;LAYER_CHANGE\nG1 X9 E1\n"
    path = f"/api/v1/files/{(await raw(surface, content)).json()['id']}/layers"
    found = await surface.client.get(path)
    first = content.index(b";LAYER")
    told = {"size": len(content), "starts": [first, content.rindex(b";LAYER")]}
    assert found.json() == told
    known = {"if-none-match": found.headers["etag"]}
    assert (await surface.client.get(path, headers=known)).status_code == 304
    monkeypatch.setattr(files, "VERSION", 2)
    assert (await surface.client.get(path, headers=known)).json() == told, "of another release"
    unmarked = f"/api/v1/files/{(await raw(surface, GCODE)).json()['id']}/layers"
    bare = await surface.client.get(unmarked, headers=known)
    assert bare.json() == {"size": len(GCODE), "starts": []}
    await surface.client.delete(path.removesuffix("/layers"))
    assert (await surface.client.get(path, headers=known)).json()["code"] == "file_not_found"


async def test_files_come_page_by_page_newest_first(surface: Surface) -> None:
    made = [(await raw(surface, GCODE + f"; {n}\n".encode())).json()["id"] for n in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await surface.client.get("/api/v1/files", params=query)).json()
        seen += [file["id"] for file in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1]


async def test_files_are_listed_by_field(surface: Surface) -> None:
    first = await surface.file(name="a.gcode")
    second = await surface.file(GCODE + b"; other\n", name="b.gcode")
    for query, wanted in (
        ("name=a.gcode", [first["id"]]),
        ("state=ready", [second["id"], first["id"]]),
        ("state=analysing", []),
        (f"sha256={second['sha256']}", [second["id"]]),
        (f"sha256={second['sha256']}&name=a.gcode", []),
    ):
        found = (await surface.client.get(f"/api/v1/files?{query}")).json()["items"]
        assert [file["id"] for file in found] == wanted, query
