"""A real OctoPrint prints over its own serial connection on a simulated board: no codec of ours.

What the board accepted is the file, line by line, also when the cable spoils some of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.octoprint_host import make_template, octoprint_host

pytestmark = pytest.mark.needs_octoprint

SPOILT = {"line.corrupt": 0.02, "line.drop-byte": 0.02}
MOVES = [f"G1 X{(7 * n) % 200} Y{(11 * n) % 200} E{n * 0.01:.5f} F9000" for n in range(200)]
FILE = ["M190 S50", "M109 S190", "G28", "G90", "M82", "G92 E0", *MOVES, "M104 S0", "M140 S0"]


async def accepted(simulator: Simulator, name: str) -> list[str]:
    """What the board took of the file: OctoPrint's own questions in between left out."""
    known = set(FILE)
    taken = [entry.get("text", "") for entry in await simulator.admin.accepted(name)]
    start = max(n for n, text in enumerate(taken) if text.startswith("M190"))
    return [text for text in taken[start:] if text in known]


@pytest.mark.timeout(180)
async def test_octoprint_prints_and_the_board_has_accepted_the_file(
    tmp_path: Path, seed: int
) -> None:
    template = await make_template(tmp_path / "template")
    async with firmware_printers(tmp_path / "sim", time_factor=60, seed=seed) as simulator:
        board = simulator.printers[0]
        name, port = str(board["name"]), str(Path(board["port"]).resolve())  # noqa: ASYNC240 -- a look at a link waits for nothing
        serial = {"port": port, "baudrate": 115200, "additionalPorts": [port]}
        async with octoprint_host(template, tmp_path / "octoprint", serial=serial) as host:
            await host.connect_printer()
            await simulator.admin.rates(name, SPOILT)
            await host.put("part.gcode", "\n".join(FILE).encode() + b"\n", start=True)
            await host.finishes("part.gcode", limit=90)
            await simulator.admin.clear_rules(name)
            assert await accepted(simulator, name) == FILE
            truth = await simulator.admin.printer(name)
            assert truth["refused"] > 0
            assert [end["outcome"] for end in await simulator.admin.log(name, "end")] == ["ended"]
            assert truth["position"]["e"] == pytest.approx(199 * 0.01)
