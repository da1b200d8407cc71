"""Talking to a running server: one client, its errors as sentences, names as ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from buildplate.cli.failures import REFUSED, UNREACHABLE, USAGE, fail
from buildplate.cli.target import Target

if TYPE_CHECKING:
    import ssl

    import httpx

API = "/api/v1"
CONNECT_S = 5.0
ANSWER_S = 60.0
PAGE = 1000
HEALTHY_ANSWERS = (200, 503)
NOT_FOUND = 404
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER_OR_ID = re.compile(rf"\d{{1,15}}|{_ID.pattern}")


class Server:
    """The server's API, path by path. Every failure ends the command with its exit code."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url

    def get(self, path: str, **query: Any) -> Any:
        """What a path shows."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return self.call("GET", path, params=wanted)

    def find(self, path: str) -> Any:
        """What a path shows; None where there is nothing (yet)."""
        answer = self._answer("GET", API + path)
        if answer.status_code == NOT_FOUND:
            return None
        return answer.json() if answer.is_success else _refused(answer, self._url)

    def post(self, path: str, body: Any = None, **headers: str | None) -> Any:
        """What a path answers to a request to do something."""
        named = {k.replace("_", "-"): v for k, v in headers.items() if v is not None}
        return self.call("POST", path, json=body, headers=named)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """What is there after a change."""
        return self.call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """What is left after a deletion, usually nothing."""
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **request: Any) -> Any:
        """One request; the JSON it answers."""
        given = {name: value for name, value in request.items() if value is not None}
        answer = self._answer(method, API + path, **given)
        if answer.is_success:
            return answer.json() if answer.content else None
        return _refused(answer, self._url)

    def health(self) -> Any:
        """How each part of the server is, also where it is down."""
        answer = self._answer("GET", "/health/detailed")
        whole = answer.headers.get("content-type", "").startswith("application/json")
        if whole and answer.status_code in HEALTHY_ANSWERS:
            return answer.json()
        return _refused(answer, self._url)

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        import httpx

        try:
            return self._client.request(method, path, **request)
        except httpx.TimeoutException:
            return fail(f"{self._url} does not answer in time", WHERE, code=UNREACHABLE)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return fail(f"{self._url} cannot be reached: {error}", WHERE, code=UNREACHABLE)

    def fetch(
        self, path: str, target: BinaryIO, went: Callable[[int], None] = lambda _: None
    ) -> int:
        """Write what a path holds to a file, telling of each piece; its size in bytes."""
        import httpx

        try:
            with self._client.stream("GET", API + path) as answer:
                if not answer.is_success:
                    answer.read()
                    return int(_refused(answer, self._url))
                size = 0
                for piece in answer.iter_bytes():
                    size += target.write(piece)
                    went(len(piece))
                return size
        except httpx.TransportError as error:
            return fail(f"{self._url} cannot be reached: {error}", WHERE, code=UNREACHABLE)

    def every(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page."""
        cursor: str | None = None
        while True:
            found = self.get(path, limit=PAGE, cursor=cursor, **query)
            yield from found["items"]
            cursor = found["next_cursor"]
            if cursor is None:
                return

    def printer(self, reference: str) -> str:
        """The printer's id or number, where its name was given."""
        named = [str(found["id"]) for found in self.every("/printers", name=reference)]
        if _NUMBER_OR_ID.fullmatch(reference):
            self._only_one_is_meant(reference, named)
            return reference
        if named:
            return named[0]
        hint = "See them with: buildplate printer list"
        return fail(f"there is no printer named {reference}", hint)

    def named(self, kind: str, reference: str) -> str:
        """The id of the group or floor (`kind`) of this name; an id stays one."""
        named = [str(found["id"]) for found in self.every(f"/{kind}s", name=reference)]
        if named:
            return named[0]
        if _ID.fullmatch(reference):
            return reference
        hint = f"See them with: buildplate {kind} list"
        return fail(f"there is no {kind} named {reference}", hint)

    def printer_names(self) -> dict[str, str]:
        """The names of the printers in service, by id."""
        return {p["id"]: p["name"] for p in self.every("/printers")}

    def names_for(self, things: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """The names of the printers of prints, of retired ones too, by id."""
        names = self.printer_names()
        for printer in {thing["printer_id"] for thing in things} - names.keys() - {None}:
            names[printer] = f"{self.get(f'/printers/{printer}')['name']} (retired)"
        return names

    def _only_one_is_meant(self, reference: str, named: list[str]) -> None:
        """End where a number is another printer's name: clearing a wrong bed breaks machines."""
        if named and self.get(f"/printers/{reference}")["id"] not in named:
            detail = f"{reference} is one printer's number and another one's name"
            fail(detail, f"Name it by its id, or rename the other one, whose id is {named[0]}.")

    def file(self, reference: str) -> str:
        """The file's id, where its name was given: the newest of that name."""
        if _ID.fullmatch(reference):
            return reference
        for found in self.every("/files"):
            if found["name"] == reference:
                return str(found["id"])
        hint = "See them with: buildplate file list"
        return fail(f"there is no file named {reference}", hint)


WHERE = "Start it with: buildplate serve; or say where it is with --url or BUILDPLATE_URL."
NO_KEY = "Say it with --api-key or BUILDPLATE_API_KEY, or keep it with: buildplate login"


def _refused(answer: httpx.Response, url: str) -> Any:
    try:
        problem = answer.json()
        detail, hint = problem["detail"], problem["hint"]
    except (ValueError, KeyError, TypeError):
        message = f"{url} answers {answer.status_code}, and not as Buildplate does"
        return fail(message, WHERE, code=UNREACHABLE)
    for one in problem.get("errors", ())[1:]:
        detail += f"; {one['field']}: {one['detail']}"
    if problem.get("code") == "key_required":
        hint = NO_KEY
    return fail(detail, hint, code=REFUSED)


def _sendable(key: str) -> str:
    """The key; ends the command where it is none, such as the text that stood for one."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        fail("the API key has signs that no key has", NO_KEY, code=USAGE)
    return key


def _authority(path: Path) -> ssl.SSLContext:
    """What believes the certificates of this authority alone."""
    import ssl

    try:
        return ssl.create_default_context(cafile=path)
    except OSError:  # an SSLError is one
        return fail(f"{path} holds no certificate of an authority", code=USAGE)


@contextmanager
def server_of(context: typer.Context) -> Iterator[Server]:
    """The server that a command talks to."""
    import httpx

    target: Target = context.obj
    if target.data_dir is not None:
        detail = "this command needs a running server"
        known = "serve, key, user, key-file, db, doctor, backup, restore"
        fail(detail, f"Leave --data-dir out, or use it with: {known}.", code=USAGE)
    headers = {"user-agent": "buildplate"}
    if target.api_key:
        headers["x-api-key"] = _sendable(target.api_key)
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    # No proxy of the environment: the key would go through it.
    with httpx.Client(
        base_url=target.url,
        headers=headers,
        timeout=timeout,
        trust_env=False,
        verify=True if target.ca is None else _authority(target.ca),
    ) as client:
        yield Server(client, target.url)
