"""A whole farm prints over a serial line, from the order to the verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildplate.core.job_state import JobState
from buildplate.core.printers import Volume
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.farm import running_farm
from tests.integration.serial_printer import codes, moves

pytestmark = pytest.mark.timeout(90)


@dataclass
class SerialHost:
    """Where the farm finds the board."""

    simulator: Simulator

    @property
    def connection(self) -> dict[str, Any]:
        return {"port": self.simulator.printers[0]["port"]}


async def test_an_order_is_streamed_from_the_store_and_completed(tmp_path: Path) -> None:
    more = ["--cold", "--no-reset-on-open"]
    content = moves(40, first=["M107"])
    async with (
        firmware_printers(tmp_path / "board", time_factor=20, more=more) as simulator,
        running_farm(tmp_path / "farm") as running,
    ):
        await running.add(SerialHost(simulator), driver="marlin")
        job = await running.order(content, size=Volume(150, 100, 10))
        async with asyncio.timeout(60):
            while (await running.farm.jobs.job(job.job.id)).state is not JobState.COMPLETED:
                await asyncio.sleep(0.1)
        name = str(simulator.printers[0]["name"])
        sent = [str(e.get("text")) for e in await simulator.admin.accepted(name)]
        begin = sent.index("M107")
        wanted = codes(content)
        assert [text for text in sent[begin:] if text in set(wanted)] == wanted
        kept = list((tmp_path / "farm").rglob("files/bp-*"))
        assert kept == [], "the file is gone from the printer's own folder"
        assert list((tmp_path / "farm" / "notes").rglob("runs.jsonl"))
