"""The server as it is started by hand, with a certificate from its flags."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import httpx

from tests.processes import gone
from tests.service.api.certificates import Authority

COMMAND = (str(Path(sys.executable).with_name("buildplate")), "serve", "--port", "0")
PIPE = asyncio.subprocess.PIPE
UP_WITHIN_S = 60.0


async def greeted(process: asyncio.subprocess.Process) -> str:
    """Where the server says that it is."""
    assert process.stdout is not None
    async with asyncio.timeout(UP_WITHIN_S):
        while line := await process.stdout.readline():
            found = re.search(rb"runs at (\S+)", line)
            if found is not None:
                return found[1].decode()
    raise AssertionError(await process.communicate())


async def typed(*line: str) -> tuple[int | None, str]:
    """A command in a process of its own: its exit code, and what it says of trouble."""
    process = await asyncio.create_subprocess_exec(COMMAND[0], *line, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(UP_WITHIN_S):
            _, said = await process.communicate()
    finally:
        await gone(process)
    return process.returncode, said.decode()


async def test_the_server_answers_over_tls_from_its_flags(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    pair = authority.sign("farm")
    flags = ["--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--data-dir", str(tmp_path / "farm"), *flags, stdout=PIPE, stderr=PIPE
    )
    try:
        url = await greeted(process)
        assert url.startswith("https://")
        async with httpx.AsyncClient(verify=authority.trusting(), trust_env=False) as client:
            answer = await client.get(f"{url}/health", timeout=UP_WITHIN_S)
        assert answer.json()["status"] == "ok"
        assert "strict-transport-security" in answer.headers
        asked = ["--url", url, "--api-key", "bp_" + "x" * 43]
        _, known = await typed(*asked, "--ca", str(authority.cert), "status")
        assert "not known here" in known, "the certificate was believed, the key was not"
        code, unknown = await typed(*asked, "status")
        assert code == 3
        assert "certificate" in unknown.lower()
    finally:
        await gone(process)


async def test_a_certificate_that_cannot_be_used_ends_the_start_with_a_sentence(
    tmp_path: Path,
) -> None:
    pair = Authority(tmp_path, "ours").sign("farm")
    flags = ["--tls-cert", str(pair.key), "--tls-key", str(pair.cert)]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--data-dir", str(tmp_path / "farm"), *flags, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(UP_WITHIN_S):
            _, said = await process.communicate()
    finally:
        await gone(process)
    assert process.returncode == 1
    assert b"are no certificate and its key" in said
    assert b"Traceback" not in said
    assert not (tmp_path / "farm").exists()
