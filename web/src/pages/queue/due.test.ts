import { expect, it } from "vitest";

import { dueAt } from "./due";

const now = Date.UTC(2026, 10, 28, 12);
const at = (hours: number): string => new Date(now + hours * 3_600_000).toISOString();

it("is calm about what is days away, and points at what is due today", () => {
  expect(dueAt(at(72), now, false)).toEqual({ key: "due", seconds: 259_200, tone: "neutral" });
  expect(dueAt(at(3), now, false)).toMatchObject({ key: "due", tone: "active" });
});

it("warns where the plan will not meet it, and says plainly that it has passed", () => {
  expect(dueAt(at(3), now, true)).toMatchObject({ key: "late", tone: "attention" });
  expect(dueAt(at(-2), now, true)).toEqual({ key: "overdue", seconds: 7200, tone: "error" });
});

it("alarms nobody about what has ended", () => {
  expect(dueAt(at(-2), now, true, true)).toMatchObject({ key: "overdue", tone: "neutral" });
});
