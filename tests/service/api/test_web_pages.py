"""The built web UI is served as it was built, and leads nowhere else."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from buildplate.api import create_app
from buildplate.api.web_files import WebFiles
from buildplate.api.web_pages import WebPages, is_page
from tests.service.api.surface import Surface

PAGE = b"<!doctype html><title>Farm</title>"
SCRIPT = b"console.log('a farm')\n" * 20
BROTLI = b"what brotli made of it"  # the server never looks inside
PASSED_ON = b"the gate's answer"


async def gate(scope: Scope, receive: Receive, send: Send) -> None:
    """What lies behind the pages."""
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": PASSED_ON})


@pytest.fixture
def built(tmp_path: Path) -> Path:
    root = tmp_path / "web_dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_bytes(PAGE)
    (root / "theme.js").write_bytes(SCRIPT)
    (root / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (root / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT, mtime=0))
    (root / "assets" / "index-abc.js.br").write_bytes(BROTLI)
    (tmp_path / "secret.txt").write_text("not for anybody")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / ".vite").mkdir()
    (root / ".vite" / "manifest.json").write_text("not for anybody")
    (root / ".env").write_text("not for anybody")
    return root


def client_of(root: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(WebPages(gate, WebFiles(root)))
    return httpx.AsyncClient(
        transport=transport, base_url="http://farm", headers={"accept-encoding": "identity"}
    )


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(built) as found:
        yield found


ASSET = "/assets/index-abc.js"


@pytest.mark.parametrize("path", ["/", "/queue", "/printers/3", "/setup", "/settings/users/"])
async def test_an_address_of_the_ui_is_answered_with_its_page(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    own = {"script-src", "style-src", "font-src", "connect-src", "manifest-src", "worker-src"}
    assert {rules[name] for name in own} == {"'self'"}
    assert {rules[name] for name in ("frame-ancestors", "base-uri")} == {"'none'"}


async def test_a_worker_may_fetch_from_its_server_and_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    policy = (await client.get(ASSET)).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["connect-src"] == rules["script-src"] == "'self'"
    assert rules["default-src"] == "'none'"
    assert "sandbox" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/v1/nothing", "/docs", "/docs/try.js", "/redoc", "/openapi.json", "/health",
        "/health/detailed", "/metrics", "/octoprint/api/version", "/ws/status", "/media/x",
        "/ops/encrypt-data", "/machine/x", "/favicon.ico", "/queue/picture.png", "//evil/x.js",
    ],
)  # fmt: skip
async def test_what_is_not_the_uis_goes_on_to_the_gate(
    client: httpx.AsyncClient, path: str
) -> None:
    assert (await client.get(f"http://farm{path}")).content == PASSED_ON


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_pages_are_only_looked_at(client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, "/setup")).content == PASSED_ON


async def test_a_hashed_asset_is_kept_for_ever_and_the_page_never_unasked(
    client: httpx.AsyncClient,
) -> None:
    asset = await client.get(ASSET)
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (await client.get("/theme.js")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5, identity", "gzip"),
        ("br;q=0, gzip;q=1.0", "gzip"),
        ("br; q=0, *", "gzip"),
        ("*;q=0", None),
        ("zstd", None),
        ("gzip;q=rubbish", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_coding_that_the_browser_takes_is_sent(
    client: httpx.AsyncClient, accepted: str, coding: str | None
) -> None:
    async with client.stream("GET", ASSET, headers={"accept-encoding": accepted}) as answer:
        body = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert body == {"br": BROTLI, "gzip": gzip.compress(SCRIPT, mtime=0), None: SCRIPT}[coding]


async def test_every_coding_has_its_own_strong_etag(client: httpx.AsyncClient) -> None:
    tags = set()
    for accepted in ("br", "gzip", "identity"):
        tags.add((await client.head(ASSET, headers={"accept-encoding": accepted})).headers["etag"])
    assert len(tags) == 3
    assert f'"{hashlib.sha256(SCRIPT).hexdigest()[:32]}"' in tags


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_the_browser_has_is_not_sent_again(client: httpx.AsyncClient, form: str) -> None:
    tag = (await client.get("/queue")).headers["etag"]
    again = await client.get("/queue", headers={"if-none-match": form.format(tag)})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["cache-control"] == "no-cache"
    other = await client.get("/queue", headers={"if-none-match": '"another"'})
    assert other.status_code == 200


async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient) -> None:
    got, headed = await client.get(ASSET), await client.head(ASSET)
    assert headed.content == b""
    assert headed.headers == got.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
        "/assets/..%2f..%2fsecret.txt", "/out.txt", "//secret.txt", "/assets/%00", "/.",
        "/assets/index-abc.js.gz", "/assets/index-abc.js/", "/assets",
        "/.vite/manifest.json", "/.env",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_built_ui(built: Path, path: str) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    decoded = path.replace("%2e", ".").replace("%2f", "/").replace("%00", "\0")
    scope = {"type": "http", "method": "GET", "path": decoded, "headers": []}
    await WebPages(gate, WebFiles(built))(scope, receive, send)
    assert sent[0]["status"] in (401, 404)
    assert b"not for anybody" not in repr(sent).encode()


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/queue", 200), (ASSET, 200), ("/assets/old.js", 404)]
)
async def test_in_the_whole_app_pages_are_armoured_and_ask_for_no_key(
    surface: Surface, built: Path, path: str, status: int
) -> None:
    app = create_app(surface.app.state.rooms, WebFiles(built))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://farm") as nobody:
        answer = await nobody.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert (await nobody.get("/api/v1/jobs")).status_code == 401
        assert (await nobody.get("/favicon.ico")).status_code == 401


async def test_an_asset_of_an_older_build_says_to_load_the_page_again(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/assets/index-old.js")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "load its page again" in answer.json()["hint"]


@pytest.mark.parametrize(("path", "gone"), [("/queue", "index.html"), (ASSET, "assets")])
async def test_a_ui_that_was_built_anew_since_the_start_says_to_start_again(
    built: Path, path: str, gone: str
) -> None:
    async with client_of(built) as client:
        (built / gone).rename(built.parent / "gone")
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "Start the server again" in answer.json()["hint"]
        (built.parent / "gone").rename(built / gone)
        assert (await client.get(path)).status_code == 200


async def test_without_a_built_ui_the_first_page_says_how_to_build_it(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "make web" in answer.text
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert (await client.head("/")).content == b""
        for path in ("/queue", "/setup", "/assets/x.js"):
            assert (await client.get(path)).content == PASSED_ON


def test_pages_have_no_extension() -> None:
    assert is_page("/")
    assert is_page("/a.b/c")
    assert not is_page("/a/b.c")
    assert not is_page("/api")
    assert is_page("/apis")


@pytest.mark.parametrize("path", ["", "*", "queue"])
def test_what_is_no_path_is_no_page(path: str) -> None:
    assert not is_page(path)
