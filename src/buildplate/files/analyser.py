"""Runs the G-code scan where it delays nobody: large files in a process of their own.

The scan is pure Python. In a thread it takes the interpreter from the event loop for some
milliseconds at each turn, and every printer would feel it; a process at low priority may take
its time, and whatever a file does to it stays there. Starting one costs about as much as the
scan of two megabytes, so small files are scanned in a thread.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import orjson

from buildplate.files.errors import AnalysisFailed, ContentMissing
from buildplate.files.model import Analysis
from buildplate.files.scan.scanner import Scanner, scan_file

if TYPE_CHECKING:
    from pathlib import Path

    from buildplate.files.ports import BlobStore
    from buildplate.files.store import LocalBlobStore

MODULE = "buildplate.files.scan"
IN_THREAD = 500_000
"""Bytes up to which a thread is quicker, and short enough (20 ms)."""
START_S = 30.0
"""Seconds any process may take: small boxes start Python slowly."""
SLOWEST = 0.5e6
"""Bytes per second below which a scan is given up."""


class LocalAnalyser:
    """An `Analyser` of the contents in a `LocalBlobStore`; one process at a time."""

    def __init__(self, store: LocalBlobStore, *, in_thread: int = IN_THREAD) -> None:
        self._store = store
        self._in_thread = in_thread
        self._turn = asyncio.Semaphore(1)

    async def analyse(self, sha256: str) -> Analysis:
        """Scans the content; see `Analyser.analyse`."""
        path = self._store.path(sha256)
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            if size <= self._in_thread:
                return await asyncio.to_thread(scan_file, path)
        except FileNotFoundError as error:
            raise ContentMissing(sha256) from error
        async with self._turn:
            return await _in_process(path, START_S + size / SLOWEST)


class StreamAnalyser:
    """An `Analyser` of any `BlobStore`, for small contents: it scans on the event loop."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    async def analyse(self, sha256: str) -> Analysis:
        """Scans the content; see `Analyser.analyse`."""
        scanner = Scanner()
        async for piece in self._store.read(sha256):
            scanner.feed(piece)
        return scanner.finish()


async def _in_process(path: Path, seconds: float) -> Analysis:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # nothing is imported from the folder that the server was started in
        "-m",
        MODULE,
        str(path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, complaint = await process.communicate()
    except TimeoutError as error:
        problem = f"the scan took longer than {seconds:.0f} s"
        raise AnalysisFailed(problem) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        problem = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        raise AnalysisFailed(problem or f"the scan ended with {process.returncode}")
    return Analysis.from_dict(orjson.loads(answer))
