"""Background work of the file room: the analysis of large files after their upload."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from buildplate.files.errors import AnalysisFailed, ContentMissing
from buildplate.files.model import FileState

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate.files.model import Analysis, PrintFile
    from buildplate.files.ports import Analyser, FileRepository

BATCH = 20


class AnalysisWorker:
    """Analyses every file in state `analysing`, one after the other, oldest first.

    What is to do stands in the rows, so a restart loses nothing; `wake` only saves the waiting.
    `tell` is called once the outcome for a file stands in its row.
    """

    def __init__(
        self,
        files: FileRepository,
        analyser: Analyser,
        tell: Callable[[], None],
        *,
        poll_s: float = 60.0,
    ) -> None:
        self._files = files
        self._analyser = analyser
        self._tell = tell
        self._poll_s = poll_s
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Says that there may be a file to analyse."""
        self._wanted.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            self._wanted.clear()
            while await self.work_once():
                pass
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def work_once(self) -> int:
        """Analyses the oldest waiting files; returns how many there were."""
        files = await self._files.list_analysing(limit=BATCH)
        for file in files:
            analysis = await self._outcome(file)
            state = FileState.UNREADABLE if analysis is None else FileState.READY
            await self._files.mark_analysis(file.id, state, analysis)
            self._tell()
        return len(files)

    async def _outcome(self, file: PrintFile) -> Analysis | None:
        try:
            return await self._analyser.analyse(file.sha256)
        except (AnalysisFailed, ContentMissing):
            return None
