"""The hard constraints between a job and a printer: one table, in the order in which they are told.

What no action at the printer or the job can change stands first: of several reasons the first is
the one worth knowing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate.core import machine_fit as machine
from buildplate.core import material_fit as material
from buildplate.core.constraint import Constraint, Offers, OneOf, Suffices, Suits
from buildplate.core.materials import normalised
from buildplate.core.reasons import Reason, Unblock, UnblockAction, WaitReason, wait_for
from buildplate.core.remedies import change_requirements, update_printer, use_another

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildplate.core.jobs import JobFacts
    from buildplate.core.printers import Printer

STORAGE = 0


YES = (frozenset({True}),)

TABLE: tuple[Constraint[Any], ...] = (
    OneOf(
        code=Reason.NOT_CAPABLE,
        needs=lambda _: YES,
        have=lambda printer: printer.spec.can_print,
        say=lambda *_: "its driver can watch this printer, but not start a print on it",
        unblock=use_another,
    ),
    OneOf(
        code=Reason.PRINTER_NOT_LISTED,
        needs=lambda job: (job.requirements.printers,) if job.requirements.printers else (),
        have=lambda printer: printer.id,
        say=lambda needs, _: f"the job names {len(needs[0])} printer(s), and not this one",
        unblock=lambda needs, printer, job: change_requirements(
            job, printers=sorted({*needs[0], printer.id})
        ),
    ),
    OneOf(
        code=Reason.GROUP_MISMATCH,
        needs=lambda job: machine.named(job.requirements.group),
        have=lambda printer: normalised(printer.spec.group),
        say=machine.say_name(lambda printer: printer.spec.group),
        unblock=lambda _, printer, job: change_requirements(job, group=printer.spec.group),
    ),
    OneOf(
        code=Reason.MODEL_MISMATCH,
        needs=lambda job: machine.named(job.requirements.printer_model),
        have=lambda printer: normalised(printer.spec.model.name),
        say=machine.say_name(lambda printer: printer.spec.model.name),
        unblock=lambda _, printer, job: change_requirements(
            job, printer_model=printer.spec.model.name
        ),
    ),
    Suits(
        code=Reason.TOO_SMALL,
        needs=lambda job: () if job.file.box is None else (job.file.box,),
        have=machine.space,
        allows=machine.box_fits,
        say=machine.say_box,
        unblock=use_another,
    ),
    Suits(
        code=Reason.TOO_SMALL,
        needs=lambda job: (
            () if job.requirements.build_volume is None else (job.requirements.build_volume,)
        ),
        have=machine.space,
        allows=machine.size_fits,
        say=machine.say_size,
        unblock=machine.ask_for_less_room,
    ),
    Suits(
        code=Reason.NOT_CAPABLE,
        needs=machine.other_tools,
        have=machine.tool_count,
        allows=lambda highest, tools: highest < tools,
        say=machine.say_tools,
        unblock=lambda _, printer, __: update_printer(printer, ask=["materials"]),
    ),
    OneOf(
        code=Reason.FIT_UNKNOWN,
        needs=lambda job: YES if machine.size_unknown(job) else (),
        have=lambda _: False,
        say=lambda *_: "nobody knows the size of the print: its file does not tell",
        unblock=lambda _, __, job: Unblock(
            UnblockAction.UPDATE_JOB, job.id, {"ask": ["requirements.build_volume"]}
        ),
    ),
    OneOf(
        code=Reason.FIT_UNKNOWN,
        needs=lambda _: YES,
        have=lambda printer: printer.spec.model.build_volume is not None,
        say=lambda *_: "nobody has said how large this printer's build volume is",
        unblock=lambda _, printer, __: update_printer(printer, ask=["model.build_volume"]),
    ),
    Suits(
        code=Reason.TAG_MISMATCH,
        needs=machine.tag_needs,
        have=machine.tags_of,
        allows=machine.tags_allow,
        say=machine.say_tags,
        unblock=machine.retag,
    ),
    Suits(
        code=Reason.NOZZLE_MISMATCH,
        needs=machine.nozzle_needs,
        have=lambda printer: printer.spec.model.nozzles_mm,
        allows=machine.nozzle_allows,
        say=machine.say_nozzle,
        unblock=machine.change_nozzle,
    ),
    OneOf(
        code=Reason.PLATE_MISMATCH,
        needs=lambda job: machine.named(job.requirements.plate),
        have=lambda printer: normalised(printer.spec.plate),
        say=machine.say_name(lambda printer: printer.spec.plate),
        unblock=lambda _, printer, job: update_printer(printer, plate=job.requirements.plate),
    ),
    Offers(
        code=Reason.MATERIAL_MISSING,
        needs=material.material_needs,
        have=material.spools,
        want=material.type_and_color,
        say=material.say_material,
        unblock=material.load,
    ),
    Offers(
        code=Reason.MATERIAL_VARIANT,
        needs=material.variant_needs,
        have=material.spools,
        want=material.type_color_and_variant,
        given=material.type_and_color,
        say=material.say_material,
        unblock=material.load,
    ),
    Suffices(
        code=Reason.TEMPERATURE_LIMIT,
        needs=machine.heat_needed,
        have=machine.heat_allowed,
        say=machine.say_heat,
        unblock=use_another,
    ),
    Suffices(
        code=Reason.NOT_ENOUGH_MATERIAL,
        needs=material.grams_needed,
        have=material.grams_left,
        say=material.say_grams,
        unblock=material.refill,
    ),
    Suffices(
        code=Reason.STORAGE_FULL,
        needs=lambda job: ((STORAGE, job.file.size),),
        have=lambda printer: ((STORAGE, printer.status.storage_free),),
        say=lambda needs, printer: (
            f"the file has {needs[0][1]:.0f} bytes, "
            f"its host has {printer.status.storage_free} bytes free"
        ),
        unblock=lambda needs, printer, _: wait_for(
            "room_on_the_host", printer=printer.id, bytes=needs[0][1]
        ),
    ),
)


def misfits(job: JobFacts, printer: Printer) -> Iterator[WaitReason]:
    """Every hard constraint between the two that is not met, in the table's order."""
    for constraint in TABLE:
        reason = constraint.reason(job, printer)
        if reason is not None:
            yield reason
