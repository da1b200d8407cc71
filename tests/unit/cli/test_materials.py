"""Materials as people write them on the command line."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from buildplate.cli.materials import materials


def material(**fields: Any) -> dict[str, Any]:
    return {"tool": 0, "type": "PLA", "color": None, "variant": None} | fields


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PLA", material()),
        ("PLA/black", material(color="black")),
        ("PLA/black/matte", material(color="black", variant="matte")),
        ("PLA//matte:250", material(variant="matte", grams=250.0)),
        ("PLA:12.5", material(grams=12.5)),
    ],
)
def test_a_material_is_type_colour_variant_and_grams(text: str, found: dict[str, Any]) -> None:
    assert materials([text], "grams") == [found]


def test_materials_are_counted_by_tool() -> None:
    found = materials(["PLA", "PETG/red:1"], "remaining_g")
    assert [(one["tool"], one["type"]) for one in found] == [(0, "PLA"), (1, "PETG")]
    assert found[1]["remaining_g"] == 1


@pytest.mark.parametrize("text", ["", "/black", "PLA/a/b/c", "PLA:", "PLA:much"])
def test_what_is_no_material_ends_the_command(text: str) -> None:
    with pytest.raises(typer.Exit) as ended:
        materials([text], "grams")
    assert ended.value.exit_code == 2
