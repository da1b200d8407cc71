import { expect, it } from "vitest";

import { freePlace, movedBy, placeAt, type Floor, type Place } from "./floor";

const FLOOR: Floor = {
  id: "f",
  name: "hall",
  width_mm: 4000,
  depth_mm: 2000,
  printers: 0,
  version: 1,
  created_at: "2027-01-31T12:00:00Z",
};
const AT: Place = { floor: "f", x: 1000, y: 1000, rotation: 0 };

it.each([
  ["ArrowLeft", false, { x: 900 }],
  ["ArrowRight", false, { x: 1100 }],
  ["ArrowUp", false, { y: 900 }],
  ["ArrowDown", true, { y: 1010 }],
  ["r", false, { rotation: 90 }],
] as const)("moves by the key %s (fine: %s)", (key, fine, part) => {
  expect(movedBy(key, fine, AT, FLOOR)).toEqual({ ...AT, ...part });
});

it("leaves every other key to the page", () => {
  expect(movedBy("Tab", false, AT, FLOOR)).toBeNull();
});

it("never leaves the floor, by key or by pointer: the server would refuse it", () => {
  expect(movedBy("ArrowUp", false, { ...AT, y: 40 }, FLOOR)?.y).toBe(0);
  expect(movedBy("ArrowRight", false, { ...AT, x: 3990 }, FLOOR)?.x).toBe(4000);
  expect(placeAt({ x: 1.2, y: -0.3 }, AT, FLOOR)).toEqual({ ...AT, x: 4000, y: 0 });
});

it("comes to rest on the grid where it is dropped, turned as it was", () => {
  const turned = { ...AT, rotation: 45 };
  expect(placeAt({ x: 0.51, y: 0.26 }, turned, FLOOR)).toEqual({ ...turned, x: 2000, y: 500 });
});

it("puts one more printer where none stands, and in the middle where all places are taken", () => {
  const first = freePlace(FLOOR, []);
  const second = freePlace(FLOOR, [first]);
  expect(second).not.toEqual(first);
  const taken: Place[] = [];
  for (let count = 0; count < 50; count += 1) taken.push(freePlace(FLOOR, taken));
  expect(freePlace(FLOOR, taken)).toMatchObject({ x: 2000, y: 1000 });
});
