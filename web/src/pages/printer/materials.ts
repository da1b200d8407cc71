// What tools hold, or have to, as a form holds it and as the API takes it.
import type { components } from "@/api/schema";

type Loaded = components["schemas"]["LoadedBody"];

export interface Slot {
  /** Its identity in the form, whatever tool it is for. */
  key: number;
  tool: number | undefined;
  type: string;
  variant: string;
  color: string;
  /** What is left, or what is needed. */
  grams: number | undefined;
}
export type SlotFault = { field: "tool" | "type"; key: "required" | "twice" } | null;

let lastKey = 0;

export function slotsOf(materials: readonly Loaded[]): Slot[] {
  return materials.map((one) => ({
    key: ++lastKey,
    tool: one.tool,
    type: one.type,
    variant: one.variant ?? "",
    color: one.color ?? "",
    grams: one.remaining_g ?? undefined,
  }));
}

/** An empty slot for the first tool that has none. */
export function blankSlot(slots: readonly Slot[]): Slot {
  let tool = 0;
  while (slots.some((one) => one.tool === tool)) tool += 1;
  return { key: ++lastKey, tool, type: "", variant: "", color: "", grams: undefined };
}

/** What is wrong with each slot. */
export function faultsOfSlots(slots: readonly Slot[]): SlotFault[] {
  return slots.map((slot, at) => {
    if (slot.tool === undefined) return { field: "tool", key: "required" };
    const first = slots.findIndex((one) => one.tool === slot.tool);
    if (first < at) return { field: "tool", key: "twice" };
    return slot.type.trim() === "" ? { field: "type", key: "required" } : null;
  });
}

export function materialsOf(slots: readonly Slot[]): Loaded[] {
  return slots.map((slot) => ({
    tool: slot.tool ?? 0,
    type: slot.type.trim(),
    variant: slot.variant.trim() || null,
    color: slot.color.trim() || null,
    remaining_g: slot.grams ?? null,
  }));
}
