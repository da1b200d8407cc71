import { expect, it } from "vitest";

import { Problem } from "@/api/problem";

import {
  blankDescription, bodyOf, faultsOfDescription, newPrinter, refusedFields,
} from "./description";

const GOOD = { ...blankDescription(), name: "Left" };

it("wants a name that is no number or id", () => {
  const faults = (name: string) => faultsOfDescription({ ...GOOD, name }).name;
  expect(faults(" ")).toBe("required");
  expect(faults("12")).toBe("like_number");
  expect(faults("MK4-3")).toBeUndefined();
});

it("wants a whole build volume or none", () => {
  const missing = { y: "whole_volume", z: "whole_volume" };
  expect(faultsOfDescription({ ...GOOD, x: 250 })).toEqual(missing);
  expect(faultsOfDescription({ ...GOOD, x: 250, y: 210, z: 0 })).toEqual({ z: "positive" });
  expect(bodyOf({ ...GOOD, x: 250, y: 210, z: 220 }).model.build_volume)
    .toEqual({ x: 250, y: 210, z: 220 });
  expect(bodyOf(GOOD).model.build_volume).toBeNull();
});

it("reads nozzles with a point and with a comma", () => {
  expect(bodyOf({ ...GOOD, nozzles: "0,4  0.6;1" }).model.nozzles_mm).toEqual([0.4, 0.6, 1]);
  expect(faultsOfDescription({ ...GOOD, nozzles: "0.4 wide" }).nozzles).toBe("nozzles");
});

it("sends what is empty as null, and tags without blanks", () => {
  const body = newPrinter({ ...GOOD, tags: " pla, ,fast " }, "virtual", { port: 1 });
  expect(body).toMatchObject({
    group: null, location: null, tags: ["pla", "fast"], driver: "virtual", enabled: true,
  });
});

it("finds the field that the server's refusal is about", () => {
  const errors = [
    { field: "body.name", detail: "too long" },
    { field: "body.tags.0", detail: "invisible" },
    { field: "body.model.build_volume.x", detail: "too much" },
    { field: "body.connection", detail: "not here" },
  ];
  expect(refusedFields(new Problem(422, { code: "invalid_request", errors }))).toEqual({
    name: "too long", tags: "invisible", x: "too much",
  });
});
