"""Each hard constraint, by an example of what it keeps apart."""

from __future__ import annotations

from typing import Any

import pytest

from buildplate.core.eligibility import Eligibility
from buildplate.core.fit import misfits
from buildplate.core.jobs import Box
from buildplate.core.materials import LoadedMaterial, MaterialNeed
from buildplate.core.printers import Origin, Volume
from buildplate.core.reasons import Reason
from tests.unit.core.farms import job, printer

RED = LoadedMaterial(0, "PLA", "red", "silk", 100.0)
CENTRED = Box(-90, -90, 0.2, 90, 90, 100)

APART: list[tuple[Reason, dict[str, Any], dict[str, Any]]] = [
    (Reason.NOT_CAPABLE, {}, {"can_print": False}),
    (Reason.NOT_CAPABLE, {"tools": frozenset({1})}, {}),
    (Reason.PRINTER_NOT_LISTED, {"printers": frozenset({"printer-2"})}, {}),
    (Reason.GROUP_MISMATCH, {"group": "north"}, {"group": "south"}),
    (Reason.GROUP_MISMATCH, {"group": "north"}, {}),
    (Reason.MODEL_MISMATCH, {"printer_model": "XL"}, {}),
    (Reason.TOO_SMALL, {"box": Box(0, 0, 0.2, 90, 90, 90)}, {"build_volume": Volume(90, 90, 80)}),
    (Reason.TOO_SMALL, {"box": Box(0, 0, 0.2, 90, 96, 9)}, {"build_volume": Volume(90, 90, 80)}),
    (Reason.TOO_SMALL, {"box": CENTRED}, {"build_volume": Volume(200, 200, 200)}),
    (Reason.TOO_SMALL, {"build_volume": Volume(250, 1, 1)}, {"build_volume": Volume(200, 200, 90)}),
    (Reason.FIT_UNKNOWN, {"box": None}, {}),
    (Reason.FIT_UNKNOWN, {}, {"build_volume": None}),
    (Reason.TAG_MISMATCH, {"tags_all": frozenset({"a", "b"})}, {"tags": frozenset({"a"})}),
    (Reason.TAG_MISMATCH, {"tags_none": frozenset({"a"})}, {"tags": frozenset({"A", "b"})}),
    (Reason.NOZZLE_MISMATCH, {"nozzle_mm": 0.6}, {}),
    (Reason.NOZZLE_MISMATCH, {"nozzle_mm": 0.4}, {"nozzles_mm": ()}),
    (Reason.NOZZLE_MISMATCH, {"nozzle_mm": 0.4}, {"nozzles_mm": (0.6, 0.4)}),
    (Reason.PLATE_MISMATCH, {"plate": "smooth"}, {"plate": "textured"}),
    (Reason.PLATE_MISMATCH, {"plate": "smooth"}, {}),
    (Reason.MATERIAL_MISSING, {"materials": (MaterialNeed(0, "PETG"),)}, {"materials": (RED,)}),
    (
        Reason.MATERIAL_MISSING,
        {"materials": (MaterialNeed(0, "PLA", "blue", "matte"),)},
        {"materials": (RED,)},
    ),
    (Reason.MATERIAL_MISSING, {"materials": (MaterialNeed(1, "PLA"),)}, {"materials": (RED,)}),
    (
        Reason.MATERIAL_VARIANT,
        {"materials": (MaterialNeed(0, "PLA", None, "matte"),)},
        {"materials": (RED,)},
    ),
    (Reason.NOT_ENOUGH_MATERIAL, {"filament_g": ((0, 100.5),)}, {"materials": (RED,)}),
    (
        Reason.NOT_ENOUGH_MATERIAL,
        {"filament_g": ((0, 5.0),), "materials": (MaterialNeed(0, "PLA", grams=101),)},
        {"materials": (RED,)},
    ),
    (Reason.TEMPERATURE_LIMIT, {"max_nozzle_c": 260}, {"max_nozzle_c": 250}),
    (Reason.TEMPERATURE_LIMIT, {"max_bed_c": 101}, {"max_bed_c": 100}),
    (Reason.STORAGE_FULL, {"size": 1001}, {"storage_free": 1000}),
]

TOGETHER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"materials": (MaterialNeed(0, "pla", "#RED", "Silk", 100),)}, {"materials": (RED,)}),
    ({"materials": (MaterialNeed(0, "PLA", grams=500),)}, {}),
    ({"filament_g": ((0, 500.0),), "materials": (MaterialNeed(0, "PLA", grams=9),)}, {}),
    ({"box": CENTRED}, {"build_volume": Volume(200, 200, 200), "kinematics": "delta"}),
    ({"box": CENTRED}, {"build_volume": Volume(200, 200, 200), "origin": Origin.CENTRE}),
    ({"box": None, "build_volume": Volume(9, 9, 9)}, {}),
    ({"nozzle_mm": 0.4, "tools": frozenset({1})}, {"nozzles_mm": (0.6, 0.4)}),
    (
        {"nozzle_mm": 0.4, "materials": (MaterialNeed(1, "PLA"),)},
        {"nozzles_mm": (0.4,), "materials": (RED, LoadedMaterial(1, "PLA"))},
    ),
    ({"max_nozzle_c": 999}, {"max_nozzle_c": None}),
    ({"printers": frozenset({"printer-1", "x"}), "plate": "Smooth"}, {"plate": "smooth"}),
]


@pytest.mark.parametrize(("code", "of_job", "of_printer"), APART)
def test_a_job_and_a_printer_apart(
    code: Reason, of_job: dict[str, Any], of_printer: dict[str, Any]
) -> None:
    wanted, machine = job(**of_job), printer(**of_printer)
    found = list(misfits(wanted, machine))
    assert [reason.code for reason in found] == [code]
    assert found[0].detail
    assert Eligibility([machine, machine]).of(wanted) == 0


@pytest.mark.parametrize(("of_job", "of_printer"), TOGETHER)
def test_a_job_and_a_printer_that_suit(of_job: dict[str, Any], of_printer: dict[str, Any]) -> None:
    wanted, machine = job(**of_job), printer(**of_printer)
    assert list(misfits(wanted, machine)) == []
    assert Eligibility([machine, machine]).of(wanted) == 0b11
