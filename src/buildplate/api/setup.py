"""The first start: a one-time link, behind which the first administrator is made.

The page is plain HTML with a form, so that it works in every browser and runs no script.
"""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from buildplate.access.errors import AccessError, SetupDone
from buildplate.api.answers import Json
from buildplate.api.auth import MeOut, with_cookie
from buildplate.api.credentials import address_of
from buildplate.api.problems import status_of
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import Body, Word
from buildplate.api.users import NewPassword

router = APIRouter(tags=["setup"])
Token = Annotated[str, Field(min_length=1, max_length=100)]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


class SetupBody(Body):
    """The first administrator; `token` is the last part of the link that the server printed."""

    token: Token
    name: Annotated[Word, Field(max_length=100)]
    password: NewPassword


class SetupOut(BaseModel):
    """Whether the link would be taken."""

    open: bool


@router.get("/api/v1/setup", responses={200: {"model": SetupOut}})
async def look(rooms: AllRooms, token: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Say whether a set-up link still works."""
    return Json({"open": await rooms.access.users.setup_works(token)})


@router.post("/api/v1/setup", status_code=201, responses={201: {"model": MeOut}})
async def set_up(rooms: AllRooms, request: Request, body: SetupBody) -> Response:
    """Make the first administrator and log them in. The link works once."""
    address = address_of(request.scope)
    rooms.access.limits.login(address)
    await rooms.access.users.set_up(body.token, body.name, body.password)
    found = await rooms.access.sessions.login(body.name, body.password, address)
    return with_cookie(request, found, 201)


@router.get("/setup", include_in_schema=False)
async def page(rooms: AllRooms, token: Annotated[str, Query(max_length=100)] = "") -> Response:
    """The page that the link leads to."""
    if not await rooms.access.users.setup_works(token):
        return _html(SetupDone("this set-up link does not work, or not any more"))
    return HTMLResponse(_form(token, ""), headers=_HEADERS)


@router.post("/setup", include_in_schema=False)
async def submit(rooms: AllRooms, request: Request) -> Response:
    """Take the page's form."""
    sent = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
    token, name, password = (sent.get(field, [""])[0] for field in ("token", "name", "password"))
    try:
        found = await _made(rooms, request, token, name, password)
    except SetupDone as error:
        return _html(error)
    except AccessError as error:
        html = _form(token, f"{error}. {error.hint}")
        return HTMLResponse(html, status_of(type(error)), _HEADERS)
    answer = RedirectResponse("/docs", 303)
    answer.raw_headers += [(key, value) for key, value in found.raw_headers if key == b"set-cookie"]
    return answer


async def _made(rooms: Rooms, request: Request, token: str, name: str, password: str) -> Response:
    address = address_of(request.scope)
    rooms.access.limits.login(address)
    await rooms.access.users.set_up(token, name, password)
    return with_cookie(request, await rooms.access.sessions.login(name, password, address))


_HEADERS = {
    "content-security-policy": POLICY,
    # With no-referrer a browser would say `Origin: null` when it sends the form.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


def _html(error: SetupDone) -> Response:
    said = f"<p>{escape(str(error))}.</p><p>{escape(error.hint)}</p>"
    return HTMLResponse(_page(said), status_of(SetupDone), _HEADERS)


def _form(token: str, complaint: str) -> str:
    said = f"<p role=alert>{escape(complaint)}</p>" if complaint else ""
    return _page(
        f"""{said}<p>Choose how you will log in. You are the farm's first administrator.</p>
<form method=post action="/setup">
<input type=hidden name=token value="{escape(token)}">
<label>Name<br><input name=name required maxlength=100 autocomplete=username autofocus></label>
<label>Password, 10 characters or more<br>
<input name=password type=password required minlength=10 maxlength=200 autocomplete=new-password>
</label>
<button>Set up</button>
</form>"""
    )


def _page(body: str) -> str:
    return f"""<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Set up Buildplate</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 28rem; margin: 10vh auto; padding: 1rem }}
label, button {{ display: block; margin: 1rem 0 }}
input:not([type=hidden]) {{ font: inherit; width: 100%; padding: .5rem; box-sizing: border-box }}
button {{ font: inherit; padding: .6rem 1.2rem }}
</style>
<h1>Set up Buildplate</h1>
{body}
</html>
"""
