// What a job asks of a printer, as a form holds it and as the API takes it.
import type { components } from "@/api/schema";
import {
  faultsOfSlots, materialsOf, slotsOf, type Slot, type SlotFault,
} from "@/pages/printer/materials";
import { listed } from "@/ui/comma-list";

type Requirements = components["schemas"]["RequirementsBody"];

export interface Demands {
  /** The ids of the only printers that may have it; none named is any. */
  printers: string[];
  group: string;
  slots: Slot[];
  model: string;
  /** mm */
  nozzle: number | undefined;
  plate: string;
  /** mm */
  x: number | undefined;
  y: number | undefined;
  z: number | undefined;
  /** With commas between them. */
  tagsAll: string;
  tagsNone: string;
}
export const SIDES = ["x", "y", "z"] as const;
export interface DemandFaults {
  slots: SlotFault[];
  fields: Partial<Record<(typeof SIDES)[number] | "nozzle", "whole_volume" | "positive">>;
}

export function demandsOf(asked: Requirements): Demands {
  const needs = asked.materials ?? [];
  return {
    printers: (asked.printers ?? []).map(String),
    group: asked.group ?? "",
    slots: slotsOf(needs.map(({ grams, ...need }) => ({ ...need, remaining_g: grams ?? null }))),
    model: asked.printer_model ?? "",
    nozzle: asked.nozzle_mm ?? undefined,
    plate: asked.plate ?? "",
    x: asked.build_volume?.x,
    y: asked.build_volume?.y,
    z: asked.build_volume?.z,
    tagsAll: (asked.tags_all ?? []).join(", "),
    tagsNone: (asked.tags_none ?? []).join(", "),
  };
}

export function faultsOfDemands(demands: Demands): DemandFaults {
  const fields: DemandFaults["fields"] = {};
  const some = SIDES.some((side) => demands[side] !== undefined);
  for (const side of SIDES) {
    const length = demands[side];
    if (length === undefined && some) fields[side] = "whole_volume";
    else if (length !== undefined && !(length > 0)) fields[side] = "positive";
  }
  if (demands.nozzle !== undefined && !(demands.nozzle > 0)) fields.nozzle = "positive";
  return { slots: faultsOfSlots(demands.slots), fields };
}

export function isFaulty(faults: DemandFaults): boolean {
  return faults.slots.some((one) => one !== null) || Object.keys(faults.fields).length > 0;
}

const given = (text: string): string | null => text.trim() || null;

function requirementsOf(demands: Demands): Required<Requirements> {
  const { x, y, z } = demands;
  const whole = x !== undefined && y !== undefined && z !== undefined;
  return {
    printers: demands.printers,
    group: given(demands.group),
    materials: materialsOf(demands.slots).map(({ remaining_g, ...need }) => ({
      ...need,
      grams: remaining_g ?? null,
    })),
    printer_model: given(demands.model),
    nozzle_mm: demands.nozzle ?? null,
    plate: given(demands.plate),
    build_volume: whole ? { x, y, z } : null,
    tags_all: listed(demands.tagsAll),
    tags_none: listed(demands.tagsNone),
  };
}

/** A merge patch of what was changed, and of nothing else; null where nothing was. */
export function demandPatch(before: Demands, after: Demands): Requirements | null {
  const [was, is] = [requirementsOf(before), requirementsOf(after)];
  const changed = Object.entries(is).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(was[name as keyof Requirements]),
  );
  return changed.length ? (Object.fromEntries(changed) as Requirements) : null;
}
