// Where a print is in its file, and what fingers on the picture mean.
import { describe, expect, it } from "vitest";

import type { Layer } from "@/viewer/toolpath";

import { moveOf } from "./fingers";
import { positionAt } from "./follow";

const layers = [100, 200, 400].map((byte) => ({ byte }) as Layer);

describe("the position of a print", () => {
  it.each([
    [0, 0, 0],
    [100, 0, 0],
    [150, 0, 0.5],
    [200, 1, 0],
    [399, 1, 0.995],
    [700, 2, 0.5],
    [1000, 2, 1],
  ])("at byte %d is layer %d and a share of %d", (byte, layer, until) => {
    expect(positionAt(layers, byte, 1000)).toEqual({ layer, until: expect.closeTo(until, 9) });
  });

  it("is unknown before anything was read", () => {
    expect(positionAt([], 10, 1000)).toBeNull();
  });
});

describe("fingers", () => {
  it("move the picture with their middle and zoom as they part", () => {
    expect(moveOf([{ x: 0, y: 0 }], [{ x: 5, y: -3 }])).toEqual({ dx: 5, dy: -3, times: 1 });
    const before = [{ x: 0, y: 0 }, { x: 10, y: 0 }];
    expect(moveOf(before, [{ x: -5, y: 0 }, { x: 15, y: 0 }])).toEqual({ dx: 0, dy: 0, times: 2 });
  });

  it("that lie on one another zoom nothing", () => {
    const same = [{ x: 1, y: 1 }, { x: 1, y: 1 }];
    expect(moveOf(same, [{ x: 0, y: 0 }, { x: 2, y: 2 }]).times).toBe(1);
  });
});
