import { expect, it } from "vitest";

import { SILENCE_S, type Sample, curvesOf, everyOf, thinned, withLive } from "./curves";

const at = (when: number, actual = 200, target: number | null = 215): Sample => ({
  at: when,
  temperatures: { tool0: { actual, target } },
});

it("leaves a gap where nothing was heard, and none where it was", () => {
  const { at: times, curves } = curvesOf([at(0), at(60), at(61 + SILENCE_S), at(200)]);
  expect(times).toEqual([0, 60, 61, 61 + SILENCE_S, 200]);
  expect(curves[0]?.actual).toEqual([200, 200, null, 200, 200]);
});

it("draws no set-point of a heater that is off", () => {
  const { curves } = curvesOf([at(0, 20, 0), at(10, 21, null), at(20, 22, 60)]);
  expect(curves[0]?.target).toEqual([null, null, 60]);
});

it("has a curve for a heater that was not there all the time", () => {
  const both = { at: 5, temperatures: { ...at(5).temperatures, bed: { actual: 60, target: 60 } } };
  const { curves } = curvesOf([at(0), both]);
  expect(curves.map((curve) => [curve.known, curve.actual])).toEqual([
    ["nozzle", [200, 200]], ["bed", [null, 60]],
  ]);
});

it("adds live points, one a second, and lets the old ones go", () => {
  const two = withLive([at(0), at(100)], at(100.4, 201), 60);
  expect(two.map((one) => [one.at, one.temperatures["tool0"]?.actual])).toEqual([[100.4, 201]]);
  expect(withLive(two, at(102), 60)).toHaveLength(2);
});

it("grows, however often a printer speaks", () => {
  let kept: Sample[] = [];
  for (let push = 0; push < 120; push += 1) kept = withLive(kept, at(push / 2), 3600);
  expect(kept).toHaveLength(60);
  for (let push = 0; push < 120; push += 1) kept = withLive(kept, at(60 + push / 2), 21_600);
  expect(kept).toHaveLength(70);
});

it("shows evenly chosen rows in a table, the newest first and always", () => {
  const many = Array.from({ length: 101 }, (_, index) => at(index));
  const rows = thinned(many, 20);
  expect(rows.length).toBeLessThanOrEqual(20);
  expect(rows[0]?.at).toBe(100);
  expect(rows[1]?.at).toBe(94);
});

it("asks for every reading of an hour, and for as many of a longer span", () => {
  expect([900, 3600, 21_600].map(everyOf)).toEqual([0, 0, 6]);
});
