"""HTTP with a printer's host: requests go out once, answers belong to theirs, all is bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from buildplate.drivers.sdk import FileUnreadable, HostConfused, PrinterOffline, web_connection
from buildplate.drivers.sdk.web_connection import HEAD_LIMIT, WebReply
from buildplate.drivers.sdk.web_host import CONNECTIONS, WebHost
from buildplate.drivers.sdk.web_route import NEXT_ADDRESS_S, WebAddress, WebRoute
from tests.contract.scripted_host import Line, Script, ScriptedHost, answer, scripted_host
from tests.service.api.certificates import Authority

# The hook that replaces the fixture would give every test of the project another name.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")

LIMIT = 1000
PATIENCE_S, LOADED_S = 20.0, 5.0
LOOPS = asyncio.DefaultEventLoopPolicy()
MANY = 64 << 20
BROKEN = "the disk is broken"


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Servers run on uvloop; what it does at the edges is not always what asyncio does."""
    return uvloop.EventLoopPolicy() if request.param == "uvloop" else LOOPS


@pytest.fixture(autouse=True)
async def silence() -> AsyncIterator[None]:
    """Nothing goes wrong where nobody awaits it."""
    wrong: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    yield
    await asyncio.sleep(0)
    assert wrong == []


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.sizes: list[int | None] = []
        self.content = bytearray()

    def begin(self, size: int | None) -> None:
        self.sizes.append(size)

    def take(self, piece: bytes) -> None:
        self.content += piece


@asynccontextmanager
async def talking(*scripts: Script) -> AsyncIterator[tuple[ScriptedHost, WebHost]]:
    async with asyncio.timeout(PATIENCE_S), scripted_host(*scripts) as host:
        client = host.client()
        try:
            yield host, client
        finally:
            await client.close()


def saying(*texts: str | bytes) -> Script:
    """Answers one request after the other with these bytes, then waits for the other end to go."""

    async def script(line: Line) -> None:
        for text in texts:
            await line.head()
            await line.say(text)
        await line.hung_up()

    return script


def cut_short(*texts: str | bytes) -> Script:
    """As `saying`, but hangs up after the last; an empty one is no answer at all."""

    async def script(line: Line) -> None:
        for text in texts:
            await line.head()
            await line.say(text)

    return script


async def read(client: WebHost, path: str = "api", limit: int = LIMIT) -> WebReply:
    return await client.send(client.request("GET", path), limit=limit)


