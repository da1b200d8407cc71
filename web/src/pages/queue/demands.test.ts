import { expect, it } from "vitest";

import { demandPatch, demandsOf, faultsOfDemands, isFaulty } from "./demands";

const ASKED = {
  printers: ["p1"],
  group: "Hall",
  materials: [{ tool: 0, type: "PETG", color: null, variant: "matte", grams: 12.5 }],
  printer_model: null,
  nozzle_mm: 0.4,
  plate: null,
  build_volume: { x: 200, y: 200, z: 100 },
  tags_all: ["fast", "enclosed"],
  tags_none: [],
};

it("sends nothing where nothing was changed, however the server spells it", () => {
  expect(demandPatch(demandsOf(ASKED), demandsOf(ASKED))).toBeNull();
  expect(demandPatch(demandsOf({}), demandsOf({ tags_all: [], group: null }))).toBeNull();
});

it("sends what was changed, null for what was emptied, and nothing else", () => {
  const after = { ...demandsOf(ASKED), nozzle: 0.6, group: " ", printers: [], tagsNone: "old, ," };
  expect(demandPatch(demandsOf(ASKED), after)).toEqual({
    nozzle_mm: 0.6, group: null, printers: [], tags_none: ["old"],
  });
});

it("sends all materials where one was changed, as the API replaces a list", () => {
  const after = demandsOf(ASKED);
  after.slots.push({ key: 0, tool: 1, type: " PVA ", variant: "", color: "", grams: undefined });
  expect(demandPatch(demandsOf(ASKED), after)).toEqual({
    materials: [
      ...ASKED.materials,
      { tool: 1, type: "PVA", color: null, variant: null, grams: null },
    ],
  });
});

it("takes room away as a whole, and refuses a part of it", () => {
  const before = demandsOf(ASKED);
  const part = { ...before, z: undefined };
  expect(isFaulty(faultsOfDemands(before))).toBe(false);
  expect(faultsOfDemands(part).fields).toEqual({ z: "whole_volume" });
  const none = { ...part, x: undefined, y: undefined };
  expect(isFaulty(faultsOfDemands(none))).toBe(false);
  expect(demandPatch(before, none)).toEqual({ build_volume: null });
});

it("refuses a nozzle of nothing, and a material without a name", () => {
  const slots = [{ key: 0, tool: 0, type: "", variant: "", color: "", grams: undefined }];
  const faults = faultsOfDemands({ ...demandsOf({}), nozzle: 0, slots });
  expect(faults.fields.nozzle).toBe("positive");
  expect(faults.slots).toEqual([{ field: "type", key: "required" }]);
  expect(isFaulty(faults)).toBe(true);
});
