"""Answers while printers hang and files come in: 200 printers, 20 of them silent, 10 uploads.

The farm is served as people run it. 180 printers print; 20 accept connections and never answer,
from the moment on at which the measuring begins. Ten clients upload 50 MB each, again and again,
from a process of their own: first at the pace of a network of 1 Gbit/s that they share, then as
fast as loopback goes. Meanwhile one client asks for the status of the jobs, another for /health,
one request after the other with a pause in between.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import secrets
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import uvloop

from bench.rows import Row
from bench.served_farm import Served, add_printers, clear_all_beds, serving
from bench.simulated_farm import gcode
from buildplate_sim.launch import octoprints

if TYPE_CHECKING:
    from buildplate_sim.launch import Simulator

NAME = "answers while printers hang"
PORT = 15911
PRINTERS, HANGING, JOBS = 200, 20, 20
UPLOADS, UPLOAD_BYTES = 10, 50_000_000
SECONDS, PAUSE_S = 40.0, 0.02
WARM_S = 3.0
GIGABIT, PIECE = 125e6 / UPLOADS, 1 << 18
STATUS_MS, HEALTH_MS = 200.0, 1000.0
FOR_EVER = -1


def run() -> list[Row]:
    """Measures without hanging printers and uploads, with them, and with faster uploads."""
    calm, busy, flat_out = uvloop.run(_measure())
    status, health = _p(99, busy.status), max(busy.health)
    return [
        Row("status of a job, p50, nothing hangs, no uploads", _p(50, calm.status), "ms"),
        Row("status of a job, p99, nothing hangs, no uploads", _p(99, calm.status), "ms"),
        Row("status of a job, p50", _p(50, busy.status), "ms"),
        Row("status of a job, p99", status, "ms", "< 200", status < STATUS_MS),
        Row("status of a job, the slowest", max(busy.status), "ms"),
        Row("/health, p99", _p(99, busy.health), "ms"),
        Row("/health, the slowest", health, "ms", "< 1,000", health < HEALTH_MS),
        Row("status requests measured", len(busy.status), ""),
        Row("MB uploaded a second meanwhile", busy.uploaded_mb / SECONDS, "MB/s"),
        Row("status of a job, p99, uploads as fast as they go", _p(99, flat_out.status), "ms"),
        Row("/health, the slowest, uploads as fast as they go", max(flat_out.health), "ms"),
        Row("MB uploaded a second then", flat_out.uploaded_mb / SECONDS, "MB/s"),
    ]


@dataclass
class Answers:
    """How long answers took, in ms, and what was uploaded meanwhile."""

    status: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    uploaded_mb: float = 0.0


def _p(percent: int, values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


async def _measure() -> tuple[Answers, Answers, Answers]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with octoprints(folder / "printers", count=PRINTERS, time_factor=1.0) as simulator:
            with serving(folder / "farm", PORT) as farm:
                async with farm.http() as http:
                    await add_printers(http, simulator.printers)
                    await clear_all_beds(http)
                    jobs = await _all_print(http)
                    calm = await _ask(http, jobs, SECONDS / 3)
                    await _hang(simulator)
                    busy = await _ask_while_uploading(http, farm, jobs, GIGABIT)
                    return calm, busy, await _ask_while_uploading(http, farm, jobs, None)


async def _ask_while_uploading(
    http: aiohttp.ClientSession, farm: Served, jobs: list[str], pace: float | None
) -> Answers:
    with _uploading(farm, pace) as sent:
        await asyncio.sleep(WARM_S)
        before = sent.value
        found = await _ask(http, jobs, SECONDS)
        found.uploaded_mb = (sent.value - before) / 1e6
    return found


async def _all_print(http: aiohttp.ClientSession) -> list[str]:
    """Jobs whose prints run on every printer, for longer than this lasts; their ids."""
    head = {"X-Filename": "long.gcode"}
    async with http.post("/api/v1/files", data=gcode(7200), headers=head) as answer:
        file_id = (await answer.json())["id"]
    jobs = []
    for _ in range(JOBS):
        body = {"file_id": file_id, "copies": PRINTERS // JOBS}
        async with http.post("/api/v1/jobs", json=body) as answer:
            jobs.append((await answer.json())["id"])
    async with asyncio.timeout(120):
        while await _printing(http) < PRINTERS:
            await asyncio.sleep(1.0)
    return jobs


async def _printing(http: aiohttp.ClientSession) -> int:
    async with http.get("/health") as answer:
        found: int = (await answer.json())["printers"]["printing"]
        return found


async def _hang(simulator: Simulator) -> None:
    """From now on some accept connections and never answer; their sockets say nothing more."""
    for one in simulator.printers[:HANGING]:
        await simulator.admin.rule(one["name"], "request", "lose", times=FOR_EVER)
        await simulator.admin.do(one["name"], "hush")


async def _ask(http: aiohttp.ClientSession, jobs: list[str], seconds: float) -> Answers:
    answers, until = Answers(), time.monotonic() + seconds

    async def again(took: list[float], paths: list[str]) -> None:
        turn = 0
        while time.monotonic() < until:
            began = time.perf_counter()
            async with http.get(paths[turn % len(paths)]) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            took.append((time.perf_counter() - began) * 1000)
            turn += 1
            await asyncio.sleep(PAUSE_S)

    paths = [f"/api/v1/jobs/{job}/status" for job in jobs]
    await asyncio.gather(again(answers.status, paths), again(answers.health, ["/health"]))
    return answers


@contextmanager
def _uploading(farm: Served, pace: float | None) -> Iterator[Synchronized[float]]:
    """Ten clients that upload, each at so many bytes a second; the bytes they have sent."""
    spawn = multiprocessing.get_context("spawn")
    sent = spawn.Value("d", 0.0)
    arguments = (farm.port, farm.key, pace, sent)
    process = spawn.Process(target=_upload_all, args=arguments, daemon=True)
    process.start()
    try:
        yield sent
        assert process.is_alive(), "the uploads ended"
    finally:
        process.kill()
        process.join(10)


def _upload_all(port: int, key: str, pace: float | None, sent: Any) -> None:
    content = memoryview(gcode(40, pad_bytes=UPLOAD_BYTES))
    with ThreadPoolExecutor(UPLOADS) as threads:
        clients = [threads.submit(_upload, port, key, content, pace, sent) for _ in range(UPLOADS)]
        wait(clients, return_when=FIRST_COMPLETED)  # none ends but by a failure
        os._exit(1)


def _upload(port: int, key: str, content: memoryview, pace: float | None, sent: Any) -> None:
    pause = threading.Event()
    while True:
        first = f"; {secrets.token_hex(8)}\n".encode()
        head = (
            "POST /api/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"X-Api-Key: {key}\r\nX-Filename: {secrets.token_hex(4)}.gcode\r\n"
            f"Content-Length: {len(first) + len(content)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head.encode() + first)
            due = time.monotonic()
            for start in range(0, len(content), PIECE):
                connection.sendall(content[start : start + PIECE])
                with sent.get_lock():
                    sent.value += min(PIECE, len(content) - start)
                if pace is not None:
                    due += PIECE / pace
                    pause.wait(max(0.0, due - time.monotonic()))
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 201 "), answer
