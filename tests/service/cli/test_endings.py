"""The command line tells how prints ended, and what was made in time."""

from __future__ import annotations

from pathlib import Path

from tests.service.cli.test_commands import at_a_terminal


async def test_how_prints_ended_and_whether_in_time(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        assert (await me.type("ended")).stdout == "No print has ended like that.\n"
        assert (await me.type("lateness")).stdout == "No job was due in that time.\n"
        await me.ready()
        _, print_ = await me.surface.running()
        job = print_["job_id"]
        await me.surface.client.patch(f"/api/v1/jobs/{job}", json={"due": "2020-01-31T12:00:00Z"})
        await me.surface.floor["Left"].finish()
        await me.surface.until_print(print_["id"], state="completed")
        note = {"text": "a clean one"}
        await me.surface.client.post(f"/api/v1/prints/{print_['id']}/notes", json=note)
        head, line = (await me.type("ended --printer Left --state completed")).stdout.splitlines()
        assert head.split()[:3] == ["#", "ended", "how"]
        assert "completed" in line
        assert line.rstrip().endswith("a clean one")
        assert await me.json("ended --state failed") == []
        told = (await me.type("outcomes")).stdout.splitlines()
        assert told[1].split()[:3] == ["Left", "100", "%"]
        assert told[-1].startswith("all")
        late = (await me.type("lateness --since 2020-01-01 --until 2020-02-01")).stdout
        assert late.endswith("0 in time, 1 late\n")
        await me.type("outcomes --since yesterday", code=2)
