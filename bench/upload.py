"""U1: a 500 MB upload, hashed and fsynced, against OctoPrint and against the limit.

The limit receives, hashes, writes and fsyncs in one loop, and does nothing else. Counted is the
processor time of the server's own process; the analysis afterwards runs in a process of its own
and is measured on its own. BENCH_UPLOAD_BYTES changes the size.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.content import sliced
from bench.processes import forget_peak, own_cpu_seconds, peak_bytes, resident_bytes, running
from bench.rows import Row
from tests.integration.octoprint_host import PROGRAM, make_template, octoprint_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NAME = "U1 upload"
SIZE = int(os.environ.get("BENCH_UPLOAD_BYTES", "500000000"))
ROUNDS = 7
PATTERN = 32_000_000
SCANNED = 64_000_000
BOUNDARY = "bench-of-uploads"
LIMIT_PORT, SERVER_PORT = 15901, 15902


@dataclass
class Target:
    """Where to upload to, and what was measured there."""

    name: str
    pid: int
    port: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    multipart: bool = False
    cpu_s: list[float] = field(default_factory=list)
    grown: list[int] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """MB per CPU-second, the median of the rounds."""
        return SIZE / 1e6 / statistics.median(self.cpu_s)

    def times(self, other: Target) -> float:
        """How often the other's speed, the median of the rounds' ratios: rounds share a weather."""
        pairs = zip(other.cpu_s, self.cpu_s, strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


def run() -> list[Row]:
    """Measures, and returns the rows of the table."""
    folder = Path(tempfile.mkdtemp(prefix="bench-upload-", dir=os.environ.get("BENCH_FOLDER")))
    try:
        targets = {target.name: target for target in asyncio.run(_measure(folder))}
    finally:
        shutil.rmtree(folder)
    return [*_upload_rows(targets), *_analysis_rows(targets["raw"])]


def _upload_rows(targets: dict[str, Target]) -> Iterator[Row]:
    limit, raw, form = (targets[name] for name in ("limit", "raw", "multipart"))
    unit = "MB/CPU-s"
    yield Row("receive, hash, write, fsync: the limit", limit.speed, unit)
    yield Row("raw body", raw.speed, unit)
    yield Row("multipart", form.speed, unit)
    share = raw.times(limit)
    yield Row("raw body ÷ limit", share, "", "≥ 0.85", share >= 0.85)
    peer = targets.get("OctoPrint")
    if peer is not None:
        yield Row("OctoPrint, multipart", peer.speed, unit)
        times = form.times(peer)
        yield Row("multipart ÷ OctoPrint", times, "", "≥ 1.0", times >= 1)
    grown = max(raw.grown + form.grown) / 1e6
    yield Row("memory above idle, the most", grown, "MB", "≤ 8", grown <= 8)


def _analysis_rows(raw: Target) -> Iterator[Row]:
    scan = SCANNED / 1e6 / statistics.median(_scan_cpu_s() for _ in range(3))
    yield Row("analysis afterwards, in its own process", scan, "MB/CPU-s", "≥ 30", scan >= 30)
    yield Row("raw body with its analysis", 1 / (1 / raw.speed + 1 / scan), "MB/CPU-s")


async def _measure(folder: Path) -> list[Target]:
    pattern = memoryview(sliced(PATTERN))
    with ExitStack() as stack:
        targets = [_limit(folder, stack), *_buildplate(folder, stack)]
        async with _octoprint(folder) as peer:
            targets += peer
            await asyncio.to_thread(_rounds, targets, pattern)
    return targets


def _rounds(targets: list[Target], pattern: memoryview) -> None:
    for target in targets:
        _upload(target, pattern, PATTERN)  # imports, first allocations
    for _, target in itertools.product(range(ROUNDS), targets):
        idle, cpu = resident_bytes(target.pid), own_cpu_seconds(target.pid)
        forget_peak(target.pid)
        _upload(target, pattern, SIZE)
        target.cpu_s.append(own_cpu_seconds(target.pid) - cpu)
        target.grown.append(peak_bytes(target.pid) - idle)


def _limit(folder: Path, stack: ExitStack) -> Target:
    command = [sys.executable, "-m", "bench.receive_limit", str(folder), str(LIMIT_PORT)]
    return Target("limit", stack.enter_context(running(command, "ready")), LIMIT_PORT, "/")


def _buildplate(folder: Path, stack: ExitStack) -> list[Target]:
    program, data = str(Path(sys.executable).with_name("buildplate")), str(folder / "farm")
    add_key = [program, "--data-dir", data, "key", "add", "bench", "--role", "admin", "--json"]
    added = subprocess.run(add_key, check=True, capture_output=True)
    headers = {"X-Api-Key": json.loads(added.stdout)["key"], "X-Filename": "bench.gcode"}
    command = [program, "serve", "--port", str(SERVER_PORT), "--data-dir", data]
    pid = stack.enter_context(running(command, "Application startup complete"))
    return [
        Target("raw", pid, SERVER_PORT, "/api/v1/files", headers),
        Target("multipart", pid, SERVER_PORT, "/api/v1/files", headers, multipart=True),
    ]


@asynccontextmanager
async def _octoprint(folder: Path) -> AsyncIterator[list[Target]]:
    if not PROGRAM.exists():
        print("OctoPrint is not installed (make develop): measured without it")
        yield []
        return
    template = await make_template(folder / "template")
    async with octoprint_host(template, folder / "octoprint") as host:
        await host.api("POST", "/api/settings", {"gcodeAnalysis": {"runAt": "never"}})
        assert host.process is not None
        headers = {"X-Api-Key": host.api_key}
        path = "/api/files/local"
        yield [Target("OctoPrint", host.process.pid, host.port, path, headers, multipart=True)]


def _upload(target: Target, pattern: memoryview, size: int) -> None:
    """Uploads a content that is new to the server, and deletes it."""
    first = f"; {secrets.token_hex(8)}\n".encode()
    before, rest, after = first, size - len(first), b""
    headers = dict(target.headers)
    if target.multipart:
        disposition = 'form-data; name="file"; filename="bench.gcode"'
        opening = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
        before, after = opening.encode() + first, f"\r\n--{BOUNDARY}--\r\n".encode()
        headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    with socket.create_connection(("127.0.0.1", target.port)) as connection:
        length = len(before) + rest + len(after)
        connection.sendall(_head("POST", target.path, headers, length) + before)
        for start in range(0, rest, len(pattern)):
            connection.sendall(pattern[: min(len(pattern), rest - start)])
        connection.sendall(after)
        answer = _answer(connection)
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    _end_analyses(target.pid)
    _delete(target, answer)


def _delete(target: Target, answer: bytes) -> None:
    found = re.search(rb"\r\nlocation: *(?:http://[^/]+)?(/\S+)", answer, re.IGNORECASE)
    if found is None:
        return  # the limit keeps nothing
    with socket.create_connection(("127.0.0.1", target.port)) as connection:
        connection.sendall(_head("DELETE", found[1].decode(), target.headers, 0))
        gone = _answer(connection)
    assert gone.startswith(b"HTTP/1.1 204 "), gone


def _head(method: str, path: str, headers: dict[str, str], length: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"Content-Length: {length}", *(f"{name}: {text}" for name, text in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _answer(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def _end_analyses(pid: int) -> None:
    """Ends the scan that follows an upload: it would run into the next round."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)


def _scan_cpu_s() -> float:
    with tempfile.NamedTemporaryFile() as file:
        file.write(sliced(SCANNED))
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "buildplate.files.scan", file.name]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert found["print_box"]["max_x"] > 140
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
