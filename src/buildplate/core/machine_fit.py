"""What the machine must be for a job: its size, tools, nozzle, heat, plate, names and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.materials import normalised
from buildplate.core.remedies import change_requirements, update_printer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildplate.core.jobs import Box, JobFacts
    from buildplate.core.printers import Printer, Volume
    from buildplate.core.reasons import Unblock

    Space = tuple[Volume | None, bool]
    NozzleNeed = tuple[frozenset[int], float]
    Tags = tuple[frozenset[str], frozenset[str]]

MARGIN_MM = 5.0
"""How far a file may run past the plate: several vendors' start lines do, by a few millimetres."""

NOZZLE, BED = 0, 1
SAME_NOZZLE_MM = 0.001


# --- tools -----------------------------------------------------------------------------------


def other_tools(job: JobFacts) -> tuple[int, ...]:
    """The highest tool the file uses that no material is asked for; those are asked for by name."""
    asked = {need.tool for need in job.requirements.materials}
    return tuple(sorted(job.file.tools - asked)[-1:])


def tool_count(printer: Printer) -> int:
    """How many tools a printer is known to have: by its hot ends and by what it has loaded."""
    loaded = max((material.tool + 1 for material in printer.spec.materials), default=1)
    return max(loaded, len(printer.spec.model.nozzles_mm))


def say_tools(highest: Sequence[int], printer: Printer) -> str:
    """The tool the file uses, and how many the printer has."""
    count = tool_count(printer)
    return f"the file uses tool {highest[0]}, this printer is known to have {count}, from tool 0 on"


# --- size ------------------------------------------------------------------------------------


def size_unknown(job: JobFacts) -> bool:
    """Whether neither the file nor the job tells how much room the print takes."""
    return job.file.box is None and job.requirements.build_volume is None


def space(printer: Printer) -> Space:
    """A printer's build volume, and whether it counts from the middle."""
    return printer.spec.model.build_volume, printer.spec.model.centred


def box_fits(box: Box, have: Space) -> bool:
    """Whether the extruding moves stay inside, where they are; an unknown volume is not judged."""
    volume, centred = have
    if volume is None:
        return True
    x0, y0 = (volume.x / 2, volume.y / 2) if centred else (0.0, 0.0)
    return (
        box.min_x + x0 >= -MARGIN_MM
        and box.min_y + y0 >= -MARGIN_MM
        and box.max_x + x0 <= volume.x + MARGIN_MM
        and box.max_y + y0 <= volume.y + MARGIN_MM
        and box.max_z <= volume.z
    )


def size_fits(size: Volume, have: Space) -> bool:
    """Whether the build volume is as large as asked for; an unknown volume is not judged."""
    volume, _ = have
    return volume is None or (size.x <= volume.x and size.y <= volume.y and size.z <= volume.z)


def _mm(volume: Volume | None) -> str:
    return "unknown" if volume is None else f"{volume.x:g} × {volume.y:g} × {volume.z:g} mm"


def say_box(boxes: Sequence[Box], printer: Printer) -> str:
    """Where the print runs, and the build volume it leaves."""
    b = boxes[0]
    return (
        f"the print runs x {b.min_x:g} to {b.max_x:g}, y {b.min_y:g} to {b.max_y:g}, z to "
        f"{b.max_z:g} mm; the build volume is {_mm(printer.spec.model.build_volume)}"
        f"{', counted from its middle' if printer.spec.model.centred else ''}"
    )


def say_size(sizes: Sequence[Volume], printer: Printer) -> str:
    """The build volume asked for, and the printer's."""
    return f"the job asks for {_mm(sizes[0])}, this is {_mm(printer.spec.model.build_volume)}"


def ask_for_less_room(_: Sequence[Volume], printer: Printer, job: JobFacts) -> Unblock:
    """Ask for this printer's build volume instead."""
    volume = printer.spec.model.build_volume
    size = None if volume is None else {"x": volume.x, "y": volume.y, "z": volume.z}
    return change_requirements(job, build_volume=size)


# --- nozzle ----------------------------------------------------------------------------------


def nozzle_needs(job: JobFacts) -> tuple[NozzleNeed, ...]:
    """The diameter asked for, on the tools that the print uses."""
    asked = job.requirements.nozzle_mm
    tools = job.file.tools | {need.tool for need in job.requirements.materials}
    return () if asked is None else ((tools or frozenset({0}), asked),)


def _nozzle_of(tool: int, nozzles: tuple[float, ...]) -> float | None:
    if len(nozzles) == 1:  # tools that share one hot end
        return nozzles[0]
    return nozzles[tool] if tool < len(nozzles) else None


