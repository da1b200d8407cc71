import { expect, it } from "vitest";

import { placeOf, shapeOf, type Mesh } from "./mesh";

const MESH = {
  profile: "default", least: [10, 20], most: [210, 220],
  heights: [[0.1, 0, -0.05], [0.02, 0.2, 0]],
} as unknown as Mesh;

it("says where a point lies: rows go from front to back", () => {
  expect(placeOf(MESH, 0, 0)).toEqual({ x: 10, y: 20 });
  expect(placeOf(MESH, 1, 1)).toEqual({ x: 110, y: 220 });
});

it("finds the highest and the lowest point and what lies between", () => {
  const shape = shapeOf(MESH);
  expect(shape?.highest).toEqual({ x: 110, y: 220, height: 0.2 });
  expect(shape?.lowest).toEqual({ x: 210, y: 20, height: -0.05 });
  expect(shape?.range).toBeCloseTo(0.25);
});

it("claims nothing of a bed that was not measured", () => {
  expect(shapeOf({ ...MESH, heights: [] })).toBeNull();
  expect(placeOf({ ...MESH, heights: [[1]] }, 0, 0)).toEqual({ x: 10, y: 20 });
});
