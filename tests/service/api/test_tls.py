"""The server behind TLS, behind proxies, and what its answers tell browsers."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from buildplate.api.armour import HEADERS
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.app.tls import TlsError, tls_context
from tests.service.api.certificates import Authority, Pair
from tests.service.api.surface import GCODE, Surface, listening


def settings(pair: Pair | None = None, **more: Any) -> Settings:
    files: dict[str, Any] = {} if pair is None else {"tls_cert": pair.cert, "tls_key": pair.key}
    return Settings(**files, **more, _env_file=None)


async def test_over_tls_everything_answers_and_browsers_are_told_to_stay_there(
    surface: Surface, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "ours")
    async with listening(surface, settings(authority.sign("farm"))) as port:
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            verify=authority.trusting(),
            headers={"x-api-key": surface.secret},
        ) as client:
            answer = await client.get("/health")
            assert answer.headers["strict-transport-security"] == "max-age=63072000"
            large = GCODE + b"; padding padding padding\n" * 50_000
            sent = await client.post(
                "/api/v1/files", content=large, headers={"x-filename": "large.gcode"}
            )
            assert sent.status_code == 201, sent.text
            assert sent.json()["size"] == len(large)
        with pytest.raises(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as plain:
                await plain.get(f"http://127.0.0.1:{port}/health")


async def test_without_tls_no_browser_is_told_to_use_it(surface: Surface) -> None:
    assert "strict-transport-security" not in (await surface.client.get("/health")).headers


async def test_an_old_tls_is_refused(surface: Surface, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    context = tls_context(settings(authority.sign("farm")))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_mutual_tls_lets_nobody_in_without_a_certificate_of_its_authority(
    surface: Surface, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    asked = settings(ours.sign("farm"), tls_client_ca=ours.cert)
    async with listening(surface, asked) as port:
        url = f"https://127.0.0.1:{port}/api/v1/jobs"
        headers = {"x-api-key": surface.secret}
        for client in (None, theirs.sign("stranger")):
            with pytest.raises(httpx.HTTPError):
                async with httpx.AsyncClient(verify=ours.trusting(client)) as outside:
                    await outside.get(url, headers=headers)
        async with httpx.AsyncClient(verify=ours.trusting(ours.sign("shop"))) as inside:
            assert (await inside.get(url, headers=headers)).status_code == 200
            assert (await inside.get(url)).status_code == 401, "a certificate is no key"


@pytest.mark.parametrize(
    "wrong", ["missing", "garbage", "another key", "locked key", "no authority"]
)
def test_a_wrong_certificate_is_told_in_words_before_anything_starts(
    tmp_path: Path, wrong: str
) -> None:
    authority = Authority(tmp_path, "ours")
    pair, more = authority.sign("farm"), dict[str, Any]()
    if wrong == "missing":
        pair.cert.unlink()
    elif wrong == "garbage":
        pair.cert.write_text("no certificate")
    elif wrong == "another key":
        pair = Pair(pair.cert, authority.sign("other").key)
    elif wrong == "locked key":
        pair = authority.sign("locked", password=b"a password")
    else:
        more = {"tls_client_ca": pair.key}
    with pytest.raises(TlsError) as told:
        tls_context(settings(pair, **more))
    assert str(tmp_path) in str(told.value)
    assert "PEM" in told.value.hint


def test_a_certificate_and_its_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="go together"):
        load_settings(tls_cert=tmp_path / "a.pem")
    with pytest.raises(SettingsError, match="mutual TLS needs"):
        load_settings(tls_client_ca=tmp_path / "a.pem")


@pytest.mark.parametrize(
    ("trusted", "believed"), [("", False), ("10.0.0.0/8", False), ("127.0.0.1, 10.1.0.0/16", True)]
)
async def test_only_a_trusted_proxy_may_say_whom_it_speaks_for(
    surface: Surface, caplog: pytest.LogCaptureFixture, trusted: str, *, believed: bool
) -> None:
    caplog.set_level("DEBUG", "http")
    forwarded = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
    async with (
        listening(surface, settings(trusted_proxies=trusted)) as port,
        httpx.AsyncClient(trust_env=False, headers={"x-api-key": surface.secret}) as client,
    ):
        with capture_logs() as lines:
            answer = await client.get(f"http://127.0.0.1:{port}/api/v1/jobs", headers=forwarded)
    assert answer.status_code == 200
    (line,) = [line for line in lines if line["event"] == "http"]
    assert (line["client"] == "203.0.113.7") is believed
    assert ("strict-transport-security" in answer.headers) is believed


def test_a_proxy_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDPLATE_TRUSTED_PROXIES", "10.0.0.1, everybody")
    with pytest.raises(SettingsError, match="everybody is neither an address nor a network"):
        load_settings()


async def test_every_answer_carries_the_headers_a_browser_needs(surface: Surface) -> None:
    async with surface.with_key(None) as nobody:
        for answer in (
            await nobody.get("/health"),
            await nobody.get("/api/v1/jobs"),
            await nobody.get("/docs"),
            await nobody.get("/openapi.json"),
            await surface.client.get("/api/v1/nothing"),
            await surface.client.get("/api/v1/printers"),
            await surface.client.post("/api/v1/jobs", json={}),
        ):
            for name, _ in HEADERS:
                assert len(answer.headers.get_list(name.decode())) == 1, (answer.url, name)
            assert answer.headers["x-content-type-options"] == "nosniff"
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "default-src 'none'" in policy
            assert not [
                part
                for part in policy.split(";")
                if part.strip().startswith("script-src") and "unsafe" in part
            ]
