import { expect, it } from "vitest";

import { arranged, columnsOf, moved, PANELS, toggled } from "./arrangement";

it("makes whole what was remembered by another version or broken by hand", () => {
  const found = arranged({ order: ["events", "webcam", "events"], folded: "all" }, "phone");
  expect(found.order[0]).toBe("events");
  expect([...found.order].sort()).toEqual([...PANELS].sort());
  expect(found.folded).toEqual([]);
  expect(arranged("nonsense", "phone").order).toEqual([...PANELS]);
});

it("moves a panel by one place, and none beyond the ends", () => {
  const start = arranged(null, "phone");
  const [first = "current", second = "current"] = start.order;
  expect(moved(start, first, 1).order.slice(0, 2)).toEqual([second, first]);
  expect(moved(start, first, -1)).toBe(start);
  expect(moved(start, start.order.at(-1) ?? first, 1)).toBe(start);
});

it("folds and unfolds", () => {
  const folded = toggled(arranged(null, "phone"), "events");
  expect(folded.folded).toEqual(["events"]);
  expect(toggled(folded, "events").folded).toEqual([]);
});

it("keeps every panel once in the columns of each size", () => {
  const { order } = arranged(null, "desktop");
  expect(columnsOf(order, "desktop")).toHaveLength(2);
  expect(columnsOf(order, "desktop").flat()).toEqual(order);
  expect(columnsOf(order, "tablet")).toEqual([order]);
});