@pytest.mark.parametrize(
    "said",
    [
        answer("hello"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\n" + answer("hello"),
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer("hello"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
async def test_an_answer_is_understood_however_it_is_cut(said: str, step: int) -> None:
    async def script(line: Line) -> None:
        await line.head()
        for nth in range(0, len(said), step):
            await line.say(said[nth : nth + step])
            await asyncio.sleep(0)
        await line.hung_up()

    async with talking(script) as (_, client):
        assert await read(client) == WebReply(200, b"hello")


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with talking(cut_short("HTTP/1.1 200 OK\r\n\r\nhello")) as (_, client):
        assert await read(client) == WebReply(200, b"hello")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
async def test_an_answer_that_breaks_off_is_none(said: str) -> None:
    async with talking(cut_short(said)) as (host, client):
        with pytest.raises(PrinterOffline):
            await read(client)
        assert host.connections == 1


@pytest.mark.parametrize(
    "said",
    [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        answer("x" * (LIMIT + 1)),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + "x" * (LIMIT + 1),
        "HTTP/1.1 200 OK\r\nX: " + "x" * (2 * HEAD_LIMIT),
        "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * HEAD_LIMIT,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + "x" * (2 * HEAD_LIMIT),
        "HTTP/1.1 100 Continue\r\n\r\n" * HEAD_LIMIT,
    ],
    ids=["ssh", "upgrade", "length", "long", "chunks", "header", "headers", "chunk", "hundreds"],
)
async def test_what_is_no_bounded_answer_is_refused(said: str) -> None:
    async with talking(saying(said)) as (_, client):
        with pytest.raises(HostConfused):
            await read(client)


async def test_a_body_in_crumbs_is_refused() -> None:
    crumbs = "1\r\nx\r\n" * (HEAD_LIMIT // 3)
    said = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{crumbs}"
    async with talking(saying(said)) as (_, client):
        with pytest.raises(HostConfused):
            await read(client, limit=MANY)


async def test_connections_are_kept_and_what_acts_has_its_own() -> None:
    heads: list[str] = []

    async def script(line: Line) -> None:
        while True:
            heads.append(await line.head())
            await line.say(answer())

    async with talking(script) as (host, client):
        for _ in range(3):
            await read(client)
        assert host.connections == 1
        order = client.request("POST", "start", kind="text/plain", size=0, apart=True)
        await client.send(order, limit=LIMIT)
        await client.send(order, limit=LIMIT)
        assert host.connections == 3
        assert len(client._idle) == 1
        await read(client)
        assert host.connections == 3
    told = heads[3].split("\r\n")
    assert told[0] == "POST /start HTTP/1.1"
    assert set(told[1:-2]) == {
        f"Host: 127.0.0.1:{host.port}",
        "X-Api-Key: secret",
        "Content-Type: text/plain",
        "Content-Length: 0",
        "Connection: close",
    }


async def test_a_connection_that_the_host_will_close_is_not_kept() -> None:
    async with talking(saying(answer("x", "200 OK", "Connection: close"))) as (host, client):
        await read(client)
        await read(client)
        assert host.connections == 2


async def test_a_read_on_a_connection_closed_meanwhile_is_made_again_once() -> None:
    async with talking(cut_short(answer("one"), ""), saying(answer("two"))) as (host, client):
        assert (await read(client)).body == b"one"
        assert (await read(client)).body == b"two"
        assert host.connections == 2


async def test_a_read_is_not_made_a_third_time() -> None:
    async with talking(cut_short(answer("one"), ""), cut_short("")) as (host, client):
        await read(client)
        with pytest.raises(PrinterOffline):
            await read(client)
        assert host.connections == 2


async def test_a_read_whose_answer_had_begun_is_not_made_again() -> None:
    async with talking(cut_short(answer("one"), "HTTP/1.1 200 OK\r\n")) as (host, client):
        await read(client)
        with pytest.raises(PrinterOffline):
            await read(client)
        assert host.connections == 1


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_what_changes_something_is_never_sent_twice(method: str) -> None:
    async with talking(cut_short(answer("one"), ""), saying(answer("two"))) as (host, client):
        await read(client)
        with pytest.raises(PrinterOffline):
            await client.send(client.request(method, "api", size=0), limit=LIMIT)
        assert host.connections == 1


@pytest.mark.parametrize("more", [answer("stolen"), "HTTP/1.1 200", "x"])
async def test_more_than_was_asked_for_answers_no_other_request(more: str) -> None:
    async with talking(saying(answer("one") + more), saying(answer("two"))) as (_, client):
        assert (await read(client)).body == b"one"
        assert (await read(client)).body == b"two"


async def test_what_comes_unasked_later_answers_no_other_request() -> None:
    said = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await line.say(answer("one"))
        await asyncio.sleep(0.05)
        await line.say(answer("stolen"))
        said.set()
        await line.hung_up()

    async with talking(script, saying(answer("two"))) as (_, client):
        await read(client)
        await said.wait()
        await asyncio.sleep(0.05)
        assert (await read(client)).body == b"two"


async def test_the_late_answer_to_one_who_has_gone_is_nobody_s() -> None:
    late = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await late.wait()
        await line.say(answer("late"))
        await line.hung_up()

    async with talking(script, saying(answer("two"))) as (host, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await read(client)
        late.set()
        assert (await read(client)).body == b"two"
        assert host.connections == 2


async def test_a_connection_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connection, "FORGOTTEN_S", 0.2)
    async with talking(saying(*[answer("one")] * 3)) as (host, client):
        await read(client)
        await read(client)
        assert host.connections == 1
        await asyncio.sleep(0.3)
        await read(client)
        assert host.connections == 2


async def pieces(count: int, size: int, sent: list[int]) -> AsyncGenerator[bytes, None]:
    for _ in range(count):
        sent.append(size)
        yield b"x" * size


async def test_a_body_arrives_whole() -> None:
    got: list[bytes] = []

    async def script(line: Line) -> None:
        await line.head()
        got.append(await line.body(MANY))
        await line.say(answer(status="201 Created"))
        await line.hung_up()

    async with talking(script) as (_, client):
        body = pieces(64, MANY // 64, [])
        reply = await client.send(client.request("POST", "up", size=MANY), body, limit=LIMIT)
    assert reply.status == 201
    assert got == [b"x" * MANY]


async def test_a_body_waits_for_a_host_that_does_not_read() -> None:
    sent: list[int] = []
    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await go_on.wait()
        await line.body(MANY)
        await line.say(answer())

    async with talking(script) as (_, client):
        request = client.request("POST", "up", size=MANY)
        body = pieces(1024, MANY // 1024, sent)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(client.send(request, body, limit=LIMIT))
            await asyncio.sleep(0.3)
            assert sum(sent) < MANY / 4
            go_on.set()
        assert sending.result().status == 200
        assert sum(sent) == MANY


async def test_a_host_that_refuses_a_body_early_is_heard() -> None:
    sent: list[int] = []

    async def script(line: Line) -> None:
        await line.head()
        await line.say(answer("too big", "413 Too Large"))
        await line.hung_up()

    async with talking(script) as (host, client):
        request = client.request("POST", "up", size=MANY * 64)

        async def body() -> AsyncGenerator[bytes, None]:
            async for piece in pieces(MANY, 64, sent):
                yield piece
                await asyncio.sleep(0.001)

        assert await client.send(request, body(), limit=LIMIT) == WebReply(413, b"too big")
        assert len(sent) < 1000
        await read_after(client, host)


async def test_a_refusal_is_heard_also_while_the_host_does_not_read() -> None:
    async def script(line: Line) -> None:
        await line.head()
        await asyncio.sleep(0.2)
        await line.say(answer("full", "507 Insufficient Storage"))
        await asyncio.sleep(0.2)
        await line.hung_up()

    async with talking(script) as (host, client):
        request = client.request("POST", "up", size=MANY)
        body = pieces(1024, MANY // 1024, [])
        assert await client.send(request, body, limit=LIMIT) == WebReply(507, b"full")
        await read_after(client, host)


async def test_a_connection_with_unsent_bytes_is_not_kept() -> None:
    """The answer comes after the last piece was taken and before it was sent."""

    async def script(line: Line) -> None:
        await line.head()
        await line.say(answer("early"))
        await asyncio.sleep(0.3)
        await line.hung_up()

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"x" * MANY

    async with talking(script) as (host, client):
        request = client.request("POST", "up", size=MANY)
        assert (await client.send(request, body(), limit=LIMIT)).body == b"early"
        await read_after(client, host)
        assert host.connections == 2


async def read_after(client: WebHost, host: ScriptedHost) -> None:
    """The connection with half a body on it is not used again."""
    host.scripts.append(saying(answer("next")))
    assert (await read(client)).body == b"next"


async def test_a_host_that_cuts_a_body_off_is_offline() -> None:
    async def script(line: Line) -> None:
        await line.head()
        await line.body(100)

    async with talking(script) as (host, client):
        request = client.request("POST", "up", size=MANY)
        with pytest.raises(PrinterOffline):
            await client.send(request, pieces(1024, MANY // 1024, []), limit=LIMIT)
        assert host.connections == 1


async def test_a_body_that_cannot_be_read_says_so_and_never_ends_well() -> None:
    ends: list[int] = []

    async def script(line: Line) -> None:
        await line.head()
        try:
            await line.body(200)
        except asyncio.IncompleteReadError as error:
            ends.append(len(error.partial))

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"x" * 100
        await asyncio.sleep(0.05)
        raise FileUnreadable(BROKEN)

    async with talking(script) as (_, client):
        with pytest.raises(FileUnreadable, match=BROKEN):
            await client.send(client.request("POST", "up", size=200), broken(), limit=LIMIT)
        while not ends:
            await asyncio.sleep(0.01)
    assert ends == [100]


async def test_a_long_answer_goes_where_it_is_wanted_and_a_refusal_does_not() -> None:
    text, got = "y" * (5 * LIMIT), Collected()
    early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    refusal = answer("not here", "404 Not Found")
    async with talking(saying(early + answer(text), refusal)) as (_, client):
        fetch = client.request("GET", "file")
        assert await client.send(fetch, limit=LIMIT, into=got) == WebReply(200, b"")
        assert await client.send(fetch, limit=LIMIT, into=got) == WebReply(404, b"not here")
    assert got.content.decode() == text
    assert got.sizes == [len(text)]


@pytest.mark.parametrize("where", ["begin", "take"])
async def test_an_error_of_who_takes_an_answer_is_told_as_it_is(where: str) -> None:
    def refuse(_: object) -> None:
        raise FileUnreadable(BROKEN)

    sink = Collected()
    setattr(sink, where, refuse)
    async with talking(saying(answer("yes"))) as (_, client):
        with pytest.raises(FileUnreadable, match=BROKEN):
            await client.send(client.request("GET", "file"), limit=LIMIT, into=sink)


async def test_no_more_connections_than_allowed_and_all_are_served() -> None:
    open_now, most = 0, 0

    async def script(line: Line) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await line.head()
        await asyncio.sleep(0.05)
        await line.say(answer("x", "200 OK", "Connection: close"))
        open_now -= 1

    async with talking(script) as (_, client):
        replies = await asyncio.gather(*(read(client) for _ in range(3 * CONNECTIONS)))
    assert len(replies) == 3 * CONNECTIONS
    assert most == CONNECTIONS


async def test_reads_that_hang_hold_up_no_command() -> None:
    async def script(line: Line) -> None:
        if "GET" in await line.head():
            await line.hung_up()
        await line.say(answer("done"))

    async with talking(script) as (host, client), asyncio.TaskGroup() as tasks:
        hanging = [tasks.create_task(_refused(client)) for _ in range(2 * CONNECTIONS)]
        while host.connections < CONNECTIONS:
            await asyncio.sleep(0.01)
        order = client.request("POST", "start", size=0, apart=True)
        assert (await client.send(order, limit=LIMIT)).body == b"done"
        assert not any(one.done() for one in hanging)
        await client.close()


@pytest.mark.parametrize("limit", [3, LIMIT])
async def test_an_answer_without_an_end_is_given_up_in_silence(limit: int) -> None:
    async with talking(saying("HTTP/1.0 200 OK\r\n\r\nhello")) as (_, client):
        with pytest.raises(HostConfused if limit < LIMIT else TimeoutError):
            async with asyncio.timeout(0.2):
                await read(client, limit=limit)


async def test_who_gives_up_while_connecting_leaves_nothing_behind() -> None:
    async with talking(saying(answer("one"))) as (_, client):
        for rounds in range(1, 9):
            for _ in range(5):
                async with asyncio.TaskGroup() as tasks:
                    reading = tasks.create_task(read(client))
                    for _ in range(rounds):
                        await asyncio.sleep(0)
                    reading.cancel()
        await asyncio.sleep(0.1)
        assert len(client._open) == len(client._idle)
        assert client._turns._value == CONNECTIONS


async def test_a_name_is_reached_by_the_address_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.2", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]  # now nobody gets in any more
        for one in filling:
            one.setblocking(False)  # noqa: FBT003 (socket's own signature)
            one.connect_ex(("127.0.0.2", port))
        async with talking(saying(answer("hello"))) as (host, _):
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            found = [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", host.port))]
            asked: list[str] = []
            loop = asyncio.get_running_loop()
            real = loop.getaddrinfo

            async def resolve(name: str, *more: Any, **named: Any) -> object:
                if name != "octopi.local":
                    return await real(name, *more, **named)
                asked.append(name)
                return found

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            client = WebHost(WebAddress("octopi.local", port), {})
            async with asyncio.timeout(NEXT_ADDRESS_S + LOADED_S):
                assert (await read(client)).body == b"hello"
                await client.send(client.request("POST", "x", apart=True), limit=LIMIT)
            assert asked == ["octopi.local"]
            await client.close()
        for one in filling:
            one.close()


async def test_a_farm_that_closes_while_it_connects_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with talking(saying(answer("hello"))) as (host, _):
        client = WebHost(WebAddress("localhost", host.port), {})
        reached, go_on = client.route._reached, asyncio.Event()

        async def slowly(_: WebRoute, loop: asyncio.AbstractEventLoop) -> socket.socket:
            found = await reached(loop)
            await go_on.wait()
            return found

        monkeypatch.setattr(WebRoute, "_reached", slowly)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_refused(client))
            await asyncio.sleep(0.1)
            await client.close()
            go_on.set()
        assert not client._open


async def _refused(client: WebHost) -> None:
    with pytest.raises(PrinterOffline, match="closed"):
        await read(client)


async def test_closing_ends_what_waits_and_refuses_what_comes() -> None:
    async def script(line: Line) -> None:
        await line.hung_up()

    async with talking(script) as (host, client):
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_refused(client))
            while not host.connections:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await client.close()
            await client.close()
        await _refused(client)
        assert not client._open


async def test_nothing_breaks_out_of_a_request() -> None:
    async with talking(saying(answer())) as (_, client):
        for path in ("a b", "a\r\nX: y", "a\0", "ä"):
            with pytest.raises(ValueError, match="printable ASCII"):
                client.request("GET", path)
        with pytest.raises(ValueError, match="printable ASCII"):
            client.request("POST", "a", kind="text\r\nX: y")


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid", "x" * 70 + ".local", "a..b"])
async def test_who_cannot_be_reached_is_offline(host: str) -> None:
    async with scripted_host(saying()) as made:
        port = made.port
    client = WebHost(WebAddress(host, port), {})
    with pytest.raises(PrinterOffline):
        await read(client)
    await client.close()


async def _tls_read(client: WebHost) -> WebReply:
    try:
        return await read(client)
    finally:
        await client.close()


async def test_a_certificate_is_checked_unless_a_person_says_no(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "stranger").sign("printer")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    async with scripted_host(saying(answer("hello")), tls=context) as host:
        with pytest.raises(PrinterOffline, match="certificate") as refused:
            await _tls_read(host.client(tls=True))
        assert "CERTIFICATE_VERIFY_FAILED" in refused.value.cause
        assert (await _tls_read(host.client(tls=True, verify_tls=False))).body == b"hello"
