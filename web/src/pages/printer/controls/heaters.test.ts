import { expect, it } from "vitest";

import { bears, PRESETS, settable, targetsOf, type Preset } from "./heaters";

it("sets nozzles in order, then bed and chamber, and no mere sensor", () => {
  expect(settable(["bed", "tool10", "raspberry", "tool2", "chamber", "tool0"]))
    .toEqual(["tool0", "tool2", "tool10", "bed", "chamber"]);
});

it("preheats the first nozzle and the bed, where there are such", () => {
  const pla = PRESETS[0] as Preset;
  expect(targetsOf(pla, ["tool0", "tool1", "bed"]).map(({ heater }) => heater))
    .toEqual(["tool0", "bed"]);
  expect(targetsOf(pla, ["tool0"])).toHaveLength(1);
});

it("offers nothing that is hotter than the printer bears", () => {
  const offered = (model: { max_nozzle_c: number | null; max_bed_c: number | null }) =>
    PRESETS.filter((one) => bears(model, targetsOf(one, ["tool0", "bed"])))
      .map(({ material }) => material);
  expect(offered({ max_nozzle_c: null, max_bed_c: null })).toEqual(["PLA", "PETG", "ABS"]);
  expect(offered({ max_nozzle_c: 250, max_bed_c: 90 })).toEqual(["PLA", "PETG"]);
  expect(offered({ max_nozzle_c: 200, max_bed_c: 90 })).toEqual([]);
});
