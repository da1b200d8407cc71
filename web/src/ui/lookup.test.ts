import { describe, expect, it } from "vitest";

import { lastUpTo } from "./lookup";

const find = (values: readonly number[], wanted: number) =>
  lastUpTo(values.length, (place) => values[place] as number, wanted);

describe("lastUpTo", () => {
  it("finds what a look from the front to the back finds", () => {
    for (let length = 0; length < 9; length += 1) {
      const values = Array.from({ length }, (_, place) => place * 10);
      for (let wanted = -5; wanted <= 95; wanted += 1) {
        expect(find(values, wanted)).toBe(values.filter((value) => value <= wanted).length - 1);
      }
    }
  });

  it("takes the last of equal ones", () => {
    expect(find([3, 3, 3, 7], 3)).toBe(2);
  });
});
