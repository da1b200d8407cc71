"""`buildplate group`, `floor`, and what `printer` says of them."""

from __future__ import annotations

from pathlib import Path

from tests.service.cli.test_commands import at_a_terminal


async def test_groups_are_managed(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        assert "no groups" in (await me.type("group list")).stdout
        added = await me.type("group add Hall --description 'by the door'")
        assert added.stdout == "Made the group Hall.\n"
        await me.ready()
        assert "Hall" in (await me.type("printer edit Left --group hall")).stdout
        listed = (await me.type("group list")).stdout
        assert "by the door" in listed
        assert "by the door" in (await me.type("group show Hall")).stdout
        renamed = await me.json("group edit Hall --name Attic")
        assert (renamed["name"], renamed["printers"]) == ("Attic", 1)
        assert (await me.json("printer show Left"))["group"] == "Attic"
        refused = await me.type("group remove Attic", 1)
        assert "Left" in refused.stderr
        assert "another group" in refused.stderr
        await me.type("printer edit Left --no-group")
        assert (await me.type("group remove Attic")).stdout == "Attic is removed.\n"
        assert "buildplate group list" in (await me.type("group show Attic", 1)).stderr
        assert "say what to change" in (await me.type("group edit Attic", 2)).stderr


async def test_floors_are_managed(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        assert "no floors" in (await me.type("floor list")).stdout
        assert "12000x8000" in (await me.type("floor add Ground", 2)).stderr
        assert "12000x8000" in (await me.type("floor add Ground --size big", 2)).stderr
        assert (await me.type("floor add Ground --size 9000x6000.5")).stdout == (
            "Made the floor Ground.\n"
        )
        assert "9000 × 6000.5" in (await me.type("floor list")).stdout
        await me.ready()
        await me.type("printer edit Left --floor Ground --at 1500,2400 --rotation 90")
        shown = await me.type("floor show Ground")
        assert "Left at 1500,2400 mm, turned by 90°" in shown.stdout
        (standing,) = (await me.json("floor show Ground"))["standing"]
        assert standing["floor_position"]["rotation"] == 90
        await me.type("printer edit Left --at 1,2")
        kept = (await me.json("printer show Left"))["floor_position"]
        assert (kept["x"], kept["y"], kept["rotation"]) == (1, 2, 90)
        assert "write x and y" in (await me.type("printer edit Left --at 1x2", 2)).stderr
        assert "not on Ground" in (await me.type("printer edit Left --at 9001,1", 1)).stderr
        assert "no floor named" in (await me.type("printer edit Left --floor Roof", 1)).stderr
        assert "Left" in (await me.type("floor remove Ground", 1)).stderr
        assert (await me.json("floor edit Ground --name Cellar --size 100x100"))["depth_mm"] == 100
        await me.type("printer edit Left --no-floor")
        assert (await me.json("printer show Left"))["floor_position"] is None
        assert (await me.type("floor remove Cellar")).stdout == "Cellar is removed.\n"
