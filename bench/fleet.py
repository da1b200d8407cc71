"""T3: the same 200 simulated OctoPrints under FDM Monster and under Buildplate, in the same run.

Each system has the fleet for itself, one after the other, in a network namespace that has only
loopback: half of the printers print, one client of the live updates is connected. Counted is the
whole tree of a system's processes. FDM Monster is installed from npm; see `fleet_peer`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

from bench.fleet_peer import VERSION, installed
from bench.fleet_run import BUILDPLATE, FDM_MONSTER
from bench.rows import Row

NAME = "T3 a fleet under FDM Monster"
PRINTERS, SECONDS, CHANGES = 200, 60, 60
WITHIN_S = 900
CPU_PART, MEMORY_PART, TOLD_MS = 1 / 10, 1 / 4, 50.0
IN_NAMESPACE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']


class PeerStarvedError(RuntimeError):
    """The peer told no change in time: it got too little of this machine to be compared."""


def run() -> list[Row]:
    """Measures both; needs the right to make a network namespace."""
    installed()
    ours, theirs = _one(BUILDPLATE), _one(FDM_MONSTER)
    if not theirs["changes"]:
        raise PeerStarvedError(theirs)
    cpu, peer_cpu = (statistics.median(one["cpu"]) for one in (ours, theirs))
    all_told = bool(ours["changes"]) and not ours["unseen"]
    memory, told = ours["memory"] / theirs["memory"], ours["p99"]
    peer = f"FDM Monster {VERSION}"
    return [
        Row(f"CPU of {peer}", 100 * peer_cpu, "% of a core"),
        Row("CPU of Buildplate", 100 * cpu, "% of a core"),
        Row("the highest third of its time", 100 * max(ours["cpu"]), "% of a core"),
        Row("CPU, Buildplate ÷ peer", cpu / peer_cpu, "", "≤ 0.1", cpu / peer_cpu <= CPU_PART),
        Row(f"memory of {peer}", theirs["memory"] / 1e6, "MB"),
        Row("memory of Buildplate", ours["memory"] / 1e6, "MB"),
        Row("memory, Buildplate ÷ peer", memory, "", "≤ 0.25", memory <= MEMORY_PART),
        Row(f"written to the disk by {peer}", theirs["written_per_s"] / 1000, "kB/s"),
        Row("written to the disk by Buildplate", ours["written_per_s"] / 1000, "kB/s"),
        Row(f"a change told by {peer}, p50", theirs["p50"], "ms"),
        Row(f"a change told by {peer}, p95", theirs["p95"], "ms"),
        Row(f"a change told by {peer}, p99", theirs["p99"], "ms"),
        Row("a change told by Buildplate, p50", ours["p50"], "ms"),
        Row("a change told by Buildplate, p95", ours["p95"], "ms"),
        Row("a change told by Buildplate, p99", told, "ms", "≤ 50", told <= TOLD_MS and all_told),
        Row(f"changes that {peer} told", theirs["changes"], ""),
        Row("changes that Buildplate told", ours["changes"], ""),
        Row(f"changes that {peer} did not tell in time", theirs["unseen"], ""),
        Row("changes that Buildplate did not tell in time", ours["unseen"], ""),
    ]


def _one(system: str) -> dict[str, Any]:
    measure = [sys.executable, "-m", "bench.fleet_run", system]
    command = [*IN_NAMESPACE, *measure, str(PRINTERS), str(SECONDS), str(CHANGES)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=WITHIN_S)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
