"""A simulated OctoPrint announces the key of whomever it is told to."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from buildplate_sim.launch import octoprints


@pytest.mark.parametrize(("more", "name"), [([], "_api"), (["--user=ann"], "ann")])
async def test_the_announced_key_belongs_to_whom_it_was_asked_for(
    tmp_path: Path, more: list[str], name: str
) -> None:
    async with octoprints(tmp_path, base_address="127.0.31.10", more=more) as simulator:
        (printer,) = simulator.printers
        headers = {"X-Api-Key": printer["api_key"]}
        async with aiohttp.ClientSession(printer["url"], headers=headers) as http:
            async with http.post("/api/login", json={"passive": True}) as answer:
                assert (await answer.json())["name"] == name
            async with http.get("/api/currentuser") as answer:
                assert (await answer.json())["name"] == name
