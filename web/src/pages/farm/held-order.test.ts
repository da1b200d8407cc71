import { expect, it } from "vitest";

import { keepOrder } from "./held-order";

it("keeps the order of those that are still there, and has new ones last", () => {
  expect(keepOrder(["a", "b", "c"], ["c", "d", "a"])).toEqual(["a", "c", "d"]);
});

it("is the sorted list itself where that is the order", () => {
  const sorted = ["a", "c"];
  expect(keepOrder(["a", "b", "c"], sorted)).toBe(sorted);
});
