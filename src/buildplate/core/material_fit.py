"""What a printer must have loaded for a job, tool by tool, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.materials import (
    LoadedMaterial,
    MaterialNeed,
    normalised,
)
from buildplate.core.remedies import update_printer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate.core.jobs import JobFacts
    from buildplate.core.printers import Printer
    from buildplate.core.reasons import Unblock

    Spool = tuple[int, str, str | None, str | None]
    """Tool, type, colour and variant; None stands for any."""


def spools(printer: Printer) -> frozenset[Spool]:
    """Every description that fits what the printer holds; how much is left is another question."""
    found: set[Spool] = set()
    for m in printer.spec.materials:
        type_, color, variant = normalised(m.type), normalised(m.color), normalised(m.variant)
        found.update((m.tool, type_, c, v) for c in (None, color) for v in (None, variant))
    return frozenset(found)


def type_and_color(need: MaterialNeed) -> Spool:
    """What must be loaded, whatever its variant."""
    color = None if need.color is None else normalised(need.color)
    return need.tool, normalised(need.type), color, None


def type_color_and_variant(need: MaterialNeed) -> Spool:
    """What must be loaded."""
    variant = None if need.variant is None else normalised(need.variant)
    return *type_and_color(need)[:3], variant


def material_needs(job: JobFacts) -> tuple[MaterialNeed, ...]:
    """The materials asked for; how much of them is another question."""
    return tuple(
        need if need.grams is None else MaterialNeed(need.tool, need.type, need.color, need.variant)
        for need in job.requirements.materials
    )


def variant_needs(job: JobFacts) -> tuple[MaterialNeed, ...]:
    """The materials asked for in a certain variant."""
    return tuple(need for need in material_needs(job) if need.variant is not None)


def _in_words(material: MaterialNeed | LoadedMaterial) -> str:
    words = (material.type, material.variant, material.color)
    return " ".join(word for word in words if word)


def say_material(needs: Sequence[MaterialNeed], printer: Printer) -> str:
    """What each tool should hold, and what it holds."""
    parts = []
    for need in needs:
        holds = [_in_words(m) for m in printer.spec.materials if m.tool == need.tool]
        has = f"holds {holds[0]}" if holds else "holds nothing we know of"
        parts.append(f"tool {need.tool} needs {_in_words(need)} and {has}")
    return "; ".join(parts)


def _as_body(material: LoadedMaterial) -> dict[str, object]:
    return {
        "tool": material.tool,
        "type": material.type,
        "color": material.color,
        "variant": material.variant,
        "remaining_g": material.remaining_g,
    }


def load(needs: Sequence[MaterialNeed], printer: Printer, job: JobFacts) -> Unblock:
    """Load the tools with what they lack, with no less than the print uses."""
    holds = {material.tool: material for material in printer.spec.materials}
    grams = dict(grams_needed(job))
    for need in needs:
        had = holds.get(need.tool)
        color = need.color
        if color is None and had is not None and normalised(had.type) == normalised(need.type):
            color = had.color
        left = grams.get(need.tool)
        holds[need.tool] = LoadedMaterial(need.tool, need.type, color, need.variant, left)
    return update_printer(printer, materials=[_as_body(holds[tool]) for tool in sorted(holds)])


def grams_needed(job: JobFacts) -> tuple[tuple[int, float], ...]:
    """Grams per tool: what the job says, else what the file's analysis found."""
    grams = dict(job.file.filament_g)
    grams.update({n.tool: n.grams for n in job.requirements.materials if n.grams is not None})
    return tuple(sorted(grams.items()))


def grams_left(printer: Printer) -> tuple[tuple[int, float | None], ...]:
    """Grams per tool that are left, None where nobody counts."""
    return tuple((material.tool, material.remaining_g) for material in printer.spec.materials)


def say_grams(needs: Sequence[tuple[int, float]], printer: Printer) -> str:
    """What the print uses, and what is left."""
    left = dict(grams_left(printer))
    return "; ".join(
        f"the print uses {grams:g} g on tool {tool}, {left[tool]:g} g are left"
        for tool, grams in needs
    )


def refill(needs: Sequence[tuple[int, float]], printer: Printer, _: JobFacts) -> Unblock:
    """Put on a spool that lasts, and say how much is on it."""
    wanted = dict(needs)
    materials = []
    for material in printer.spec.materials:
        body = _as_body(material)
        body["remaining_g"] = wanted.get(material.tool, material.remaining_g)
        materials.append(body)
    return update_printer(printer, materials=materials)
