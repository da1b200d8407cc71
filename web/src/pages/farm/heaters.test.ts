import { expect, it } from "vitest";

import { heatersOf } from "./heaters";

const heat = { actual: 20, target: null };

it("names the one nozzle, and puts it before the bed and the chamber", () => {
  const found = heatersOf({ chamber: heat, bed: heat, tool0: heat });
  expect(found.map((one) => one.known)).toEqual(["nozzle", "bed", "chamber"]);
});

it("keeps several nozzles apart by the names their driver gives them", () => {
  const found = heatersOf({ bed: heat, tool1: heat, tool0: heat, enclosure: heat });
  expect(found.map((one) => one.known ?? one.name)).toEqual(["tool0", "tool1", "bed", "enclosure"]);
});