def nozzle_allows(need: NozzleNeed, nozzles: tuple[float, ...]) -> bool:
    """Whether every tool used has the diameter asked for; an unknown nozzle has not."""
    tools, asked = need
    found = [_nozzle_of(tool, nozzles) for tool in tools]
    return all(n is not None and abs(n - asked) < SAME_NOZZLE_MM for n in found)


def say_nozzle(needs: Sequence[NozzleNeed], printer: Printer) -> str:
    """The diameter asked for, and the printer's."""
    nozzles = ", ".join(f"{n:g} mm" for n in printer.spec.model.nozzles_mm) or "an unknown one"
    return f"the job asks for a nozzle of {needs[0][1]:g} mm, this printer has {nozzles}"


def change_nozzle(needs: Sequence[NozzleNeed], printer: Printer, _: JobFacts) -> Unblock:
    """Put the nozzle on the tools that need it, and say so."""
    tools, asked = needs[0]
    nozzles = list(printer.spec.model.nozzles_mm)
    if len(nozzles) <= 1:
        nozzles = [asked]
    else:
        nozzles += [asked] * (max(tools) + 1 - len(nozzles))
        nozzles = [asked if tool in tools else n for tool, n in enumerate(nozzles)]
    return update_printer(printer, model={"nozzles_mm": nozzles})


# --- heat ------------------------------------------------------------------------------------


def heat_needed(job: JobFacts) -> tuple[tuple[int, float], ...]:
    """The hottest the file makes nozzle and bed, in °C, where it is known."""
    asked = ((NOZZLE, job.file.max_nozzle_c), (BED, job.file.max_bed_c))
    return tuple((heater, celsius) for heater, celsius in asked if celsius is not None)


def heat_allowed(printer: Printer) -> tuple[tuple[int, float | None], ...]:
    """The hottest nozzle and bed may get, in °C."""
    return ((NOZZLE, printer.spec.model.max_nozzle_c), (BED, printer.spec.model.max_bed_c))


def say_heat(needs: Sequence[tuple[int, float]], printer: Printer) -> str:
    """The temperatures the file sets beyond what is allowed."""
    allowed = dict(heat_allowed(printer))
    names = {NOZZLE: "nozzle", BED: "bed"}
    return "; ".join(
        f"the file heats the {names[heater]} to {celsius:g} °C, {allowed[heater]:g} °C is allowed"
        for heater, celsius in needs
    )


# --- names and tags --------------------------------------------------------------------------


def named(name: str | None) -> tuple[frozenset[str], ...]:
    """The name asked for, if one is."""
    return () if name is None else (frozenset({normalised(name)}),)


def _names(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(normalised, names))


def say_name(
    pick: Callable[[Printer], str | None],
) -> Callable[[Sequence[frozenset[str]], Printer], str]:
    """Make the sentence for a name that is another than the one asked for."""

    def say(needs: Sequence[frozenset[str]], printer: Printer) -> str:
        return f"the job asks for {', '.join(needs[0])}, this is {pick(printer) or 'not said'}"

    return say


def tag_needs(job: JobFacts) -> tuple[Tags, ...]:
    """The tags a printer must have, and those it must not."""
    wanted, banned = job.requirements.tags_all, job.requirements.tags_none
    return ((_names(wanted), _names(banned)),) if wanted or banned else ()


def tags_of(printer: Printer) -> frozenset[str]:
    """A printer's tags, spelled the one way."""
    return _names(printer.spec.tags)


def tags_allow(need: Tags, tags: frozenset[str]) -> bool:
    """Whether all wanted tags are there and no banned one is."""
    wanted, banned = need
    return wanted <= tags and not banned & tags


def say_tags(needs: Sequence[Tags], printer: Printer) -> str:
    """The tags that are missing and those in the way."""
    wanted, banned = needs[0]
    tags = tags_of(printer)
    lacks, has = sorted(wanted - tags), sorted(banned & tags)
    parts = [f"lacks {', '.join(lacks)}"] if lacks else []
    parts += [f"has {', '.join(has)}, which the job excludes"] if has else []
    return f"this printer {' and '.join(parts)}"


def retag(needs: Sequence[Tags], printer: Printer, job: JobFacts) -> Unblock:
    """Give the printer the tags; where the job contradicts itself, the job has to change."""
    wanted, banned = needs[0]
    tags = tags_of(printer)
    if wanted & banned:
        keep = {"tags_all": sorted(wanted & tags), "tags_none": sorted(banned - wanted - tags)}
        return change_requirements(job, **keep)
    kept = {tag for tag in printer.spec.tags if normalised(tag) not in banned}
    return update_printer(printer, tags=sorted(kept | (wanted - tags)))
