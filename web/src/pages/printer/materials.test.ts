import { expect, it } from "vitest";

import { blankSlot, faultsOfSlots, materialsOf, slotsOf } from "./materials";

const LOADED = [
  { tool: 0, type: "PLA", color: "white", variant: null, remaining_g: 0 },
  { tool: 2, type: "PETG", color: null, variant: "matte", remaining_g: null },
];

it("gives back what it was given", () => {
  expect(materialsOf(slotsOf(LOADED))).toEqual(LOADED);
});

it("adds the first tool that is missing", () => {
  expect(blankSlot(slotsOf(LOADED)).tool).toBe(1);
});

it("says which slot is wrong", () => {
  const slots = [...slotsOf(LOADED), { ...blankSlot([]), tool: 2, type: "ABS" }, blankSlot([])];
  const second = { ...blankSlot([]), tool: undefined };
  expect(faultsOfSlots([...slots.slice(0, 3), second])).toEqual([
    null, null, { field: "tool", key: "twice" }, { field: "tool", key: "required" },
  ]);
  expect(faultsOfSlots([blankSlot([])])).toEqual([{ field: "type", key: "required" }]);
});
