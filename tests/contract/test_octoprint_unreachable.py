"""A printer that cannot be reached, or is something else, says so as a person would."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.sdk import (
    AuthRequired,
    DriverError,
    DriverTimings,
    HostConfused,
    PrinterOffline,
)
from tests.contract.odd_octoprint import KEY, odd_octoprint
from tests.contract.scripted_host import Line, Script, answer, scripted_host
from tests.service.api.certificates import Authority

TIMINGS = DriverTimings(request=1.0)
RAW = re.compile(r"Errno|Error|Exception|SSL|HttpParser|errno|b'|Traceback")


async def told(url: str) -> DriverError:
    """What the driver says of this address; none of it is raw."""
    driver = DRIVER.make({"url": url, "api_key": KEY}, TIMINGS)
    try:
        with pytest.raises(DriverError) as caught:
            await driver.connect()
    finally:
        await driver.close()
    error = caught.value
    assert not RAW.search(f"{error} {error.hint}"), f"{error} {error.hint}"
    assert error.hint
    return error


@asynccontextmanager
async def answering(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async with scripted_host(*scripts, tls=tls) as host:
        yield f"127.0.0.1:{host.port}"


def saying(text: str) -> Script:
    async def script(line: Line) -> None:
        await line.head()
        await line.say(text)
        await line.hung_up()

    return script


async def mute(line: Line) -> None:
    await line.hung_up()


async def hangs_up(line: Line) -> None:
    await line.head()


async def test_a_port_on_which_nobody_listens_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = await told(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert isinstance(error, PrinterOffline)
    assert (error.code, "refuses the connection" in str(error)) == ("connection_refused", True)
    assert "port" in error.hint
    assert "ConnectionRefusedError" in error.cause, "the log has it as it was"


async def test_a_host_that_says_nothing_does_not_answer_in_time() -> None:
    async with answering(mute) as at:
        error = await told(f"http://{at}")
    assert isinstance(error, PrinterOffline)
    assert (error.code, str(error)) == ("no_answer", "no complete answer within 1 s")


async def test_a_name_that_nobody_knows_is_named_as_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await told("http://octopi.local")
    assert isinstance(error, PrinterOffline)
    assert (error.code, "name" in str(error)) == ("name_unknown", True)
    assert "IP address" in error.hint


async def test_a_certificate_of_a_stranger_is_not_trusted_and_the_way_out_is_told(
    tmp_path: Path,
) -> None:
    pair = Authority(tmp_path, "stranger").sign("printer")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    async with answering(saying(answer("hello")), tls=context) as at:
        error = await told(f"https://{at}")
    assert isinstance(error, PrinterOffline)
    assert (error.code, "certificate" in str(error)) == ("certificate_untrusted", True)
    assert "check of the certificate" in error.hint, "as the form calls the setting"


async def test_https_to_a_host_that_speaks_http_says_which_to_try() -> None:
    plain = "HTTP/1.1 400 Bad Request\r\n\r\n"

    async def script(line: Line) -> None:
        await line.say(plain)
        await line.hung_up()

    async with answering(script) as at:
        error = await told(f"https://{at}")
    assert isinstance(error, PrinterOffline)
    assert error.code == "tls_failed"
    assert "http://" in error.hint


async def test_a_connection_that_breaks_off_is_told_as_that() -> None:
    async with answering(hangs_up) as at:
        error = await told(f"http://{at}")
    assert isinstance(error, PrinterOffline)
    assert error.code == "connection_broken"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_in_our_words_whatever_the_host_says(status: int) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "Werkzeug says Forbidden"}, status=status)

    async with odd_octoprint(handlers={("GET", "/api/version"): refuse}) as octoprint:
        error = await told(octoprint.connection["url"])
    assert isinstance(error, AuthRequired)
    assert (error.code, str(error)) == ("key_refused", "the host refuses the API key")
    assert error.cause == "Werkzeug says Forbidden"
    assert "API key" in error.hint


@pytest.mark.parametrize(
    "said",
    [
        answer("<html>Router</html>"),
        answer("nothing here", "404 Not Found"),
        answer('{"text": "Moonraker"}'),
        answer('{"server": "1", "text": "something else"}'),
        answer("[]"),
    ],
)
async def test_something_else_at_the_address_is_no_octoprint(said: str) -> None:
    async with answering(saying(said)) as at:
        error = await told(f"http://{at}")
    assert isinstance(error, HostConfused)
    assert error.code == "not_octoprint"
    assert str(error) == "what answers at this address is not an OctoPrint"
    assert "browser" in error.hint
    assert error.cause, "the log says what answered"


async def test_what_speaks_no_http_is_told_as_that() -> None:
    async with answering(saying("SSH-2.0-OpenSSH_9.2\r\n")) as at:
        error = await told(f"http://{at}")
    assert isinstance(error, HostConfused)
    assert (error.code, str(error)) == ("not_http", "what answers there does not speak HTTP")


async def test_a_host_in_trouble_is_not_taken_for_something_else() -> None:
    """A proxy before an OctoPrint that is starting says 503: that is no other service."""
    async with answering(saying(answer("starting", "503 Service Unavailable"))) as at:
        error = await told(f"http://{at}")
    assert isinstance(error, HostConfused)
    assert error.code == "bad_answer"
    assert "503" in str(error)
    assert "starting" in error.hint
